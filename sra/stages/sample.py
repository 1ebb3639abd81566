"""Draw one shard of a sample set and decode it to bytes."""

import math
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sra.core.errors import InputError, StageError
from sra.core.npz import Blocks, write_npz
from sra.core.progress import Progress
from sra.core.receipts import write_receipt
from sra.diffusion.process import build_process
from sra.diffusion.streams import OfficialStream, SampleNoise
from sra.encoders.pixels import to_uint8
from sra.encoders.vae import Vae, vae_hashes
from sra.models.trunk import Transformer
from sra.spec.run import RunSpec, read_run
from sra.spec.samplers import Sampler, refuse_unfit
from sra.spec.scale import Precision
from sra.stages.device import choose_device
from sra.stages.pack import DRAWN
from sra.stages.sample_conditions import SampleConditions, SampledCaptions, SampledClasses
from sra.stages.trained_model import ConvertedSpec, load_converted, load_trained
from sra.training.precision import autocast, set_float32_products

KIND = "sample shard"


def sample_shard(
    config: Path | None,
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
    family: str | None = None,
    sampler_name: str | None = None,
) -> None:
    """Write the images of one shard of a set of `count` as npz: arr_0 (n, H, W, 3) uint8, and labels (n,) int64 or captions (n,) in UTF-8.

    config: of the run that the weights are of; None for a file of `sra convert`, which belongs to no run and is drawn from in one piece.
    captions, text_encoder: the index whose validation captions are drawn and what encodes them, for text to image alone.
    family, sampler_name: of such a file alone: whose it is said to be, and what its sampler is called.
    """
    spec = read_run(config) if config else None
    if not 0 <= shard < shards:
        raise InputError(f"shard {shard} of {shards} does not exist; give 0 to {shards - 1}")
    if spec is None and shards > 1:
        raise InputError(f"--shards {shards}: without a run's config.json a set is drawn in one piece; leave out --shard and --shards")
    if spec is None:
        spec, model, receipt = load_converted(weights, family)
    else:
        model, receipt = load_trained(spec, weights)
    refuse_unfit(sampler, spec.process)
    if sampler.guidance.scale != 1 and receipt["facts"].get("null_class") is False:
        raise InputError(f"{weights}: has no null class, so it cannot be guided; give a sampler without guidance, such as sde250")
    chosen = choose_device(device)
    model.to(chosen)
    set_float32_products(precision)
    conditions = _conditions(spec, sampler, count, captions, text_encoder, chosen)
    if receipt["made_from"].get("text_encoder") != conditions.hashes.get("text_encoder"):
        raise InputError(f"{text_encoder}: is another text encoder than {weights} was trained with; give the one of the preset, {spec.text_encoder}")
    decoder = Vae.load(vae, chosen)
    decoder.require_latents(spec.model.latent.channels, f"the model of {spec.run}", vae)
    image_size = decoder.factor * spec.model.latent.size
    if config and image_size != spec.image_size:
        raise InputError(f"{vae}: makes images of {image_size} pixels, run {spec.run} is of {spec.image_size}; give the autoencoder of its preset")
    hashes = {"vae": vae_hashes(vae, decoder)["vae"], **conditions.hashes}
    indices = shard_indices(sampler, count, shard, shards)
    asked: list[np.ndarray] = []

    def images() -> Iterator[np.ndarray]:
        with Progress(f"sample {spec.run}", len(indices), "images") as progress:
            for latents, asked_of_batch in drawn_batches(spec, model, conditions, sampler, indices, batch, chosen, precision):
                mine = indices[progress.done : progress.done + len(latents)]
                _refuse_not_finite(latents, mine, spec, "a latent", f"sampling in {precision}", REMEDY[precision])
                # Of the decoder's convolutions; it always runs in float32.
                with torch.backends.cudnn.flags(enabled=True, allow_tf32=precision != "fp32"):
                    decoded = decoder.decode(latents)
                _refuse_not_finite(decoded, mine, spec, "an image", "decoding in float32", f"check the weights of {vae}")
                yield to_uint8(decoded, sampler.uint8).cpu().numpy()
                asked.append(asked_of_batch)
                progress.advance(len(asked_of_batch))

    def asked_for() -> Iterator[np.ndarray]:
        yield from asked  # known only when the images have been drawn

    shape = (len(indices), image_size, image_size, 3)
    members = {"arr_0": Blocks(shape, np.dtype(np.uint8), images()), conditions.member: Blocks((len(indices),), conditions.dtype, asked_for())}
    write_npz(output, members)
    facts = {name: receipt["facts"][name] for name in ("run", "fingerprint", "step") if config or name in receipt["facts"]}
    if config is None:
        converted = {name: receipt["facts"][name] for name in ("family", "model", "source_sha256")}
        facts |= converted | {"sampler_name": sampler_name, "vae": str(vae)}
    write_receipt(
        output,
        KIND if config else DRAWN,
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


REMEDY: dict[Precision, str] = {
    "fp32": "check the weights and the guidance's scale",
    "tf32": "check the weights and the guidance's scale",
    "bf16": "give --precision fp32; if that does not help, check the weights and the guidance's scale",
    "fp16": "give --precision bf16 or fp32, whose range is larger",
}


def _refuse_not_finite(values: Tensor, indices: range, spec: RunSpec, what: str, work: str, remedy: str) -> None:
    """Raises StageError naming the first of the images `indices` whose values (B, ...) are not finite: as bytes they would be black pixels."""
    broken = ~values.isfinite().flatten(1).all(1)
    if broken.any():
        image = indices[int(broken.nonzero()[0])]
        raise StageError(f"run {spec.run}: {work} gave {what} that is not finite, the first is of image {image}; nothing was written; {remedy}")


def shard_indices(sampler: Sampler, count: int, shard: int, shards: int) -> range:
    """Which images of the set a shard draws: a run of neighbours, or what one process of the released scripts is dealt."""
    if sampler.official_seeding is None:
        rows = math.ceil(count / shards)
        return range(min(shard * rows, count), min((shard + 1) * rows, count))
    if shards != sampler.official_seeding.processes:
        raise InputError(f"--shards {shards}: official_seeding draws one shard a process; give {sampler.official_seeding.processes}")
    return range(shard, count, shards)


def drawn_batches(
    spec: RunSpec | ConvertedSpec,
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
    spec: RunSpec | ConvertedSpec, sampler: Sampler, count: int, captions: Path | None, text_encoder: str | None, device: torch.device
) -> SampleConditions:
    if spec.text_encoder is None:
        if captions or text_encoder:
            raise InputError(f"run {spec.run}: draws classes, not captions; leave out --captions and --text-encoder")
        return SampledClasses(spec, sampler, device)
    if captions is None or text_encoder is None:
        raise InputError(f"run {spec.run}: draws captions; give --captions INDEX.json and --text-encoder, the preset's {spec.text_encoder}")
    return SampledCaptions(spec, sampler, count, captions, text_encoder, device)
