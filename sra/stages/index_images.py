"""Stage: look at every image of an archive once, before anything long starts."""

from pathlib import Path

from sra.core.files import read_json
from sra.core.receipts import write_receipt
from sra.data.images import write_index


def index_images(images: Path, image_size: int, output: Path, expected: dict[str, int] | None = None) -> None:
    """Write the index of the archive `images` and its receipt. `expected`: images of each split, where the data set is known."""
    write_index(images, output, image_size, expected)
    content = read_json(output)
    write_receipt(output, "index", {"images": images}, image_size=image_size, classes=len(content["classes"]), splits=content["splits"])
