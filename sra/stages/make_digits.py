"""Stage: the digits as an image archive."""

from pathlib import Path

from sra.core.receipts import write_receipt
from sra.data.digits import write_digits


def make_digits(output: Path, image_size: int) -> None:
    """Write the archive (zip) and its receipt."""
    write_digits(output, image_size)
    write_receipt(output, "images", source="scikit-learn load_digits", licence="BSD-3-Clause", image_size=image_size)
