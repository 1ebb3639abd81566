"""Stage: look at every image of an archive once, before anything long starts."""

from pathlib import Path

from sra.core.files import read_json
from sra.core.receipts import write_receipt
from sra.data.images import Expected, write_index


def index_images(
    images: Path,
    image_size: int,
    output: Path,
    expected_images: int | None = None,
    expected_classes: int | None = None,
    workers: int = 1,
    least_images: int = 0,
) -> None:
    """Write the index of the archive or folder `images` and its receipt. What is expected of it is said where the data set is known."""
    asked = (expected_images, expected_classes, least_images) != (None, None, 0)
    expected = Expected(expected_images, expected_classes, least_images) if asked else None
    notes = write_index(images, output, image_size, expected, workers)
    content = read_json(output)
    facts = {"image_size": image_size, "classes": len(content["classes"]), "splits": content["splits"], **({"notes": notes} if notes else {})}
    write_receipt(output, "index", hashes={"images": content["archive"]["sha256"]}, **facts)
