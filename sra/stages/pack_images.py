"""Stage: every training image decoded and cropped once, for encoders that see images again and again: 256 random ones are a read of 50 MB."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sra.core.progress import Progress
from sra.core.receipts import read_receipt
from sra.data.images import ImageSplit
from sra.data.store import receipts_of, shard_rows, write_manifest, write_shard

KIND = "pixels"
BATCH = 64


def pack_images(index: Path, number: int, of: int, output: Path, workers: int = 1) -> None:
    """Write shard `number` (from 0) of `of`: its part of the train split as (rows, S, S, 3) uint8. workers: threads that decode."""
    read_receipt(index, "index")
    images = ImageSplit(index, "train")
    rows = shard_rows(len(images), number, of)
    with Progress(f"pixels {number + 1} of {of}", len(rows), "images") as progress:

        def blocks() -> Iterator[np.ndarray]:
            for batch in images.batches(rows, BATCH, workers):
                yield batch
                progress.advance(len(batch))

        write_shard(output, KIND, rows, blocks(), {"index": Path(index)}, dtype="uint8")


def finish_pixels(shards: list[Path], index: Path, output: Path) -> None:
    """Join the shards into the store whose manifest is `output`, after checking that this index made them."""
    inputs = {"index": Path(index)}
    receipts_of(shards, KIND, inputs)
    write_manifest(output, KIND, shards, ImageSplit(index, "train").labels, inputs)
