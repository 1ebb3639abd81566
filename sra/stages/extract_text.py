"""Stage: every caption through the text encoder once. Training then reads features instead of running the text tower at each step.

The store's rows are the captions in the order of the index, image by image; the last row is the empty caption. Its `labels` say which image
of the split a row belongs to, -1 for the empty one. MS-COCO's 414 thousand training captions of 77 x 768 take 49 GB as fp16 and 98 GB as fp32.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sra.core.errors import InputError
from sra.core.progress import Progress
from sra.core.receipts import read_receipt
from sra.data.captions import CaptionedSplit
from sra.data.store import receipts_of, shard_rows, write_manifest, write_shard
from sra.data.stored import STORED, as_stored
from sra.encoders.text import EMPTY, TextEncoder, text_encoder_files, text_encoder_hashes
from sra.spec.scale import StoredDtype

BATCH = 64  # fixed: it is part of what the bytes depend on
NO_IMAGE = -1  # the label of the empty caption


def extract_text(
    index: Path, encoder: str, number: int, of: int, output: Path, split: str = "train", dtype: StoredDtype = "fp32", device: str = "cpu"
) -> None:
    """Write shard `number` (from 0) of `of`: features (rows, tokens, width) of its part of the split's captions and the empty one.

    encoder: folder of a saved CLIP or text tower, or its name on the hub.
    """
    read_receipt(index, "index")
    captions, _ = _rows_of(index, split)
    rows = shard_rows(len(captions), number, of)
    network = TextEncoder.load(encoder, device)
    mine = captions[rows.start : rows.stop]

    def named(row: int) -> str:
        return f"{index}: caption {captions[row]!r}"

    with Progress(f"text {number + 1} of {of}", len(rows), "captions") as progress:

        def blocks() -> Iterator[np.ndarray]:
            for start in range(0, len(mine), BATCH):
                features = network.encode(mine[start : start + BATCH]).cpu().numpy()
                yield as_stored(features, dtype, rows.start + start, named, "its text", f"encoder {encoder}")
                progress.advance(len(features))

        hashes = text_encoder_hashes(encoder, network)
        facts = {"encoder": str(encoder), "split": split, "truncated": network.truncated(mine)}
        write_shard(output, "text", rows, blocks(), {"index": Path(index)}, dtype=STORED[dtype], hashes=hashes, **facts)


def finish_text(shards: list[Path], index: Path, encoder: str, output: Path, split: str = "train") -> None:
    """Join the shards into the store whose manifest is `output`, after checking that this index and this encoder made them."""
    expected = {"index": Path(index), **text_encoder_files(encoder)}
    receipts = receipts_of(shards, "text", expected)
    for shard, receipt in zip(shards, receipts, strict=True):
        for name, value in (("encoder", str(encoder)), ("split", split)):
            if receipt["facts"][name] != value:
                raise InputError(f"{shard}: was made for {name} {receipt['facts'][name]}, not {value}; delete it and run again")
    # A hub's encoder has no file here; the shards say its hash, and must all say the same.
    hashes = {role: sha256 for role, sha256 in receipts[0]["made_from"].items() if role != "index"}
    captions, images = _rows_of(index, split)
    facts = {"encoder": str(encoder), "encoder_sha256": hashes["encoder"], "split": split, "empty_row": len(captions) - 1}
    truncated = sum(receipt["facts"]["truncated"] for receipt in receipts)
    write_manifest(output, "text", shards, images, {"index": Path(index)}, hashes=hashes, truncated=truncated, **facts)


def _rows_of(index: Path, split: str) -> tuple[list[str], np.ndarray]:
    """The caption of each row, and the number of its image in the split: (rows,) int64."""
    captioned = CaptionedSplit(Path(index), split)
    images = np.repeat(np.arange(len(captioned)), np.diff(captioned.first_captions))
    return [*captioned.flat_captions, EMPTY], np.append(images, NO_IMAGE)
