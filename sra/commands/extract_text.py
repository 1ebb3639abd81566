"""Features of one shard of the captions, and of the empty caption after them, by a text encoder.

Example: sra extract-text --index index.json --encoder openai/clip-vit-large-patch14 --dtype fp16 --shard 0 --shards 64 --output ...
"""

from collections.abc import Iterator

import numpy as np

from sra.commands.options import Captioned, Device, Index, Output, Shard, Shards, StoredAs, TextEncoder
from sra.core.progress import Progress
from sra.core.receipts import read_receipt
from sra.data.captions import caption_rows
from sra.data.store import shard_rows, write_shard
from sra.data.stored import STORED, as_stored
from sra.encoders import text
from sra.models.device import choose_device

BATCH = 64  # fixed: it is part of what the bytes depend on


def extract_text(
    index: Index,
    encoder: TextEncoder,
    shard: Shard,
    shards: Shards,
    output: Output,
    split: Captioned = "train",
    dtype: StoredAs = "fp32",
    device: Device = "auto",
) -> None:
    """Write the features (rows, tokens, width) of the shard's part of the rows. Training reads them and runs no text tower at each step.

    MS-COCO's 414 thousand training captions of 77 x 768 take 49 GB as fp16 and 98 GB as fp32.
    """
    read_receipt(index, "index")
    captions, _ = caption_rows(index, split)
    rows = shard_rows(len(captions), shard, shards)
    network = text.TextEncoder.load(encoder, choose_device(device).type)
    mine = captions[rows.start : rows.stop]

    def named(row: int) -> str:
        return f"{index}: caption {captions[row]!r}"

    with Progress(f"text {shard + 1} of {shards}", len(rows), "captions") as progress:

        def blocks() -> Iterator[np.ndarray]:
            for start in range(0, len(mine), BATCH):
                features = network.encode(mine[start : start + BATCH]).cpu().numpy()
                yield as_stored(features, dtype, rows.start + start, named, "its text", f"encoder {encoder}")
                progress.advance(len(features))

        hashes = text.text_encoder_hashes(encoder, network)
        facts = {"encoder": encoder, "split": split, "truncated": network.truncated(mine)}
        write_shard(output, "text", rows, blocks(), {"index": index}, dtype=STORED[dtype], hashes=hashes, **facts)
