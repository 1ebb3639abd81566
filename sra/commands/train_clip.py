"""Train the small CLIP that stands for the text encoder and for PickScore, on captioned images."""

import torch

from sra.commands.options import Index, OutputFolder
from sra.core.errors import InputError
from sra.core.receipts import write_receipt
from sra.data.small_sets import small_set
from sra.encoders import clip_training
from sra.encoders.text import WEIGHTS


def train_clip(index: Index, output: OutputFolder, seed: int = 0) -> None:
    """Train on the train split and write config, tokenizer, weights and, beside the weights, their receipt."""
    data = small_set(index)
    if not data.captioned:
        raise InputError(f"{index}: its images have no captions; give the JSON that `sra index-captions` writes")
    clip = clip_training.train_clip(torch.from_numpy(data.train.whole()), data.train.captions, output, seed)
    found = clip_training.retrieval(clip, data.held_out.whole(), data.held_out.captions)
    write_receipt(
        output / WEIGHTS,
        "clip",
        {"index": index},
        seed=seed,
        parameters=sum(parameter.numel() for parameter in clip.network.parameters()),
        vocabulary=len(clip.tokenizer),
        held_out_retrieval=found.accuracy,
        held_out_scenes=found.scenes,
        held_out_trials=found.trials,
    )
