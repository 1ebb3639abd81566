"""How many generated scenes show what their captions say: two digits and two colours, read off the image (`sra.data.scenes`).

No paper's score: it asks of scenes the one thing they are made for. A classifier of single digits reads the digits, colours are the nearest by name.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from sra.core.errors import InputError
from sra.core.progress import Progress
from sra.data.scenes import CLASSIFIER_SIZE, DIGIT_NAMES, SCENE_SIZE, Scene, colour_of, digit_of_half, halves, scene_of_caption
from sra.metrics.exact import full_float32
from sra.metrics.extractors import Extractor
from sra.metrics.samples import Images


@dataclass(frozen=True)
class CaptionAccuracy:
    """Shares of scenes, in [0, 1]. digits, colours: with both right, whatever the others are.  everything: with all four right."""

    everything: float
    digits: float
    colours: float


def caption_accuracy(images: Images, captions: Collection[str], predict: Callable[[np.ndarray], Tensor], batch: int) -> CaptionAccuracy:
    """Higher is better. A half in which nothing is legible shows no digit and no colour.

    images: (N, 32, 32, 3) uint8 with N captions.  predict: single grey digits (B, 32, 32, 3) uint8 -> (B,) int64, 0 to 9.
    """
    scenes = described_scenes(captions)
    right = []
    with Progress("read the scenes", len(images), "images") as progress:
        for start in range(0, len(images), batch):
            part = images[start : start + batch]
            right.append(_right(part, scenes[start : start + len(part)], predict))
            progress.advance(len(part))
    digits, colours = np.concatenate(right).T
    return CaptionAccuracy(float((digits & colours).mean()), float(digits.mean()), float(colours.mean()))


def described_scenes(captions: Collection[str]) -> list[Scene]:
    """What the captions describe. Raises InputError for the first that describes no scene."""
    scenes = []
    for number, caption in enumerate(captions):
        try:
            scenes.append(scene_of_caption(caption))
        except InputError as error:
            raise InputError(f"samples: image {number}: {error}; leave out caption_accuracy") from None
    return scenes


def check_reader(extractor: Extractor, images: Images) -> None:
    """Refuse an extractor that reads no digits, and images that are no scenes."""
    problem = None
    if extractor.image_size != CLASSIFIER_SIZE:
        problem = f"extractor {extractor.name} takes no digits of {CLASSIFIER_SIZE} x {CLASSIFIER_SIZE} pixels"
    elif images.shape[1:3] != (SCENE_SIZE, SCENE_SIZE):
        problem = f"images are {images.shape[1:3]} pixels, scenes {SCENE_SIZE} x {SCENE_SIZE}"
    else:
        with full_float32():
            features = extractor.features(images[0:1])
        if features.predicted is None or features.logits.shape[1] != len(DIGIT_NAMES):
            problem = f"extractor {extractor.name} does not tell {len(DIGIT_NAMES)} digits apart"
    if problem:
        raise InputError(f"--secondary caption_accuracy: {problem}; leave it out")


def _right(images: np.ndarray, scenes: list[Scene], predict: Callable[[np.ndarray], Tensor]) -> np.ndarray:
    """(B, 2) bool: whether both digits of a scene are its caption's, and whether both colours are."""
    seen = [half for image in images for half in halves(image)]
    asked = [shown for scene in scenes for shown in (scene.left, scene.right)]
    with full_float32():
        digits = predict(np.stack([digit_of_half(half) for half in seen])).cpu().numpy()
    colours = [colour_of(half) for half in seen]
    digit_right = [colour is not None and digit == shown.digit for digit, colour, shown in zip(digits, colours, asked, strict=True)]
    colour_right = [colour == shown.colour for colour, shown in zip(colours, asked, strict=True)]
    return np.stack([np.reshape(right, (-1, 2)).all(1) for right in (digit_right, colour_right)], axis=1)
