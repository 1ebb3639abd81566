"""Join shards of packed images under one manifest with labels and checksums."""

from pathlib import Path

from sra.commands.options import Index, Output
from sra.data.images import ImageSplit
from sra.data.store import receipts_of, write_manifest


def finish_pixels(index: Index, output: Output, shards: list[Path]) -> None:
    """Write the store's manifest, after checking that this index made the shards."""
    receipts_of(shards, "pixels", {"index": index})
    write_manifest(output, "pixels", shards, ImageSplit(index, "train").labels, {"index": index})
