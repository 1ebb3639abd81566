"""Stage: train the small vision transformer that stands for REPA's DINOv2."""

from pathlib import Path

import torch
from torch import Tensor

from sra.core.receipts import write_receipt
from sra.data.captions import CaptionedSplit
from sra.data.images import ImageSplit
from sra.data.scenes import COLOURS, scene_of_caption
from sra.encoders import vision_training
from sra.encoders.vision import WEIGHTS
from sra.stages.small_sets import changed, small_set


def train_encoder(index: Path, output: Path, seed: int, device: str = "cpu", **settings: float | None) -> None:
    """Train on what the train split shows and write the folder `output`: config, weights and, beside the weights, their receipt.

    settings: of the training, in place of what suits digits, or scenes of them.
    """
    data = small_set(index)
    images, held_out = (torch.from_numpy(split.whole()) for split in (data.train, data.held_out))
    labels = labels_of(data.train)
    training = changed(vision_training.SCENES if data.captioned else vision_training.DIGITS, settings)
    encoder = vision_training.train_encoder(images, labels, output, seed, training, device)
    write_receipt(
        Path(output) / WEIGHTS,
        "encoder",
        {"index": index},
        seed=seed,
        training=vars(training),
        device=device,
        parameters=sum(parameter.numel() for parameter in encoder.network.parameters()),
        held_out_accuracy=vision_training.accuracy(encoder, held_out, labels_of(data.held_out), vision_training.classes_of(labels)),
    )


def labels_of(split: ImageSplit) -> Tensor:
    """Classes (N,) int64; of captioned scenes (N, 4): left digit, left colour, right digit, right colour, as the first caption says."""
    if not isinstance(split, CaptionedSplit):
        return torch.from_numpy(split.labels)
    colours = list(COLOURS)
    scenes = [scene_of_caption(captions[0]) for captions in split.captions]
    rows = [[value for shown in (scene.left, scene.right) for value in (shown.digit, colours.index(shown.colour))] for scene in scenes]
    return torch.tensor(rows)
