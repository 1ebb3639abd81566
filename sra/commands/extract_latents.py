"""Encode one shard of the training images to posterior moments.

Example: sra extract-latents --index index.json --vae stabilityai/sd-vae-ft-ema --shard 0 --shards 64 --workers 8 --output ...
"""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import torch
import typer

from sra.commands.options import Autoencoder, Device, ImageDecoders, Index, Output, Shard, Shards, StoredAs
from sra.core.progress import Progress
from sra.core.receipts import read_receipt
from sra.data.images import ImageSplit
from sra.data.store import shard_rows, write_shard
from sra.data.stored import STORED, as_stored
from sra.encoders.vae import Vae, vae_files, vae_hashes
from sra.models.device import choose_device


def extract_latents(
    index: Index,
    vae: Autoencoder,
    shard: Shard,
    shards: Shards,
    output: Output,
    dtype: StoredAs = "fp32",
    workers: ImageDecoders = 1,
    batch: Annotated[int, typer.Option(min=1, help="images that are encoded at a time")] = 64,
    device: Device = "auto",
) -> None:
    """Write the moments (rows, 2C, h, w) of the shard's part of the train split; training draws latents from them.

    batch: part of what the bytes depend on, since kernels sum in another order for another size.
    """
    read_receipt(index, "index")
    images = ImageSplit(index, "train")
    rows = shard_rows(len(images), shard, shards)
    network = Vae.load(vae, choose_device(device).type)
    named = {} if vae_files(vae) else {"vae": vae}
    facts = {"scaling_factor": network.scaling_factor, "precision": "float32", "batch": batch, **named}
    with Progress(f"latents {shard + 1} of {shards}", len(rows), "images") as progress:

        def blocks() -> Iterator[np.ndarray]:
            for cropped in images.batches(rows, batch, workers):
                moments = network.encode_moments(torch.from_numpy(cropped)).cpu().numpy()
                yield as_stored(moments, dtype, rows.start + progress.done, images.named, "its latent", vae)
                progress.advance(len(cropped))

        write_shard(output, "latents", rows, blocks(), {"index": index}, STORED[dtype], vae_hashes(vae, network), **facts)
