"""Every random number of a training step, as a function of (seed, step, place in the batch)."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from sra.core.seeds import derive_seed


@dataclass(frozen=True)
class StepDraws:
    """posterior, noise: (B, C, H, W) standard normal.  time, dropout, interval, flip: (B,) uniform in [0, 1)."""

    posterior: Tensor
    noise: Tensor
    time: Tensor
    dropout: Tensor
    interval: Tensor
    flip: Tensor

    def part(self, rows: slice) -> "StepDraws":
        """The draws of some places of the batch."""
        return StepDraws(self.posterior[rows], self.noise[rows], self.time[rows], self.dropout[rows], self.interval[rows], self.flip[rows])


def draw_step(seed: int, step: int, shape: tuple[int, int, int, int]) -> StepDraws:
    """The draws of one step for a whole batch of that shape, on the CPU: the same numbers on any device.

    Each kind has a stream of its own, so a method that ignores one leaves the others as they are: every run of a seed
    sees the same images, noise, times and dropped conditions.
    """

    def stream(purpose: str) -> Generator:
        return Generator().manual_seed(derive_seed(seed, "train", purpose, step))

    batch = shape[0]
    return StepDraws(
        posterior=torch.randn(shape, generator=stream("posterior")),
        noise=torch.randn(shape, generator=stream("noise")),
        time=torch.rand(batch, generator=stream("time")),
        dropout=torch.rand(batch, generator=stream("dropout")),
        interval=torch.rand(batch, generator=stream("interval")),
        flip=torch.rand(batch, generator=stream("flip")),
    )
