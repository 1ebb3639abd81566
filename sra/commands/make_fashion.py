"""Write Fashion-MNIST at 32 x 32 pixels as an archive of class folders.

Example: sra make-fashion --source /usr/share/datasets/fashion-mnist --output results/shared/fashion/images.zip
"""

from pathlib import Path
from typing import Annotated

import typer

from sra.commands.options import Output
from sra.core.receipts import write_receipt
from sra.data.fashion import download_fashion, read_fashion, write_fashion


def make_fashion(
    output: Output,
    images: Annotated[int, typer.Option(min=70, help="of both splits, six of seven to train on")] = 70_000,
    source: Annotated[
        Path | None, typer.Option(help="folder with the four files of Fashion-MNIST, .gz or unpacked, or the root of torchvision's FashionMNIST")
    ] = None,
    downloads: Annotated[Path, typer.Option(help="where torchvision keeps what it downloads without --source")] = Path("downloads/fashion_mnist"),
) -> None:
    """Write the archive (zip) and its receipt."""
    data = read_fashion(source) if source else download_fashion(downloads)
    write_fashion(output, data, images)
    write_receipt(output, "images", source="Fashion-MNIST by torchvision", licence="MIT", images=images)
