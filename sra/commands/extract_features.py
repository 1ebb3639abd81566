"""Patch tokens of one shard of the training images by an external encoder.

Example: sra extract-features --index index.json --encoder timm/vit_base_patch14_dinov2.lvd142m --grid 16 --shard 0 --shards 8 --output ...
"""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import torch
import typer

from sra.commands.options import Device, Encoder, ImageDecoders, Index, Output, Shard, Shards, StoredAs
from sra.core.progress import Progress
from sra.core.receipts import read_receipt
from sra.data.images import ImageSplit
from sra.data.store import shard_rows, write_shard
from sra.data.stored import STORED, as_stored
from sra.encoders.vision import VisionEncoder, encoder_hashes
from sra.models.device import choose_device

BATCH = 64  # fixed: it is part of what the bytes depend on


def extract_features(
    index: Index,
    encoder: Encoder,
    shard: Shard,
    shards: Shards,
    output: Output,
    grid: Annotated[int | None, typer.Option(min=1, help="tokens on a side; by default the encoder's own")] = None,
    dtype: StoredAs = "fp32",
    workers: ImageDecoders = 1,
    device: Device = "auto",
) -> None:
    """Write the tokens (rows, tokens, width) of the shard's part of the train split. grid: that of the diffusion model, 16 at 256 pixels.

    Nothing augments the images, so REPA's targets are constants. They are computed in float32; the released training computes them anew at each
    step, under fp16 autocast.
    """
    read_receipt(index, "index")
    images = ImageSplit(index, "train")
    rows = shard_rows(len(images), shard, shards)
    network = VisionEncoder.load(encoder, grid, choose_device(device).type)
    with Progress(f"features {shard + 1} of {shards}", len(rows), "images") as progress:

        def blocks() -> Iterator[np.ndarray]:
            for batch in images.batches(rows, BATCH, workers=workers):
                tokens = network.tokens(torch.from_numpy(batch)).cpu().numpy()
                yield as_stored(tokens, dtype, rows.start + progress.done, images.named, "one of its tokens", f"encoder {encoder}")
                progress.advance(len(batch))

        hashes = encoder_hashes(encoder, network)
        write_shard(output, "features", rows, blocks(), {"index": index}, dtype=STORED[dtype], hashes=hashes, encoder=encoder)
