"""Take over one shard of moments that REPA's or SRA's preprocessing computed; some are computed again and compared.

Example: sra take-latents --index index.json --vae stabilityai/sd-vae-ft-ema --moments repa/vae-sd --shard 0 --shards 64 --output ...
"""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from sra.commands.options import Device, Index, Output, Shard, Shards, StoredAs
from sra.core.errors import InputError
from sra.core.files import sha256_of_json
from sra.core.progress import Progress
from sra.core.receipts import read_receipt
from sra.data.archives import ZipImages, open_archive
from sra.data.images import ImageSplit
from sra.data.preprocessed import LAYOUT, Moments
from sra.data.store import shard_rows, write_shard
from sra.data.stored import STORED, as_stored
from sra.encoders.vae import Vae, vae_files, vae_hashes
from sra.models.device import choose_device

BATCH = 64
CHECKED = 4  # arrays of each shard
TOLERANCE = 0.05  # root mean square, of that of what is expected; TF32 and fp16 stay below 0.01, other weights or another range of pixels near 1


def take_latents(
    index: Index,
    vae: Annotated[str, typer.Option(help="folder or hub name of the autoencoder that made the moments")],
    moments: Annotated[Path, typer.Option(help="folder vae-sd of REPA's or SRA's preprocessing")],
    shard: Shard,
    shards: Shards,
    output: Output,
    dtype: StoredAs = "fp32",
    workers: Annotated[int, typer.Option(min=1, help="threads that read files")] = 1,
    device: Device = "auto",
) -> None:
    """Write what `sra extract-latents` would in eight hours: the moments (rows, 2C, h, w) of the shard's part of the train split.

    Every array is checked for shape, type and finite values, and some of each shard are computed again from their images: they must be those of
    the autoencoder that is named. The store says that they are foreign, and so does the receipt of every training that reads it.
    """
    read_receipt(index, "index")
    images = ImageSplit(index, "train")
    rows = shard_rows(len(images), shard, shards)
    with open_archive(moments) as source:
        stored = Moments(source, images)
        network = Vae.load(vae, choose_device(device).type)
        difference, shape = _compared(stored, images, rows, network, vae)
        contents: list[str] = []
        foreign = {"layout": LAYOUT, "checked": min(CHECKED, len(rows)), "largest_difference": difference}
        named = {} if vae_files(vae) else {"vae": vae}
        threads = 1 if isinstance(source, ZipImages) else workers  # a zip counts its open members without a lock
        with Progress(f"moments {shard + 1} of {shards}", len(rows), "images") as progress, ThreadPoolExecutor(threads) as pool:

            def blocks() -> Iterator[np.ndarray]:
                for first in range(rows.start, rows.stop, BATCH):
                    taken = list(pool.map(stored.read, range(first, min(first + BATCH, rows.stop))))
                    for row, (array, content) in enumerate(taken, start=first):
                        if array.shape != shape:
                            raise InputError(f"{moments}: {stored.names[row]!r} holds {array.shape}, others {shape}; give those of one preprocessing")
                        contents.append(hashlib.sha256(content).hexdigest())
                    block = np.stack([array for array, _ in taken])
                    yield as_stored(block, dtype, first, stored.named, "its latent", str(moments))
                    progress.advance(len(taken))
                foreign["sha256"] = sha256_of_json(contents)  # before the receipt is written

            write_shard(
                output,
                "latents",
                rows,
                blocks(),
                {"index": index},
                STORED[dtype],
                vae_hashes(vae, network),
                scaling_factor=network.scaling_factor,
                **named,
                foreign=foreign,
            )


def _compared(moments: Moments, images: ImageSplit, rows: range, network: Vae, vae: str) -> tuple[float, tuple[int, ...]]:
    """The largest difference from moments computed here of some images, and their shape. Raises InputError when they are others."""
    largest, shape = 0.0, ()
    for row in np.unique(np.linspace(rows.start, rows.stop - 1, CHECKED).astype(int)):
        where = moments.named(row)
        found, expected = moments.read(row)[0], _encoded(images, row, network)
        if found.shape != expected.shape:
            raise InputError(
                f"{where} holds {found.shape}, {vae} gives {expected.shape} for images of {images.image_size} pixels; name its autoencoder"
            )
        half = len(found) // 2
        differences = [_difference(found[part].astype(np.float32), expected[part]) for part in (slice(half), slice(half, None))]
        if max(differences) > TOLERANCE:
            which = "means" if differences[0] > TOLERANCE else "standard deviations"
            raise InputError(
                f"{where}: its {which} differ by {max(differences):.0%} from what {vae} makes of image {images.paths[row]!r}; "
                f"name the autoencoder that made them, or extract the latents here"
            )
        largest, shape = max(largest, *differences), found.shape
    return largest, shape


def _encoded(images: ImageSplit, row: int, network: Vae) -> np.ndarray:
    return network.encode_moments(torch.from_numpy(next(images.batches(range(row, row + 1), 1))))[0].cpu().numpy()


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.sqrt(np.square(found - expected).mean() / np.square(expected).mean()))
