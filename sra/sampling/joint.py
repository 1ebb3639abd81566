"""The state of a model with an extra token while samples are drawn: image and summary as one row of numbers, which samplers move alike."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sra.diffusion.streams import SampleNoise


@dataclass(frozen=True)
class JointState:
    """image: (C, h, w).  summary: numbers of the second state."""

    image: tuple[int, int, int]
    summary: int

    def joined(self, image: Tensor, summary: Tensor) -> Tensor:
        """(B, C, h, w) and (B, E) -> (B, C h w + E), the image first."""
        return torch.cat([image.flatten(1), summary], dim=1)

    def parts(self, joined: Tensor) -> tuple[Tensor, Tensor]:
        """The image (B, C, h, w) and the summary (B, E) of rows that `joined` made."""
        image, summary = joined.split([math.prod(self.image), self.summary], dim=1)
        return image.unflatten(1, self.image), summary


class JointNoise:
    """Noise of both parts; the image's is what it is in a model without the token, so that samples of methods stay paired."""

    def __init__(self, seed: int, indices: Sequence[int], state: JointState):
        self.state = state
        self.image = SampleNoise(seed, indices, state.image)
        self.summary = SampleNoise(seed, indices, (state.summary,), "sample summary")

    def draw(self) -> Tensor:
        """The next numbers of every image, (B, C h w + E) float32."""
        return self.state.joined(self.image.draw(), self.summary.draw())
