"""Stage: Fashion-MNIST as an image archive."""

from pathlib import Path

from sra.core.receipts import write_receipt
from sra.data.fashion import download_fashion, read_fashion, write_fashion


def make_fashion(output: Path, images: int, source: Path | None, downloads: Path) -> None:
    """Write the archive (zip) and its receipt. source: folder with the four files; None: torchvision downloads them to `downloads`."""
    data = read_fashion(source) if source else download_fashion(downloads)
    write_fashion(output, data, images)
    write_receipt(output, "images", source="Fashion-MNIST by torchvision", licence="MIT", images=images)
