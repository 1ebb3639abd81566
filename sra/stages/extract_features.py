"""Stage: every training image through a vision encoder once. Nothing augments the images, so REPA's targets are constants.

Tokens are computed in float32 and stored in `dtype`. The released training computes them anew at each step, under fp16 autocast.
"""

from pathlib import Path

import torch

from sra.core.errors import InputError
from sra.core.progress import Progress
from sra.core.receipts import read_receipt
from sra.data.images import ImageSplit
from sra.data.store import receipts_of, shard_rows, write_manifest, write_shard
from sra.data.stored import STORED, as_stored
from sra.encoders.vision import VisionEncoder, encoder_files, encoder_hashes
from sra.spec.scale import StoredDtype

BATCH = 64  # fixed: it is part of what the bytes depend on


def extract_features(
    index: Path,
    encoder: str,
    number: int,
    of: int,
    output: Path,
    grid: int | None = None,
    dtype: StoredDtype = "fp32",
    workers: int = 1,
    device: str = "cpu",
) -> None:
    """Write shard `number` (from 0) of `of`: patch tokens (rows, tokens, width) of its part of the train split.

    encoder: folder or file of a saved model, or a name of timm's or the hub's.  grid: tokens on a side, those of the diffusion model (16
    at 256 pixels); None keeps the encoder's own.
    """
    read_receipt(index, "index")
    images = ImageSplit(index, "train")
    rows = shard_rows(len(images), number, of)
    network = VisionEncoder.load(encoder, grid, device)
    with Progress(f"features {number + 1} of {of}", len(rows), "images") as progress:

        def blocks():
            for batch in images.batches(rows, BATCH, workers=workers):
                tokens = network.tokens(torch.from_numpy(batch)).cpu().numpy()
                yield as_stored(tokens, dtype, rows.start + progress.done, images.named, "one of its tokens", f"encoder {encoder}")
                progress.advance(len(batch))

        made_from = {"index": Path(index)}
        hashes = encoder_hashes(encoder, network)
        write_shard(output, "features", rows, blocks(), made_from, dtype=STORED[dtype], hashes=hashes, encoder=str(encoder))


def finish_features(shards: list[Path], index: Path, encoder: str, output: Path) -> None:
    """Join the shards into the store whose manifest is `output`, after checking that this index and this encoder made them."""
    expected = {"index": Path(index), **encoder_files(encoder)}
    receipts = receipts_of(shards, "features", expected)
    for shard, receipt in zip(shards, receipts, strict=True):
        if receipt["facts"]["encoder"] != str(encoder):
            raise InputError(f"{shard}: was made by encoder {receipt['facts']['encoder']}, not {encoder}; delete it and run again")
    # A hub's encoder has no file here; the shards say its hash, and must all say the same.
    hashes = {role: sha256 for role, sha256 in receipts[0]["made_from"].items() if role != "index"}
    labels = ImageSplit(index, "train").labels
    write_manifest(output, "features", shards, labels, {"index": Path(index)}, hashes=hashes, encoder=str(encoder), encoder_sha256=hashes["encoder"])
