"""What a step tells the model of each image: its class or one of its captions, and nothing where the condition is dropped.

Student and teacher are told the same (released code, SiT-SRA/train.py). A dropped class is the class after the last (DiT); a dropped caption is
the empty one, encoded like any other (REPA's text-to-image experiment, after U-ViT).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from sra.data.captions import drawn_captions
from sra.data.store import ArrayStore


class Conditions(Protocol):
    """hashes: SHA-256 of what the conditions are made from, by role in a state's receipt, beside the latents'."""

    hashes: dict[str, str]

    def at(self, seed: int, step: int, rows: np.ndarray, first_place: int, dropped: np.ndarray) -> Tensor:
        """The conditions of the images `rows` (n,), on the CPU. dropped: (n,) bool, those that become the null condition.

        The images are at places `first_place`, `first_place + 1`, ... of a step's global batch.
        """

    def encoded(self, condition: Tensor) -> Tensor:
        """The conditions that `at` gave, on the device that trains and as the model reads them."""


class ClassLabels:
    """(n,) int64: the labels beside the latents. `classes` is the label of none."""

    def __init__(self, latents: ArrayStore, classes: int):
        self.latents, self.classes = latents, classes
        self.hashes: dict[str, str] = {}

    def at(self, seed: int, step: int, rows: np.ndarray, first_place: int, dropped: np.ndarray) -> Tensor:
        return torch.from_numpy(np.where(dropped, self.classes, self.latents.labels[rows]))

    def encoded(self, condition: Tensor) -> Tensor:
        return condition


class StoredCaptions:
    """(n, L, E) float32: a random caption of each image from a store of text features, whose last row is the empty caption."""

    def __init__(self, text: ArrayStore):
        self.text = text
        self.first_captions = first_captions_of(text)
        self.hashes = {"text": text.sha256, "text_encoder": text.facts["encoder_sha256"]}

    def at(self, seed: int, step: int, rows: np.ndarray, first_place: int, dropped: np.ndarray) -> Tensor:
        captions = drawn_captions(seed, step, rows, self.first_captions, first_place)
        return torch.from_numpy(self.text.rows(np.where(dropped, self.text.facts["empty_row"], captions)))

    def encoded(self, condition: Tensor) -> Tensor:
        return condition


@dataclass(frozen=True)
class OnlineCaptions:
    """(n, L) int64 token ids until they are on the device, then the text encoder's features of them (n, L, E).

    It saves the disk that stored features take (49 GB of MS-COCO's captions in fp16) and costs the encoder's forward pass at every step.
    captions: of all images, one after the other.  first_captions: see `CaptionedSplit`.  tokenize, encode: of the text encoder.
    """

    captions: list[str]
    first_captions: np.ndarray
    tokenize: Callable[[list[str]], Tensor]
    encode: Callable[[Tensor], Tensor]
    empty: str
    hashes: dict[str, str]

    def at(self, seed: int, step: int, rows: np.ndarray, first_place: int, dropped: np.ndarray) -> Tensor:
        drawn = drawn_captions(seed, step, rows, self.first_captions, first_place)
        return self.tokenize([self.empty if nothing else self.captions[caption] for caption, nothing in zip(drawn, dropped, strict=True)])

    def encoded(self, condition: Tensor) -> Tensor:
        return self.encode(condition)


def first_captions_of(text: ArrayStore) -> np.ndarray:
    """(images + 1,) int64: captions of image i are rows first[i] to first[i + 1] of the store, whose labels are the images in order."""
    images = text.labels[:-1]
    return np.searchsorted(images, np.arange(int(images[-1]) + 2))
