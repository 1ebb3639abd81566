"""One batch of a training step, and what every process can do with it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from torch import Tensor

from sra.spec.samplers import Sampler

# (noisy latents (B, C, H, W) float32, timestep (1,) on the CPU, condition (B, ...)) -> output (B, O, H, W). While samples are drawn all have one
# time. The condition is the network's affair: labels (B,) int64, the tokens of captions (B, L, E), or what a network makes of them.
Denoiser = Callable[[Tensor, Tensor, Tensor], Tensor]


class Process(Protocol):
    """What `Flow` and `Ddpm` share. Time is float32 in [0, 1] for the first, int64 in 0..999 for the second; it grows with noise."""

    def timesteps(self, uniform: Tensor) -> Tensor:
        """Training times (B,) from uniform numbers (B,) in [0, 1)."""

    def noisy(self, latents: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        """x_t from latents (B, ...) and standard normal noise of that shape. timestep: (B,), or one for each place, (B, 1, H, W)."""

    def target(self, batch: "NoisyBatch") -> Tensor:
        """What the network learns to predict, (B, C, H, W): the velocity, or the noise."""

    def loss(self, output: Tensor, batch: "NoisyBatch") -> Tensor:
        """Generation loss of each sample (B,), float32."""

    def earlier(self, timestep: Tensor, share: Tensor) -> Tensor:
        """Times less noisy by a share (B,) of the whole range, not below 0."""

    def sample(
        self,
        denoise: Denoiser,
        sampler: Sampler,
        noise: Tensor,
        condition: Tensor,
        null: Tensor,
        draw: Callable[[], Tensor],
        leading: int | None = None,
    ) -> Tensor:
        """Latents (B, C, H, W) float32 from standard normal noise; `draw` gives fresh noise of that shape for each stochastic step.

        null: the one condition that says nothing, in the shape of one row of `condition`.  leading: see `Guided`.
        """


@dataclass(frozen=True)
class NoisyBatch:
    """Latents at one moment of their way to noise.

    latents, noise: (B, C, H, W) float32.  timestep: (B,) in the unit of the process.  condition: (B, ...) labels or captions, after dropout.
    What only some methods ask for, and is None otherwise:

    latent_mean: (B, C, H, W) mean of the posterior that the latents are drawn from.  undropped: (B, ...) the condition before dropout.
    channels: (B, 2, C) mean and deviation of each channel of latents over the data set, the same for every sample.
    groups: (B, N) int64, the group of each token; the timestep is then one a group, (B, G).  group_sizes: tokens of each group.
    separated: whether the tokens of a group attend to each other alone.
    summary, summary_noise: (B, E) the state of the extra token without noise, and its noise.
    """

    latents: Tensor
    noise: Tensor
    timestep: Tensor
    condition: Tensor
    process: Process
    latent_mean: Tensor | None = None
    undropped: Tensor | None = None
    groups: Tensor | None = None
    group_sizes: tuple[int, ...] = ()
    separated: bool = False
    summary: Tensor | None = None
    summary_noise: Tensor | None = None
    channels: Tensor | None = None

    @property
    def noisy(self) -> Tensor:
        """x_t, what the network sees: (B, C, H, W); with groups each patch at the time of its token."""
        if self.groups is None:
            return self.process.noisy(self.latents, self.noise, self.timestep)
        side = math.isqrt(self.groups.shape[1])
        of_patch = self.timestep.gather(1, self.groups).view(-1, 1, side, side)
        patch = self.latents.shape[2] // side
        return self.process.noisy(self.latents, self.noise, of_patch.repeat_interleave(patch, dim=2).repeat_interleave(patch, dim=3))

    @property
    def noisy_summary(self) -> Tensor | None:
        """The extra token's state at the image's time, (B, E)."""
        return None if self.summary is None else self.process.noisy(self.summary, self.summary_noise, self.timestep)

    def part(self, rows: slice) -> "NoisyBatch":
        """The samples of these rows, as a batch of their own."""
        return self.moved(lambda tensor: tensor[rows])

    def moved(self, move: Callable[[Tensor], Tensor]) -> "NoisyBatch":
        """The batch with every tensor passed through `move`: to a device, to pinned memory."""
        given = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **{name: move(tensor) for name, tensor in given.items()})

    @property
    def tensors(self) -> list[Tensor]:
        """Those that there are, always in the same order."""
        return [value for value in vars(self).values() if isinstance(value, Tensor)]

    def at(self, timestep: Tensor) -> "NoisyBatch":
        """The same latents, noise and condition at another time."""
        return replace(self, timestep=timestep)
