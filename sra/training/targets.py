"""REPA's targets made while training: the images of a step through a frozen encoder, on the device that trains.

Source: REPA's released train.py, which encodes each batch under the run's autocast. It saves the disk that stored features take (1 TB of
DINOv2-B tokens for ImageNet in fp32) and costs the encoder's forward pass at every step that reads a target.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from torch import Tensor

from sra.data.store import ArrayStore


@dataclass(frozen=True)
class OnlineTargets:
    """An encoder that makes the targets in each training step, in the place of a store of features.

    pixels: rows (S, S, 3) uint8, those of the latents.  tokens: (images (B, S, S, 3) uint8, autocast) -> (B, N, width) float32, without
    gradient.  hashes: of the encoder, by role in a state's receipt.
    """

    pixels: ArrayStore
    tokens: Callable[[Tensor, AbstractContextManager], Tensor]
    width: int
    hashes: dict[str, str]
