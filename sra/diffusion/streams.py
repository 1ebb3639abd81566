"""Noise and classes of generated images: as functions of (seed, index), where batches, shards and machines change nothing, or in the order
of the released scripts, where they do.
"""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from sra.core.seeds import derive_seed
from sra.spec.samplers import Sampler


class SampleNoise:
    """Standard normal numbers from one stream for each image, drawn on the CPU so that every device sees the same."""

    def __init__(self, seed: int, indices: Sequence[int], shape: tuple[int, ...], purpose: str = "sample"):
        self.shape = shape
        self.streams = [Generator().manual_seed(derive_seed(seed, purpose, index)) for index in indices]

    def draw(self) -> Tensor:
        """The next numbers of every image, (B, *shape) float32: first the starting noise, then one draw for each noisy step."""
        return torch.stack([torch.randn(self.shape, generator=stream) for stream in self.streams])


def sample_labels(seed: int, indices: Sequence[int], classes: Sequence[int], policy: str) -> Tensor:
    """Class of each image, (B,) int64: `random` is uniform, as the papers draw them; `balanced` goes round the classes."""
    if policy == "balanced":
        return torch.tensor([classes[index % len(classes)] for index in indices])
    return torch.tensor([classes[derive_seed(seed, "label", index) % len(classes)] for index in indices])


class OfficialStream:
    """The draws of one process of the released scripts (SRA and REPA: generate.py; DiT: sample_ddp.py), batch by batch on its device.

    The process `rank` of P seeds its device with seed P + rank and draws, for each batch, the starting noise, then the classes, then the
    noise of each step; its j-th image is number j P + rank of the whole set.
    """

    def __init__(self, sampler: Sampler, rank: int, shape: tuple[int, ...], classes: int, device: torch.device):
        self.sampler, self.shape, self.classes, self.device = sampler, shape, classes, device
        self.batch = sampler.official_seeding.batch
        self.generator = Generator(device).manual_seed(sampler.seed * sampler.official_seeding.processes + rank)

    def begin(self) -> tuple[Tensor, Tensor]:
        """Starting noise (B, *shape) float32 and classes (B,) int64 of the next batch."""
        noise = torch.randn((self.batch, *self.shape), generator=self.generator, device=self.device)
        return noise, torch.randint(0, self.classes, (self.batch,), generator=self.generator, device=self.device)

    def draw(self) -> Tensor:
        """Noise of the next step, (B, *shape): float64 like the state of the flow's samplers, float32 like the chain's.

        DiT's chain runs the guided batch twice over and draws noise for both halves, of which the first counts.
        """
        ddpm = self.sampler.kind == "ddpm"
        rows = 2 * self.batch if ddpm and self.sampler.guidance.scale > 1 else self.batch
        dtype = torch.float32 if ddpm else torch.float64
        return torch.randn((rows, *self.shape), generator=self.generator, device=self.device, dtype=dtype)[: self.batch]

    def end(self) -> None:
        """Finish a batch: the released chain also draws noise for its last step, and multiplies it by zero."""
        if self.sampler.kind == "ddpm":
            self.draw()
