"""Stage: train the small CLIP that stands for the text encoder and the image-text scores on captioned digits."""

from pathlib import Path

import torch

from sra.core.errors import InputError
from sra.core.receipts import write_receipt
from sra.encoders import clip_training
from sra.encoders.text import WEIGHTS
from sra.stages.small_sets import small_set


def train_clip(index: Path, output: Path, seed: int) -> None:
    """Train on the train split and write the folder `output`: config, tokenizer, weights and, beside the weights, their receipt."""
    data = small_set(index)
    if not data.captioned:
        raise InputError(f"{index}: its images have no captions; give the JSON that `sra index-captions` writes")
    clip = clip_training.train_clip(torch.from_numpy(data.train.whole()), data.train.captions, output, seed)
    found = clip_training.retrieval(clip, data.held_out.whole(), data.held_out.captions)
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
