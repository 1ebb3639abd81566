"""Features of a model's blocks for real images at one time of the process.

The model is conditioned on no class, which it would otherwise carry into every block. SRA released no code for its probes; REPA's and l-DAE's,
which its appendix C follows, probe without a class too.
"""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from sra.core.seeds import derive_seed
from sra.diffusion.batch import Process
from sra.models.dit import DiffusionTransformer


@torch.no_grad()
def block_features(
    model: DiffusionTransformer, process: Process, latents: Tensor, noise: Tensor, time: float, blocks: Sequence[int]
) -> dict[int, Tensor]:
    """The residual stream (B, N, D) after each of the blocks, for latents (B, C, h, w) with noise of that shape.

    time: share of the time range in [0, 1), in which noise grows: 0.1 is t = 0.1 for SiT and step 100 of 1000 for DiT.
    """
    timestep = process.timesteps(torch.full((len(latents),), time, dtype=torch.float64)).to(latents.device)
    nothing = torch.full((len(latents),), model.spec.classes, device=latents.device)
    return model.tapped(process.noisy(latents, noise, timestep), timestep, nothing, tuple(blocks))


def image_noise(seed: int, purpose: str, rows: Sequence[int], shape: tuple[int, ...]) -> Tensor:
    """Standard normal numbers (B, *shape) on the CPU, a function of (seed, purpose, image): neither batches nor times change them."""
    streams = (Generator().manual_seed(derive_seed(seed, purpose, int(row))) for row in rows)
    return torch.stack([torch.randn(shape, generator=stream) for stream in streams])
