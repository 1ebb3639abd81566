"""Draw one shard of a sample set and decode it to bytes."""

import math
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sra.core.errors import InputError
from sra.core.npz import Blocks, write_npz
from sra.core.progress import Progress
from sra.core.receipts import write_receipt
from sra.diffusion.process import build_process
from sra.diffusion.streams import OfficialStream, SampleNoise
from sra.encoders.pixels import to_uint8
from sra.encoders.vae import Vae, vae_hashes
from sra.models.build import Transformer
from sra.spec.method import Sampler
from sra.spec.run import RunSpec, read_run
from sra.spec.scale import Precision
from sra.stages.device import choose_device
from sra.stages.sample_conditions import SampleConditions, SampledCaptions, SampledClasses
from sra.stages.trained_model import load_trained
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
    captions: Path | None = None,
    text_encoder: str | None = None,
) -> None:
    """Write the images of one shard of a set of `count` as npz: arr_0 (n, H, W, 3) uint8, and labels (n,) int64 or captions (n,) in UTF-8.

    captions, text_encoder: the index whose validation captions are drawn and what encodes them, for text to image alone.
    """
    spec = read_run(config)
    if not 0 <= shard < shards:
        raise InputError(f"shard {shard} of {shards} does not exist; give 0 to {shards - 1}")
    model, receipt = load_trained(spec, weights)
    chosen = choose_device(device)
    model.to(chosen)
    set_float32_products(precision)
    conditions = _conditions(spec, sampler, count, captions, text_encoder, chosen)
    if receipt["made_from"].get("text_encoder") != conditions.hashes.get("text_encoder"):
        raise InputError(f"{text_encoder}: is another text encoder than {weights} was trained with; give the one of the preset, {spec.text_encoder}")
    decoder = Vae.load(vae, chosen)
    hashes = {"vae": vae_hashes(vae, decoder)["vae"], **conditions.hashes}
    indices = shard_indices(sampler, count, shard, shards)
    asked: list[np.ndarray] = []

    def images() -> Iterator[np.ndarray]:
        with Progress(f"sample {spec.run}", len(indices), "images") as progress:
            for latents, asked_of_batch in drawn_batches(spec, model, conditions, sampler, indices, batch, chosen, precision):
                # Of the decoder's convolutions; it always runs in float32.
                with torch.backends.cudnn.flags(enabled=True, allow_tf32=precision != "fp32"):
                    yield to_uint8(decoder.decode(latents), sampler.uint8).cpu().numpy()
                asked.append(asked_of_batch)
                progress.advance(len(asked_of_batch))

    def asked_for() -> Iterator[np.ndarray]:
        yield from asked  # known only when the images have been drawn

    shape = (len(indices), spec.image_size, spec.image_size, 3)
    members = {"arr_0": Blocks(shape, np.dtype(np.uint8), images()), conditions.member: Blocks((len(indices),), conditions.dtype, asked_for())}
    write_npz(output, members)
    facts = {name: receipt["facts"][name] for name in ("run", "fingerprint", "step")}
    write_receipt(
        output,
        KIND,
        {"weights": weights},
        hashes=hashes,
        **facts,
        preset=spec.preset,
        sampler=sampler.model_dump(mode="json"),
        classes=spec.model.classes,
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
    spec: RunSpec,
    model: Transformer,
    conditions: SampleConditions,
    sampler: Sampler,
    indices: range,
    batch: int,
    device: torch.device,
    precision: Precision = "fp32",
) -> Iterator[tuple[Tensor, np.ndarray]]:
    """Latents (B, C, h, w) float32 of the images with these indices, in order, and what was asked for (B,), as the pack records it."""
    latent, process = spec.model.latent, build_process(spec.process)
    shape = (latent.channels, latent.size, latent.size)

    # What no state decides is computed once: the embedding of each time for all batches, of conditions for all times.
    @cache
    def embedded_time(time: float) -> Tensor:
        return model.t_embedder(torch.tensor([time], device=device))

    @torch.inference_mode()
    def embedded(condition: Tensor) -> Tensor:
        with autocast(precision, device):
            return model.embed_condition(condition)

    def denoise(x: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
        with autocast(precision, device):
            return model.predict(x, embedded_time(timestep.item()), condition)

    null = embedded(conditions.null[None])[0]

    @torch.inference_mode()
    def drawn(noise: Tensor, condition: Tensor, draw: Callable[[], Tensor]) -> Tensor:
        return process.sample(denoise, sampler, noise, embedded(condition), null, draw)

    if sampler.official_seeding is None:
        for start in range(0, len(indices), batch):
            part = indices[start : start + batch]
            noise = SampleNoise(sampler.seed, part, shape)
            condition, asked = conditions.of(part)
            yield drawn(noise.draw().to(device), condition, lambda noise=noise: noise.draw().to(device)), asked
        return
    stream = OfficialStream(sampler, indices.start, shape, spec.model.classes, device)
    for start in range(0, len(indices), stream.batch):
        # The last batch is drawn whole and cut, as the scripts draw more images than they keep.
        kept = min(stream.batch, len(indices) - start)
        noise, labels = stream.begin()
        yield drawn(noise, labels, stream.draw)[:kept], labels[:kept].cpu().numpy()
        stream.end()


def _conditions(
    spec: RunSpec, sampler: Sampler, count: int, captions: Path | None, text_encoder: str | None, device: torch.device
) -> SampleConditions:
    if spec.text_encoder is None:
        if captions or text_encoder:
            raise InputError(f"run {spec.run}: draws classes, not captions; leave out --captions and --text-encoder")
        return SampledClasses(spec, sampler, device)
    if captions is None or text_encoder is None:
        raise InputError(f"run {spec.run}: draws captions; give --captions INDEX.json and --text-encoder, the preset's {spec.text_encoder}")
    return SampledCaptions(spec, sampler, count, captions, text_encoder, device)
