"""Join feature shards under one manifest with labels and checksums."""

from pathlib import Path

from sra.commands.options import Encoder, Index, Output
from sra.core.errors import InputError
from sra.data.images import ImageSplit
from sra.data.store import receipts_of, write_manifest
from sra.encoders.vision import encoder_files


def finish_features(index: Index, encoder: Encoder, output: Output, shards: list[Path]) -> None:
    """Write the store's manifest, after checking that this index and this encoder made the shards."""
    receipts = receipts_of(shards, "features", {"index": index, **encoder_files(encoder)})
    for shard, receipt in zip(shards, receipts, strict=True):
        if receipt["facts"]["encoder"] != encoder:
            raise InputError(f"{shard}: was made by encoder {receipt['facts']['encoder']}, not {encoder}; delete it and run again")
    # A hub's encoder has no file here; the shards say its hash, and must all say the same.
    hashes = {role: sha256 for role, sha256 in receipts[0]["made_from"].items() if role != "index"}
    labels = ImageSplit(index, "train").labels
    write_manifest(output, "features", shards, labels, {"index": index}, hashes=hashes, encoder=encoder, encoder_sha256=hashes["encoder"])
