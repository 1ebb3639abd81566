"""Train the small vision transformer that stands for an external encoder."""

import torch

from sra.commands.options import Device, Index, LearningRate, OutputFolder, TrainingBatch, TrainingSteps, Width
from sra.core.receipts import write_receipt
from sra.data.small_sets import changed, labels_of, small_set
from sra.encoders import vision_training
from sra.encoders.vision import WEIGHTS
from sra.models.device import choose_device


def train_encoder(
    index: Index,
    output: OutputFolder,
    seed: int = 0,
    width: Width = None,
    steps: TrainingSteps = None,
    batch: TrainingBatch = None,
    learning_rate: LearningRate = None,
    device: Device = "auto",
) -> None:
    """Train on what the train split shows and write config, weights and, beside the weights, their receipt."""
    where = choose_device(device).type
    data = small_set(index)
    images, held_out = (torch.from_numpy(split.whole()) for split in (data.train, data.held_out))
    labels = labels_of(data.train)
    usual = vision_training.SCENES if data.captioned else vision_training.DIGITS
    training = changed(usual, width=width, steps=steps, batch=batch, learning_rate=learning_rate)
    encoder = vision_training.train_encoder(images, labels, output, seed, training, where)
    write_receipt(
        output / WEIGHTS,
        "encoder",
        {"index": index},
        seed=seed,
        training=vars(training),
        device=where,
        parameters=sum(parameter.numel() for parameter in encoder.network.parameters()),
        held_out_accuracy=vision_training.accuracy(encoder, held_out, labels_of(data.held_out), vision_training.classes_of(labels)),
    )
