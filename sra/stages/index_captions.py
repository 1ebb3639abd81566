"""Stage: look at every captioned image and every caption once, before anything long starts."""

from pathlib import Path

from sra.core.files import read_json
from sra.core.receipts import recorded_sha256, write_receipt
from sra.data.captions import FOLDERS, annotation_path, write_caption_index


def index_captions(root: Path, image_size: int, output: Path, expected: dict[str, int] | None = None, workers: int = 1) -> None:
    """Write the index of the data set in the folder `root` and its receipt. expected: images of the splits that are not as large as COCO's."""
    write_caption_index(root, output, image_size, expected, workers)
    content = read_json(output)
    hashes = {f"{split}_images": content["archives"][split]["sha256"] for split in FOLDERS}
    hashes |= {f"{split}_captions": recorded_sha256(annotation_path(root, split)) for split in FOLDERS}
    captions = {split: sum(len(image["captions"]) for image in content["images"] if image["split"] == split) for split in FOLDERS}
    facts = {"image_size": image_size, "crop": content["crop"], "splits": content["splits"], "captions": captions}
    write_receipt(output, "index", hashes=hashes, **facts)
