"""Networks that turn images into the features that the metrics compare.

An extractor is frozen, sees uint8 images and hands out three taps of one forward pass, as the FID Inception network does: pooled
features (FID, precision, recall), seven channels of an inner map (sFID) and class logits (inception score).
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np
from torch import Tensor

from sra.core.errors import InputError
from sra.core.files import sha256_of_file

# How a network that takes any image brings it to its own size. tensorflow: as the FID graph itself, the ADM suite's. pytorch: half-pixel centres,
# as pytorch-fid. One moves an image by up to half a pixel against the other, so a reference and its samples must share one.
Resize = Literal["tensorflow", "pytorch"]

# What an extractor was trained to tell: the classes of labelled images, or without any label how far an image was turned.
Task = Literal["labels", "rotation"]
TASKS: tuple[Task, ...] = get_args(Task)

SPATIAL_CHANNELS = 7  # of the inner map; the ADM suite's choice, evaluations/evaluator.py


@dataclass(frozen=True)
class Features:
    """The taps for B images, all on the extractor's device.

    pooled: (B, d) float32.  spatial: (B, s) float32, row, column, channel order.  logits: (B, K) float32, without the last bias.
    predicted: (B,) int64, the class with the largest full logit; None when the network's classes are not those of the data set.
    """

    pooled: Tensor
    spatial: Tensor
    logits: Tensor
    predicted: Tensor | None


class Extractor(Protocol):
    """What a metric needs of a network.

    image_size: the height and width that it takes; of images that measure whole multiples it takes means. None when it resizes any to its
    own; then it has `resized_by(resize)` too.  classes: of the data set, where it was trained to tell them apart; None for other classes.
    """

    name: str
    task: Task
    image_size: int | None
    classes: int | None

    def features(self, images: np.ndarray) -> Features:
        """The taps for images (B, H, W, 3) uint8."""
        ...


def with_resize(extractor: Extractor, resize: Resize) -> Extractor:
    """The same network behind that resize, `tensorflow` being what an extractor is loaded with. Refuses `pytorch` for one that never resizes."""
    if resize == "tensorflow":
        return extractor
    if extractor.image_size is not None:
        size = f"{extractor.image_size} x {extractor.image_size}"
        raise InputError(
            f"extractor {extractor.name}: takes {size} pixels as they are, so it has no {resize} resize; leave out --resize, or fid_pytorch"
        )
    return extractor.resized_by(resize)


def spatial_features(activations: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H*W*7): the first seven channels, flattened in row, column, channel order like TensorFlow's."""
    return activations[:, :SPATIAL_CHANNELS].movedim(1, -1).flatten(1)


def require_sha256(path: Path, expected: str) -> None:
    """Refuse a file whose SHA-256 does not begin with the expected hexadecimal digits, at least 8 of them."""
    if not re.fullmatch(r"[0-9a-f]{8,64}", expected):
        raise InputError(f"{path}: the expected SHA-256 is {expected!r}; give its first 8 to 64 digits, lower case")
    found = sha256_of_file(path)
    if not found.startswith(expected):
        raise InputError(f"{path}: its SHA-256 is {found}, expected {expected}; the file is damaged or another one, fetch it again")
