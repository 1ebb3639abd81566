"""Stage: train the small CLIP that stands for the text encoder and the image-text scores on captioned digits."""

from pathlib import Path

import numpy as np
import torch

from sra.core.receipts import read_receipt, write_receipt
from sra.data.captions import CaptionedSplit
from sra.encoders import clip_training
from sra.encoders.text import WEIGHTS


def train_clip(index: Path, output: Path, seed: int) -> None:
    """Train on the train split and write the folder `output`: config, tokenizer, weights and, beside the weights, their receipt."""
    read_receipt(index, "index")
    train, held_out = (CaptionedSplit(index, split) for split in ("train", "val"))
    clip = clip_training.train_clip(torch.from_numpy(_images(train)), train.captions, output, seed)
    found = clip_training.retrieval(clip, _images(held_out), held_out.captions)
    write_receipt(
        Path(output) / WEIGHTS,
        "clip",
        {"index": index},
        seed=seed,
        parameters=sum(parameter.numel() for parameter in clip.network.parameters()),
        vocabulary=len(clip.tokenizer),
        held_out_retrieval=found.accuracy,
        held_out_scenes=found.scenes,
        held_out_trials=found.trials,
    )


def _images(split: CaptionedSplit) -> np.ndarray:
    """All of them, (N, S, S, 3) uint8: scenes are small."""
    return next(split.batches(range(len(split)), len(split)))
