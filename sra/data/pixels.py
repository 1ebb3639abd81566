"""Cropped images as rows of a store, for encoders that see images again and again: 256 random ones are a read of 50 MB, not 256 files."""

from collections.abc import Callable
from pathlib import Path

from sra.data.images import ImageSplit
from sra.data.store import ArrayStore, write_manifest, write_shard

KIND = "pixels"
BATCH = 64


def write_pixels(shard: Path, images: ImageSplit, rows: range, inputs: dict[str, Path], workers: int, done: Callable[[int], object]) -> None:
    """Write one shard: the images of `rows`, (rows, S, S, 3) uint8. done: called with the number of images after each batch."""

    def blocks():
        for batch in images.batches(rows, BATCH, workers):
            yield batch
            done(len(batch))

    write_shard(shard, KIND, rows, blocks(), inputs, dtype="uint8")


def join_pixels(manifest: Path, shards: list[Path], images: ImageSplit, inputs: dict[str, Path]) -> ArrayStore:
    """Join the shards into a store whose rows and labels are those of the split."""
    write_manifest(manifest, KIND, shards, images.labels, inputs)
    return ArrayStore.open(manifest, KIND)
