"""Write scikit-learn's handwritten digits as an archive of class folders.

Example: sra make-digits --image-size 32 --output results/shared/digits/images.zip
"""

from typing import Annotated

import typer

from sra.commands.options import Output
from sra.core.receipts import write_receipt
from sra.data.digits import write_digits


def make_digits(output: Output, image_size: Annotated[int, typer.Option(min=8, max=1024, help="pixels on a side")] = 32) -> None:
    """Write the archive (zip) and its receipt."""
    write_digits(output, image_size)
    write_receipt(output, "images", source="scikit-learn load_digits", licence="BSD-3-Clause", image_size=image_size)
