"""Decode and crop one shard of the training images to bytes, for encoders that run while a model trains."""

from collections.abc import Iterator

import numpy as np

from sra.commands.options import ImageDecoders, Index, Output, Shard, Shards
from sra.core.progress import Progress
from sra.core.receipts import read_receipt
from sra.data.images import ImageSplit
from sra.data.store import shard_rows, write_shard

BATCH = 64


def pack_images(index: Index, shard: Shard, shards: Shards, output: Output, workers: ImageDecoders = 1) -> None:
    """Write the shard's part of the train split as (rows, S, S, 3) uint8: 256 random images are then a read of 50 MB."""
    read_receipt(index, "index")
    images = ImageSplit(index, "train")
    rows = shard_rows(len(images), shard, shards)
    with Progress(f"pixels {shard + 1} of {shards}", len(rows), "images") as progress:

        def blocks() -> Iterator[np.ndarray]:
            for batch in images.batches(rows, BATCH, workers):
                yield batch
                progress.advance(len(batch))

        write_shard(output, "pixels", rows, blocks(), {"index": index}, dtype="uint8")
