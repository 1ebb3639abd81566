"""Stage: train the small vision transformer that stands for REPA's DINOv2."""

from pathlib import Path

import torch

from sra.core.receipts import read_receipt, write_receipt
from sra.data.images import load_split
from sra.encoders import vision_training
from sra.encoders.vision import WEIGHTS


def train_encoder(index: Path, output: Path, seed: int) -> None:
    """Train on the train split's labels and write the folder `output`: config, weights and, beside the weights, their receipt."""
    read_receipt(index, "index")
    images, labels, held_out, held_out_labels = map(torch.from_numpy, (*load_split(index, "train"), *load_split(index, "held_out")))
    encoder = vision_training.train_encoder(images, labels, output, seed)
    write_receipt(
        Path(output) / WEIGHTS,
        "encoder",
        {"index": index},
        seed=seed,
        parameters=sum(parameter.numel() for parameter in encoder.network.parameters()),
        held_out_accuracy=vision_training.accuracy(encoder, held_out, held_out_labels),
    )
