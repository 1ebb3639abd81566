"""Join text shards under one manifest with the image of each caption and checksums."""

from pathlib import Path

from sra.commands.options import Captioned, Index, Output, TextEncoder
from sra.core.errors import InputError
from sra.data.captions import caption_rows
from sra.data.store import receipts_of, write_manifest
from sra.encoders.text import text_encoder_files


def finish_text(index: Index, encoder: TextEncoder, output: Output, shards: list[Path], split: Captioned = "train") -> None:
    """Write the store's manifest, after checking that this index and this encoder made the shards."""
    receipts = receipts_of(shards, "text", {"index": index, **text_encoder_files(encoder)})
    for shard, receipt in zip(shards, receipts, strict=True):
        for name, value in (("encoder", encoder), ("split", split)):
            if receipt["facts"][name] != value:
                raise InputError(f"{shard}: was made for {name} {receipt['facts'][name]}, not {value}; delete it and run again")
    # A hub's encoder has no file here; the shards say its hash, and must all say the same.
    hashes = {role: sha256 for role, sha256 in receipts[0]["made_from"].items() if role != "index"}
    captions, images = caption_rows(index, split)
    facts = {"encoder": encoder, "encoder_sha256": hashes["encoder"], "split": split, "empty_row": len(captions) - 1}
    truncated = sum(receipt["facts"]["truncated"] for receipt in receipts)
    write_manifest(output, "text", shards, images, {"index": index}, hashes=hashes, truncated=truncated, **facts)
