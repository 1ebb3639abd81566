"""Stage: every training image through the autoencoder once. Posterior moments are stored; training draws latents from them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from sra.core.errors import InputError
from sra.core.progress import Progress
from sra.core.receipts import read_receipt
from sra.data.images import ImageSplit
from sra.data.store import receipts_of, shard_rows, write_manifest, write_shard
from sra.data.stored import STORED, as_stored
from sra.encoders.vae import Vae, vae_files, vae_hashes
from sra.spec.scale import StoredDtype
from sra.stages.take_latents import foreign_fact

BATCH = 64  # part of what the bytes depend on: kernels sum in another order for another size


def extract_latents(
    index: Path,
    vae: Path | str,
    number: int,
    of: int,
    output: Path,
    dtype: StoredDtype = "fp32",
    workers: int = 1,
    batch: int = BATCH,
    device: str = "cpu",
) -> None:
    """Write shard `number` (from 0) of `of`: the moments (rows, 2C, h, w) of its part of the train split.

    vae: folder of a saved autoencoder, or its name on the hub.  workers: threads that read, decode and crop images ahead of the network.
    """
    read_receipt(index, "index")
    images = ImageSplit(index, "train")
    rows = shard_rows(len(images), number, of)
    network = Vae.load(vae, device)
    named = {} if vae_files(vae) else {"vae": str(vae)}
    facts = {"scaling_factor": network.scaling_factor, "precision": "float32", "batch": batch, **named}
    with Progress(f"latents {number + 1} of {of}", len(rows), "images") as progress:

        def blocks() -> Iterator[np.ndarray]:
            for cropped in images.batches(rows, batch, workers):
                moments = network.encode_moments(torch.from_numpy(cropped)).cpu().numpy()
                yield as_stored(moments, dtype, rows.start + progress.done, images.named, "its latent", str(vae))
                progress.advance(len(cropped))

        write_shard(output, "latents", rows, blocks(), {"index": Path(index)}, STORED[dtype], vae_hashes(vae, network), **facts)


def finish_latents(shards: list[Path], index: Path, vae: Path | str, output: Path) -> None:
    """Join the shards into the store whose manifest is `output`, after checking that this index and this autoencoder made them."""
    inputs = {"index": Path(index), **vae_files(vae)}
    receipts = receipts_of(shards, "latents", inputs)
    for shard, receipt in zip(shards, receipts, strict=True):
        if receipt["facts"].get("vae") != (None if "vae" in inputs else str(vae)):
            raise InputError(f"{shard}: was made by the autoencoder {receipt['facts'].get('vae', 'of a folder')}, not {vae}; delete it and run again")
    # The hub's weights have no file here: the shards say their hash, and must all say the same.
    made_from, facts = receipts[0]["made_from"], receipts[0]["facts"]
    hashes = {} if "vae" in inputs else {"vae": made_from["vae"]}
    labels = ImageSplit(index, "train").labels
    foreign = foreign_fact([receipt["facts"] for receipt in receipts])
    kept = {key: facts[key] for key in ("scaling_factor", "precision", "vae") if key in facts}
    write_manifest(output, "latents", shards, labels, inputs, hashes=hashes, **kept, **foreign, vae_sha256=made_from["vae"])
