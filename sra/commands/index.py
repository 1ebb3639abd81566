"""Decode every image once and list them with class, split, size and hash. Nothing is unpacked to disk.

Example: sra index --images ILSVRC2012_img_train.tar --image-size 256 --expected-images 1281167 --expected-classes 1000 --output index.json
"""

from pathlib import Path
from typing import Annotated

import typer

from sra.commands.options import Decoders, ImageSize, Output
from sra.core.errors import InputError
from sra.core.files import read_json
from sra.core.receipts import write_receipt
from sra.data.images import Expected, write_index
from sra.spec.config import typed


def index(
    images: Annotated[
        str, typer.Option(help="folder of class folders, or one above it; tar (of one tar a class) or zip; images of REPA's preprocessing")
    ],
    image_size: ImageSize,
    output: Output,
    expected_images: Annotated[int | None, typer.Option(min=1, help="images of all splits; by default any number")] = None,
    expected_classes: Annotated[int | None, typer.Option(min=1, help="by default any number")] = None,
    workers: Decoders = 1,
    least_images: Annotated[int, typer.Option(min=0, help="images that are needed, of a data set of any number")] = 0,
) -> None:
    """Write the index and its receipt. What is expected of the images is said where the data set is known."""
    if images in ("", "paths.imagenet"):
        yours = f"for the preset own, {typed('own')} with your class folders"
        raise InputError(f"no images of ImageNet; download ILSVRC2012 from image-net.org and say where it is: {typed('imagenet')}; {yours}")
    if str(images).startswith("paths."):  # what the workflow gives where nothing is set
        raise InputError(f"no images; say where your folder of class folders is: {typed(images.removeprefix('paths.'))}")
    asked = (expected_images, expected_classes, least_images) != (None, None, 0)
    expected = Expected(expected_images, expected_classes, least_images) if asked else None
    notes = write_index(Path(images), output, image_size, expected, workers)
    content = read_json(output)
    facts = {"image_size": image_size, "classes": len(content["classes"]), "splits": content["splits"], **({"notes": notes} if notes else {})}
    write_receipt(output, "index", hashes={"images": content["archive"]["sha256"]}, **facts)
