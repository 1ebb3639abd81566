"""Train the small autoencoder that stands for the SD-VAE."""

import torch

from sra.commands.options import Device, Index, LearningRate, OutputFolder, TrainingBatch, TrainingSteps, Width
from sra.core.receipts import write_receipt
from sra.data.small_sets import changed, small_set
from sra.encoders import vae as vaes
from sra.models.device import choose_device


def train_vae(
    index: Index,
    output: OutputFolder,
    seed: int = 0,
    width: Width = None,
    steps: TrainingSteps = None,
    batch: TrainingBatch = None,
    learning_rate: LearningRate = None,
    device: Device = "auto",
) -> None:
    """Train on the train split and write config, weights and, beside the weights, their receipt."""
    where = choose_device(device).type
    data = small_set(index)
    images, held_out = (torch.from_numpy(split.whole()) for split in (data.train, data.held_out))
    usual = vaes.SCENES if data.captioned else vaes.DIGITS
    training = changed(usual, width=width, steps=steps, batch=batch, learning_rate=learning_rate)
    vae = vaes.train_vae(images, output, seed, training, where)
    write_receipt(
        output / vaes.WEIGHTS,
        "vae",
        {"index": index},
        seed=seed,
        training=vars(training),
        device=where,
        parameters=sum(parameter.numel() for parameter in vae.network.parameters()),
        scaling_factor=vae.scaling_factor,
        held_out_mean_squared_error=vaes.reconstruction_error(vae, held_out),
    )
