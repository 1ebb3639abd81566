"""Every random number of a training step, as a function of (seed, step, place in the batch)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from sra.core.seeds import derive_seed


@dataclass(frozen=True)
class StepDraws:
    """posterior, noise: (B, C, H, W) standard normal.  time, dropout, flip: (B,) uniform in [0, 1).

    methods: (B, ...) uniform in [0, 1) or standard normal, by the names and shapes that alignments declare.
    """

    posterior: Tensor
    noise: Tensor
    time: Tensor
    dropout: Tensor
    flip: Tensor
    methods: dict[str, Tensor]

    def part(self, rows: slice) -> "StepDraws":
        """The draws of some places of the batch."""
        methods = {name: draw[rows] for name, draw in self.methods.items()}
        return StepDraws(self.posterior[rows], self.noise[rows], self.time[rows], self.dropout[rows], self.flip[rows], methods)


@dataclass(frozen=True)
class MethodDraws:
    """What the methods of a run draw for each image, by name its shape: uniform in [0, 1), and standard normal."""

    uniform: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    normal: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def draw_step(seed: int, step: int, shape: tuple[int, int, int, int], methods: MethodDraws = MethodDraws(), view: int = 0) -> StepDraws:
    """The draws of one step for a whole batch of that shape, on the CPU: the same numbers on any device.

    Each kind has a stream of its own, so what one method draws leaves all others as they are: every run of a seed sees the same images, noise,
    times and dropped conditions. view: where a run sees each image several times, which of them; the first is what every other run sees.
    """

    def stream(purpose: str) -> Generator:
        return Generator().manual_seed(derive_seed(seed, "train", f"{purpose} of view {view}" if view else purpose, step))

    batch = shape[0]
    return StepDraws(
        posterior=torch.randn(shape, generator=stream("posterior")),
        noise=torch.randn(shape, generator=stream("noise")),
        time=torch.rand(batch, generator=stream("time")),
        dropout=torch.rand(batch, generator=stream("dropout")),
        flip=torch.rand(batch, generator=stream("flip")),
        methods={name: torch.rand((batch, *of_one), generator=stream(name)) for name, of_one in methods.uniform.items()}
        | {name: torch.randn((batch, *of_one), generator=stream(name)) for name, of_one in methods.normal.items()},
    )
