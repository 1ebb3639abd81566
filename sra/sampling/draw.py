"""Drawing the images of a sample set: which of them a shard draws, under which conditions, and batch by batch."""

import math
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sra.core.errors import InputError
from sra.diffusion.process import build_process
from sra.diffusion.streams import OfficialStream, SampleNoise
from sra.models.products import autocast
from sra.models.trunk import Transformer
from sra.sampling.correction import Correction
from sra.sampling.joint import JointNoise, JointState
from sra.sampling.sample_conditions import SampleConditions, SampledCaptions, SampledClasses
from sra.sampling.trained_model import ConvertedSpec
from sra.spec.run import RunSpec, contrastive_weight
from sra.spec.samplers import Sampler
from sra.spec.scale import Precision


def shard_indices(sampler: Sampler, count: int, shard: int, shards: int) -> range:
    """Which images of the set a shard draws: a run of neighbours, or what one process of the released scripts is dealt."""
    if sampler.official_seeding is None:
        rows = math.ceil(count / shards)
        return range(min(shard * rows, count), min((shard + 1) * rows, count))
    if shards != sampler.official_seeding.processes:
        raise InputError(f"--shards {shards}: official_seeding draws one shard a process; give {sampler.official_seeding.processes}")
    return range(shard, count, shards)


def conditions_of(
    spec: RunSpec | ConvertedSpec, sampler: Sampler, count: int, captions: Path | None, text_encoder: str | None, device: torch.device
) -> SampleConditions:
    """Raises InputError unless captions and their encoder are given where the run draws captions, and nowhere else."""
    if spec.text_encoder is None:
        if captions or text_encoder:
            raise InputError(f"run {spec.run}: draws classes, not captions; leave out --captions and --text-encoder")
        return SampledClasses(spec, sampler, device)
    if captions is None or text_encoder is None:
        raise InputError(f"run {spec.run}: draws captions; give --captions INDEX.json and --text-encoder, the preset's {spec.text_encoder}")
    return SampledCaptions(spec, sampler, count, captions, text_encoder, device)


def drawn_batches(
    spec: RunSpec | ConvertedSpec,
    model: Transformer,
    conditions: SampleConditions,
    sampler: Sampler,
    indices: range,
    batch: int,
    device: torch.device,
    precision: Precision = "fp32",
    latent_mean: Tensor | None = None,
) -> Iterator[tuple[Tensor, np.ndarray]]:
    """Latents (B, C, h, w) float32 of the images with these indices, in order, and what was asked for (B,), as the pack records it.

    latent_mean: (C, h, w) of the training latents, for a corrected velocity.
    """
    latent, process = spec.model.latent, build_process(spec.process)
    shape = (latent.channels, latent.size, latent.size)
    state = JointState(shape, spec.model.summary_width) if spec.model.summary_width else None
    leading = math.prod(shape) if state and sampler.guidance.summary == "conditional" else None
    correction = Correction(contrastive_weight(spec), latent_mean.to(device)) if sampler.velocity == "corrected" else None

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
            time = embedded_time(timestep.item())
            if state:
                image, summary = state.parts(x)
                return state.joined(*model.predict_both(image, time, condition, summary))
            velocity = model.predict(x, time, condition)
        return correction.corrected(velocity) if correction else velocity

    null = embedded(conditions.null[None])[0]

    @torch.inference_mode()
    def drawn(noise: Tensor, condition: Tensor, draw: Callable[[], Tensor]) -> Tensor:
        latents = process.sample(denoise, sampler, noise, embedded(condition), null, draw, leading)
        return state.parts(latents)[0] if state else latents

    if sampler.official_seeding is None:
        for start in range(0, len(indices), batch):
            part = indices[start : start + batch]
            noise = JointNoise(sampler.seed, part, state) if state else SampleNoise(sampler.seed, part, shape)
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
