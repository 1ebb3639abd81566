"""Stage: every training image through the autoencoder once. Posterior moments are stored; training draws latents from them."""

from pathlib import Path

import torch

from sra.core.errors import InputError
from sra.core.progress import Progress
from sra.core.receipts import read_receipt, recorded_sha256
from sra.data.images import ImageSplit
from sra.data.store import shard_rows, write_manifest, write_shard
from sra.encoders.vae import WEIGHTS, Vae

BATCH = 64  # fixed: it is part of what the bytes depend on


def extract_latents(index: Path, vae: Path, number: int, of: int, output: Path, device: str = "cpu") -> None:
    """Write shard `number` (from 0) of `of`: the moments (rows, 2C, h, w) of its part of the train split."""
    read_receipt(index, "index")
    images = ImageSplit(index, "train")
    rows = shard_rows(len(images), number, of)
    network = Vae.load(Path(vae), device)
    with Progress(f"latents {number + 1} of {of}", len(rows), "images") as progress:

        def blocks():
            for batch in images.batches(rows, BATCH):
                yield network.encode_moments(torch.from_numpy(batch)).cpu().numpy()
                progress.advance(len(batch))

        write_shard(output, "latents", rows, blocks(), _inputs(index, vae), scaling_factor=network.scaling_factor)


def finish_latents(shards: list[Path], index: Path, vae: Path, output: Path) -> None:
    """Join the shards into the store whose manifest is `output`, after checking that this index and this autoencoder made them."""
    made_from = {role: recorded_sha256(path) for role, path in _inputs(index, vae).items()}
    receipts = [read_receipt(shard, "latents") for shard in shards]
    for shard, receipt in zip(shards, receipts, strict=True):
        for role, sha256 in made_from.items():
            if receipt["made_from"].get(role) != sha256:
                raise InputError(f"{shard}: was made from another {role} than {_inputs(index, vae)[role]}; delete it and run again")
    factor = receipts[0]["facts"]["scaling_factor"]
    labels = ImageSplit(index, "train").labels
    write_manifest(output, "latents", shards, labels, _inputs(index, vae), scaling_factor=factor, vae_sha256=made_from["vae"])


def _inputs(index: Path, vae: Path) -> dict[str, Path]:
    return {"index": Path(index), "vae": Path(vae) / WEIGHTS, "vae_config": Path(vae) / "config.json"}
