"""One batch of a training step, and what every process can do with it."""

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
        """x_t (B, C, H, W) from latents and standard normal noise of that shape and times (B,)."""

    def loss(self, output: Tensor, batch: "NoisyBatch") -> Tensor:
        """Generation loss of each sample (B,), float32."""

    def earlier(self, timestep: Tensor, share: Tensor) -> Tensor:
        """Times less noisy by a share (B,) of the whole range, not below 0."""

    def sample(self, denoise: Denoiser, sampler: Sampler, noise: Tensor, condition: Tensor, null: Tensor, draw: Callable[[], Tensor]) -> Tensor:
        """Latents (B, C, H, W) float32 from standard normal noise; `draw` gives fresh noise of that shape for each stochastic step.

        null: the one condition that says nothing, in the shape of one row of `condition`.
        """


@dataclass(frozen=True)
class NoisyBatch:
    """Latents at one moment of their way to noise.

    latents, noise: (B, C, H, W) float32.  timestep: (B,) in the unit of the process.  condition: (B, ...) labels or captions, after dropout.
    """

    latents: Tensor
    noise: Tensor
    timestep: Tensor
    condition: Tensor
    process: Process

    @property
    def noisy(self) -> Tensor:
        """x_t, what the network sees: (B, C, H, W)."""
        return self.process.noisy(self.latents, self.noise, self.timestep)

    def part(self, rows: slice) -> "NoisyBatch":
        """The samples of these rows, as a batch of their own."""
        return self.moved(lambda tensor: tensor[rows])

    def moved(self, move: Callable[[Tensor], Tensor]) -> "NoisyBatch":
        """The batch with every tensor passed through `move`: to a device, to pinned memory."""
        return NoisyBatch(move(self.latents), move(self.noise), move(self.timestep), move(self.condition), self.process)

    def at(self, timestep: Tensor) -> "NoisyBatch":
        """The same latents, noise and condition at another time (B,)."""
        return replace(self, timestep=timestep)
