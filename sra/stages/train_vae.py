"""Stage: train the small autoencoder that stands for Stable Diffusion's."""

from pathlib import Path

import torch

from sra.core.receipts import read_receipt, write_receipt
from sra.data.images import load_split
from sra.encoders import vae as vaes


def train_vae(index: Path, output: Path, seed: int) -> None:
    """Train on the train split and write the folder `output`: config, weights and, beside the weights, their receipt."""
    read_receipt(index, "index")
    images, held_out = (torch.from_numpy(load_split(index, split)[0]) for split in ("train", "held_out"))
    vae = vaes.train_vae(images, output, seed)
    write_receipt(
        Path(output) / vaes.WEIGHTS,
        "vae",
        {"index": index},
        seed=seed,
        parameters=sum(parameter.numel() for parameter in vae.network.parameters()),
        scaling_factor=vae.scaling_factor,
        held_out_mean_squared_error=vaes.reconstruction_error(vae, held_out),
    )
