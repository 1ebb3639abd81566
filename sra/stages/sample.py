"""Draw one shard of a sample set and decode it to bytes."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from sra.core.errors import InputError
from sra.core.npz import Blocks, write_npz
from sra.core.progress import Progress
from sra.core.receipts import verify_contents, write_receipt
from sra.diffusion.process import build_process
from sra.diffusion.streams import SampleNoise, sample_labels
from sra.encoders.pixels import to_uint8
from sra.encoders.vae import Vae
from sra.models.dit import DiffusionTransformer
from sra.spec.method import Sampler
from sra.spec.run import RunSpec, read_run
from sra.stages.device import choose_device

KIND = "sample shard"


def sample_shard(
    config: Path,
    weights: Path,
    vae: str,
    sampler: Sampler,
    count: int,
    shard: int,
    shards: int,
    batch: int,
    output: Path,
    device: str = "auto",
) -> None:
    """Write images `shard * ceil(count / shards)` onwards of a set of `count` as npz: arr_0 (n, H, W, 3) uint8, labels (n,) int64."""
    spec = read_run(config)
    if not 0 <= shard < shards:
        raise InputError(f"shard {shard} of {shards} does not exist; give 0 to {shards - 1}")
    receipt = verify_contents(weights, "weights")
    if receipt["facts"]["fingerprint"] != spec.fingerprint:
        raise InputError(f"{weights}: belongs to run {receipt['facts']['run']} with other settings, not to {spec.run}; delete it and export again")
    chosen = choose_device(device)
    model = _load_model(spec, weights).to(chosen)
    decoder = Vae.load(vae, chosen)
    rows = math.ceil(count / shards)
    indices = range(shard * rows, min((shard + 1) * rows, count))
    labels = sample_labels(sampler.seed, indices, spec.model.classes, sampler.labels).numpy()

    def images() -> Iterator[np.ndarray]:
        with Progress(f"sample {spec.run}", len(indices), "images") as progress:
            for start in range(0, len(indices), batch):
                part = indices[start : start + batch]
                latents = draw_latents(spec, model, sampler, part, chosen)
                yield to_uint8(decoder.decode(latents), sampler.uint8).cpu().numpy()
                progress.advance(len(part))

    shape = (len(indices), spec.image_size, spec.image_size, 3)
    write_npz(output, {"arr_0": Blocks(shape, np.dtype(np.uint8), images()), "labels": labels})
    facts = {name: receipt["facts"][name] for name in ("run", "fingerprint", "step")}
    write_receipt(
        output,
        KIND,
        {"weights": weights},
        **facts,
        preset=spec.preset,
        sampler=sampler.model_dump(mode="json"),
        count=count,
        first=indices.start,
        rows=len(indices),
        shard=shard,
        shards=shards,
        vae_scaling_factor=decoder.scaling_factor,
        device=chosen.type,
    )


def draw_latents(spec: RunSpec, model: DiffusionTransformer, sampler: Sampler, indices: range, device: torch.device) -> torch.Tensor:
    """Latents (B, C, h, w) float32 of the images with these indices."""
    latent = spec.model.latent
    noise = SampleNoise(sampler.seed, indices, (latent.channels, latent.size, latent.size))
    labels = sample_labels(sampler.seed, indices, spec.model.classes, sampler.labels).to(device)
    return build_process(spec.process).sample(
        lambda x, timestep, classes: model(x, timestep, classes)[0],
        sampler,
        noise.draw().to(device),
        labels,
        model.null_label,
        lambda: noise.draw().to(device),
    )


def _load_model(spec: RunSpec, weights: Path) -> DiffusionTransformer:
    model = DiffusionTransformer(spec.model)
    missing, unexpected = model.load_state_dict(load_file(weights), strict=False)
    fixed = {name for name, _ in model.named_buffers()}
    if unexpected or set(missing) - fixed:
        raise InputError(f"{weights}: does not fit {spec.model.name} ({[*unexpected, *missing][0]}); export it again from this run's state")
    return model.eval().requires_grad_(False)
