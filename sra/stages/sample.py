"""Draw one shard of a sample set and decode it to bytes."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from sra.core.errors import InputError
from sra.core.npz import Blocks, write_npz
from sra.core.progress import Progress
from sra.core.receipts import verify_contents, write_receipt
from sra.diffusion.process import build_process
from sra.diffusion.streams import OfficialStream, SampleNoise, sample_labels
from sra.encoders.pixels import to_uint8
from sra.encoders.vae import Vae, vae_hashes
from sra.models.dit import DiffusionTransformer
from sra.spec.method import Sampler
from sra.spec.run import RunSpec, read_run
from sra.spec.scale import Precision
from sra.stages.device import choose_device
from sra.training.precision import autocast, set_float32_products

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
    precision: Precision = "fp32",
) -> None:
    """Write the images of one shard of a set of `count` as npz: arr_0 (n, H, W, 3) uint8, labels (n,) int64."""
    spec = read_run(config)
    if not 0 <= shard < shards:
        raise InputError(f"shard {shard} of {shards} does not exist; give 0 to {shards - 1}")
    receipt = verify_contents(weights, "weights")
    if receipt["facts"]["fingerprint"] != spec.fingerprint:
        raise InputError(f"{weights}: belongs to run {receipt['facts']['run']} with other settings, not to {spec.run}; delete it and export again")
    chosen = choose_device(device)
    set_float32_products(precision)
    model = _load_model(spec, weights).to(chosen)
    decoder = Vae.load(vae, chosen)
    indices = shard_indices(sampler, count, shard, shards)
    labels: list[np.ndarray] = []

    def images() -> Iterator[np.ndarray]:
        with Progress(f"sample {spec.run}", len(indices), "images") as progress:
            for latents, classes in drawn_batches(spec, model, sampler, indices, batch, chosen, precision):
                # Of the decoder's convolutions; it always runs in float32.
                with torch.backends.cudnn.flags(enabled=True, allow_tf32=precision != "fp32"):
                    yield to_uint8(decoder.decode(latents), sampler.uint8).cpu().numpy()
                labels.append(classes.cpu().numpy())
                progress.advance(len(classes))

    def asked_for() -> Iterator[np.ndarray]:
        yield from labels  # known only when the images have been drawn

    shape = (len(indices), spec.image_size, spec.image_size, 3)
    pack = {"arr_0": Blocks(shape, np.dtype(np.uint8), images()), "labels": Blocks((len(indices),), np.dtype(np.int64), asked_for())}
    write_npz(output, pack)
    facts = {name: receipt["facts"][name] for name in ("run", "fingerprint", "step")}
    write_receipt(
        output,
        KIND,
        {"weights": weights},
        hashes={"vae": vae_hashes(vae, decoder)["vae"]},
        **facts,
        preset=spec.preset,
        sampler=sampler.model_dump(mode="json"),
        count=count,
        first=indices.start,
        stride=indices.step,
        rows=len(indices),
        shard=shard,
        shards=shards,
        vae_scaling_factor=decoder.scaling_factor,
        precision=precision,
        device=chosen.type,
    )


def shard_indices(sampler: Sampler, count: int, shard: int, shards: int) -> range:
    """Which images of the set a shard draws: a run of neighbours, or what one process of the released scripts is dealt."""
    if sampler.official_seeding is None:
        rows = math.ceil(count / shards)
        return range(min(shard * rows, count), min((shard + 1) * rows, count))
    if shards != sampler.official_seeding.processes:
        raise InputError(f"--shards {shards}: official_seeding draws one shard a process; give {sampler.official_seeding.processes}")
    return range(shard, count, shards)


def drawn_batches(
    spec: RunSpec, model: DiffusionTransformer, sampler: Sampler, indices: range, batch: int, device: torch.device, precision: Precision = "fp32"
) -> Iterator[tuple[Tensor, Tensor]]:
    """Latents (B, C, h, w) float32 and classes (B,) of the images with these indices, in order."""
    latent, process = spec.model.latent, build_process(spec.process)
    shape = (latent.channels, latent.size, latent.size)

    def denoise(x: Tensor, timestep: Tensor, classes: Tensor) -> Tensor:
        with autocast(precision, device):
            return model(x, timestep, classes)[0]

    def drawn(noise: Tensor, labels: Tensor, draw: Callable[[], Tensor]) -> Tensor:
        return process.sample(denoise, sampler, noise, labels, model.null_label, draw)

    if sampler.official_seeding is None:
        for start in range(0, len(indices), batch):
            part = indices[start : start + batch]
            noise = SampleNoise(sampler.seed, part, shape)
            labels = sample_labels(sampler.seed, part, spec.model.classes, sampler.labels).to(device)
            yield drawn(noise.draw().to(device), labels, lambda noise=noise: noise.draw().to(device)), labels
        return
    stream = OfficialStream(sampler, indices.start, shape, spec.model.classes, device)
    for start in range(0, len(indices), stream.batch):
        # The last batch is drawn whole and cut, as the scripts draw more images than they keep.
        kept = min(stream.batch, len(indices) - start)
        noise, labels = stream.begin()
        yield drawn(noise, labels, stream.draw)[:kept], labels[:kept]
        stream.end()


def _load_model(spec: RunSpec, weights: Path) -> DiffusionTransformer:
    model = DiffusionTransformer(spec.model)
    missing, unexpected = model.load_state_dict(load_file(weights), strict=False)
    fixed = {name for name, _ in model.named_buffers()}
    if unexpected or set(missing) - fixed:
        raise InputError(f"{weights}: does not fit {spec.model.name} ({[*unexpected, *missing][0]}); export it again from this run's state")
    return model.eval().requires_grad_(False)
