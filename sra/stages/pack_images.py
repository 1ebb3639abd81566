"""Stage: every training image decoded and cropped once, for encoders that run beside the training."""

from pathlib import Path

from sra.core.errors import InputError
from sra.core.progress import Progress
from sra.core.receipts import read_receipt, recorded_sha256
from sra.data.images import ImageSplit
from sra.data.pixels import KIND, join_pixels, write_pixels
from sra.data.store import shard_rows


def pack_images(index: Path, number: int, of: int, output: Path, workers: int = 1) -> None:
    """Write shard `number` (from 0) of `of`: its part of the train split as (rows, S, S, 3) uint8. workers: threads that decode."""
    read_receipt(index, "index")
    images = ImageSplit(index, "train")
    rows = shard_rows(len(images), number, of)
    with Progress(f"pixels {number + 1} of {of}", len(rows), "images") as progress:
        write_pixels(output, images, rows, {"index": Path(index)}, workers, progress.advance)


def finish_pixels(shards: list[Path], index: Path, output: Path) -> None:
    """Join the shards into the store whose manifest is `output`, after checking that this index made them."""
    expected = recorded_sha256(index)
    for shard in shards:
        if read_receipt(shard, KIND)["made_from"].get("index") != expected:
            raise InputError(f"{shard}: was made from another index than {index}; delete it and run again")
    join_pixels(output, shards, ImageSplit(index, "train"), {"index": Path(index)})
