"""Check captions and images of MS-COCO 2014, or of a data set in its format, and list them. Nothing is unpacked to disk.

Example: sra index-captions --root COCO --image-size 256 --workers 8 --output index.json
"""

from pathlib import Path
from typing import Annotated

import typer

from sra.commands.options import Decoders, ImageSize, Output
from sra.core.errors import InputError
from sra.core.files import read_json
from sra.core.receipts import recorded_sha256, write_receipt
from sra.data.captions import FOLDERS, annotation_path, write_caption_index
from sra.spec.config import typed


def index_captions(
    root: Annotated[Path, typer.Option(help="folder with annotations, and train2014 and val2014 (folders or zips) there or in images")],
    image_size: ImageSize,
    output: Output,
    expected_train: Annotated[int | None, typer.Option(min=1, help="images of train2014; by default COCO's 82783")] = None,
    expected_val: Annotated[int | None, typer.Option(min=1, help="images of val2014; by default COCO's 40504")] = None,
    workers: Decoders = 1,
) -> None:
    """Write the index and its receipt."""
    if str(root).startswith("paths."):  # what the workflow gives where nothing is set
        fetch = "download annotations_trainval2014.zip, train2014.zip and val2014.zip from cocodataset.org"
        raise InputError(f"no images of MS-COCO; {fetch} and say which folder has them: {typed(root.name.removeprefix('paths.'))}")
    expected = {split: images for split, images in (("train", expected_train), ("val", expected_val)) if images is not None}
    write_caption_index(root, output, image_size, expected, workers)
    content = read_json(output)
    hashes = {f"{split}_images": content["archives"][split]["sha256"] for split in FOLDERS}
    hashes |= {f"{split}_captions": recorded_sha256(annotation_path(root, split)) for split in FOLDERS}
    captions = {split: sum(len(image["captions"]) for image in content["images"] if image["split"] == split) for split in FOLDERS}
    facts = {"image_size": image_size, "crop": content["crop"], "splits": content["splits"], "captions": captions}
    write_receipt(output, "index", hashes=hashes, **facts)
