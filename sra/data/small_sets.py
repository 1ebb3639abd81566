"""The data sets that stand-ins are trained on: small enough for memory, with a train split and another that is held out."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from sra.core.errors import InputError
from sra.core.files import read_json
from sra.core.receipts import read_receipt
from sra.data.captions import CaptionedSplit
from sra.data.images import ImageSplit
from sra.data.scenes import COLOURS, scene_of_caption


@dataclass(frozen=True)
class SmallSet:
    """Digits have classes; scenes of digits have captions."""

    train: ImageSplit
    held_out: ImageSplit

    @property
    def captioned(self) -> bool:
        return isinstance(self.train, CaptionedSplit)


def small_set(index: Path) -> SmallSet:
    """The set that `sra index` or `sra index-captions` wrote. Raises InputError where there is not one split beside train."""
    read_receipt(index, "index")
    content = read_json(index)
    others = sorted(set(content["splits"]) - {"train"})
    if "train" not in content["splits"] or len(others) != 1:
        raise InputError(f"{index}: its splits are {', '.join(content['splits'])}, expected train and one to measure on; index a set that has both")
    kind = CaptionedSplit if "captions" in content["images"][0] else ImageSplit
    return SmallSet(kind(index, "train"), kind(index, others[0]))


def labels_of(split: ImageSplit) -> Tensor:
    """Classes (N,) int64; of captioned scenes (N, 4): left digit, left colour, right digit, right colour, as the first caption says."""
    if not isinstance(split, CaptionedSplit):
        return torch.from_numpy(split.labels)
    colours = list(COLOURS)
    scenes = [scene_of_caption(captions[0]) for captions in split.captions]
    rows = [[value for shown in (scene.left, scene.right) for value in (shown.digit, colours.index(shown.colour))] for scene in scenes]
    return torch.tensor(rows)


Training = TypeVar("Training")


def changed(training: Training, **settings: float | None) -> Training:
    """The same with what was given in place of its own; None is not given."""
    return replace(training, **{name: value for name, value in settings.items() if value is not None})
