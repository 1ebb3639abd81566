"""Targets made while training: the images of a step through a frozen encoder, on the device that trains.

Source: REPA's released train.py, which encodes each batch under the run's autocast. It saves the disk that stored features take (1 TB of
DINOv2-B tokens for ImageNet in fp32) and costs the encoder's forward pass at every step that reads a target. What a method reads beside the tokens,
an encoder's summary or its attention, is made so in every run.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from torch import Tensor

from sra.data.store import ArrayStore
from sra.encoders.targets import Targets


@dataclass(frozen=True)
class OnlineTargets:
    """An encoder that makes the targets in each training step, in the place of a store of features.

    pixels: rows (S, S, 3) uint8, those of the latents.  encode: (images (B, S, S, 3) uint8, autocast, what is read of them) -> targets, without
    gradient.  width: of a token.  hashes: of the encoder, by role in a state's receipt.
    """

    pixels: ArrayStore
    encode: Callable[[Tensor, AbstractContextManager, frozenset[str]], Targets]
    width: int
    hashes: dict[str, str]
