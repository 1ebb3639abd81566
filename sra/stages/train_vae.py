"""Stage: train the small autoencoder that stands for Stable Diffusion's."""

from pathlib import Path

import torch

from sra.core.receipts import write_receipt
from sra.encoders import vae as vaes
from sra.stages.small_sets import changed, small_set


def train_vae(index: Path, output: Path, seed: int, device: str = "cpu", **settings: float | None) -> None:
    """Train on the train split and write the folder `output`: config, weights and, beside the weights, their receipt.

    settings: of the training, in place of what suits digits, or scenes of them.
    """
    data = small_set(index)
    images, held_out = (torch.from_numpy(split.whole()) for split in (data.train, data.held_out))
    training = changed(vaes.SCENES if data.captioned else vaes.DIGITS, settings)
    vae = vaes.train_vae(images, output, seed, training, device)
    write_receipt(
        Path(output) / vaes.WEIGHTS,
        "vae",
        {"index": index},
        seed=seed,
        training=vars(training),
        device=device,
        parameters=sum(parameter.numel() for parameter in vae.network.parameters()),
        scaling_factor=vae.scaling_factor,
        held_out_mean_squared_error=vaes.reconstruction_error(vae, held_out),
    )
