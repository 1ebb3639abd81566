"""Features of a model's blocks for real images at one time of the process.

The model is conditioned on no class, which it would otherwise carry into every block. SRA released no code for its probes; REPA's and l-DAE's,
which its appendix C follows, probe without a class too.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor

from sra.core.errors import InputError
from sra.core.progress import Progress
from sra.core.seeds import derive_seed
from sra.data.latents import sample_posterior
from sra.data.store import ArrayStore, mapped_file
from sra.data.stored import first_not_finite
from sra.diffusion.batch import Process
from sra.models.dit import DiffusionTransformer
from sra.models.trunk import Transformer
from sra.spec.run import RunSpec

BATCH = 256  # images at a time; pooled features round with it, so it is fixed


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


def pooled_features(
    model: Transformer, process: Process, store: ArrayStore, time: float, blocks: list[int], seed: int, file: Path, device: torch.device
) -> np.ndarray:
    """Mean over the tokens of each block's features, (N, K, D) float32, as a memory map: ImageNet's eight blocks of XL take 47 GB."""
    channels, side = model.spec.latent.channels, model.spec.latent.size
    features = mapped_file(file, np.float32, (len(store), len(blocks), model.spec.width))
    with Progress(f"features at {time:g}", len(store), "images") as progress:
        for start in range(0, len(store), BATCH):
            rows = np.arange(start, min(start + BATCH, len(store)))
            shape = (channels, side, side)
            latents = sample_posterior(
                torch.from_numpy(store.rows(rows)), image_noise(seed, "probe posterior", rows, shape), store.facts["scaling_factor"]
            )
            noise = image_noise(seed, "probe noise", rows, shape)
            found = block_features(model, process, latents.to(device), noise.to(device), time, blocks)
            pooled = torch.stack([found[block].mean(1) for block in blocks], dim=1)
            features[rows] = pooled.cpu().numpy()
            broken = first_not_finite(features[rows])
            if broken is not None:
                raise InputError(f"{store.manifest}: image {start + broken} gives features that are not finite in float32; check the weights")
            progress.advance(len(rows))
    return features


def refuse_unfit(spec: RunSpec, blocks: list[int]) -> None:
    """Raises InputError for a run that is not looked into, and for a block that its model does not have."""
    if spec.model.text:
        raise InputError(f"run {spec.run}: is told captions; probes and components are of models of classes")
    if spec.model.summary_width:
        raise InputError(f"run {spec.run}: its model has an extra token, which probes and components know nothing of; look into another run")
    for block in blocks:
        if block > spec.model.depth:
            raise InputError(f"--block {block}: {spec.model.name} of run {spec.run} has blocks 1 to {spec.model.depth}; give one of them")
