"""Draw and decode one shard of a sample set: of a run's weights, or of a converted checkpoint, which needs no run.

Example: sra sample --weights sra.safetensors --vae stabilityai/sd-vae-ft-ema --sampler sde250_cfg18 --count 16 --output samples.npz
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor

from sra.commands.options import Autoencoder, Device, Output, Shard, Shards
from sra.core.errors import InputError, StageError, unknown
from sra.core.npz import Blocks, write_npz
from sra.core.progress import Progress
from sra.core.receipts import recorded_sha256, write_receipt
from sra.data.finite import first_broken_row
from sra.data.latent_mean import latent_mean_of
from sra.encoders.pixels import to_uint8
from sra.encoders.vae import Vae, vae_hashes
from sra.models.device import choose_device
from sra.models.products import set_float32_products
from sra.sampling.draw import conditions_of, drawn_batches, shard_indices
from sra.sampling.trained_model import ConvertedSpec, load_converted, load_trained
from sra.spec.load import checked_json, load
from sra.spec.registry import Registry
from sra.spec.run import RunSpec, read_run, refuse_sampler
from sra.spec.samplers import Sampler, Samplers, refuse_unfit
from sra.spec.scale import PRECISIONS, Precision
from sra.spec.score import DRAWN

REMEDY: dict[Precision, str] = {
    "fp32": "check the weights and the guidance's scale",
    "tf32": "check the weights and the guidance's scale",
    "bf16": "give --precision fp32; if that does not help, check the weights and the guidance's scale",
    "fp16": "give --precision bf16 or fp32, whose range is larger",
}


def sample(
    weights: Annotated[Path, typer.Option(help="averaged weights of the run, or a file that sra convert wrote")],
    vae: Autoencoder,
    sampler: Annotated[str, typer.Option(help="its name in config/samplers.yaml, or a resolved one as JSON")],
    count: Annotated[int, typer.Option(min=1, help="images of the whole set")],
    output: Output,
    config: Annotated[Path | None, typer.Argument(help="the run's config.json; left out for a file that sra convert wrote")] = None,
    family: Annotated[str | None, typer.Option(help="whose file was converted, to be held against it: dit, sit, repa or sra")] = None,
    seed: Annotated[int | None, typer.Option(help="in place of the sampler's own")] = None,
    shard: Shard = 0,
    shards: Shards = 1,
    batch: Annotated[int, typer.Option(min=1, help="images at a time")] = 16,
    captions: Annotated[Path | None, typer.Option(help="index.json of the captioned images, for text to image")] = None,
    text_encoder: Annotated[str | None, typer.Option(help="folder or hub name of what encodes them")] = None,
    latent_mean: Annotated[Path | None, typer.Option(help="what sra latent-mean wrote of the training latents, for a corrected velocity")] = None,
    precision: Annotated[str, typer.Option(help="of the network's products: fp32, tf32, bf16 or fp16")] = "fp32",
    device: Device = "auto",
) -> None:
    """Write npz: arr_0 (n, H, W, 3) uint8, and labels (n,) int64 or captions (n,) in UTF-8, of the shard's images.

    Weights that belong to no run are drawn from in one piece.
    """
    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS)
    if config and family:
        raise InputError("--family is for a file that sra convert wrote and that is drawn from without a config.json; leave out one of them")
    drawn_by = _resolved(sampler, config)
    if seed is not None:
        drawn_by = drawn_by.model_copy(update={"seed": seed})
    spec = read_run(config) if config else None
    if not 0 <= shard < shards:
        raise InputError(f"shard {shard} of {shards} does not exist; give 0 to {shards - 1}")
    if spec is None and shards > 1:
        raise InputError(f"--shards {shards}: without a run's config.json a set is drawn in one piece; leave out --shard and --shards")
    if spec is None:
        spec, model, receipt = load_converted(weights, family)
    else:
        model, receipt = load_trained(spec, weights)
    if isinstance(spec, RunSpec):
        refuse_sampler(drawn_by, spec)
    else:
        refuse_unfit(drawn_by, spec.process)
    mean = _mean_for(drawn_by, spec, latent_mean)
    if drawn_by.guidance.scale != 1 and receipt["facts"].get("null_class") is False:
        raise InputError(f"{weights}: has no null class, so it cannot be guided; give a sampler without guidance, such as sde250")
    chosen = choose_device(device)
    model.to(chosen)
    set_float32_products(precision)
    conditions = conditions_of(spec, drawn_by, count, captions, text_encoder, chosen)
    if receipt["made_from"].get("text_encoder") != conditions.hashes.get("text_encoder"):
        raise InputError(f"{text_encoder}: is another text encoder than {weights} was trained with; give the one of the preset, {spec.text_encoder}")
    decoder = Vae.load(vae, chosen)
    decoder.require_latents(spec.model.latent.channels, f"the model of {spec.run}", vae)
    image_size = decoder.factor * spec.model.latent.size
    if config and image_size != spec.image_size:
        raise InputError(f"{vae}: makes images of {image_size} pixels, run {spec.run} is of {spec.image_size}; give the autoencoder of its preset")
    hashes = {"vae": vae_hashes(vae, decoder)["vae"], **conditions.hashes}
    hashes |= {"latent_mean": recorded_sha256(latent_mean)} if latent_mean else {}
    indices = shard_indices(drawn_by, count, shard, shards)
    asked: list[np.ndarray] = []

    def images() -> Iterator[np.ndarray]:
        with Progress(f"sample {spec.run}", len(indices), "images") as progress:
            for latents, asked_of_batch in drawn_batches(spec, model, conditions, drawn_by, indices, batch, chosen, precision, mean):
                mine = indices[progress.done : progress.done + len(latents)]
                _refuse_not_finite(latents, mine, spec, "a latent", f"sampling in {precision}", REMEDY[precision])
                # Of the decoder's convolutions; it always runs in float32.
                with torch.backends.cudnn.flags(enabled=True, allow_tf32=precision != "fp32"):
                    decoded = decoder.decode(latents)
                _refuse_not_finite(decoded, mine, spec, "an image", "decoding in float32", f"check the weights of {vae}")
                yield to_uint8(decoded, drawn_by.uint8).cpu().numpy()
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
        facts |= converted | {"sampler_name": None if _is_json(sampler) else sampler, "vae": vae}
    write_receipt(
        output,
        "sample shard" if config else DRAWN,
        {"weights": weights},
        hashes=hashes,
        **facts,
        preset=spec.preset,
        sampler=drawn_by.model_dump(mode="json"),
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


def _refuse_not_finite(values: Tensor, indices: range, spec: RunSpec | ConvertedSpec, what: str, work: str, remedy: str) -> None:
    """Raises StageError naming the first of the images `indices` whose values (B, ...) are not finite: as bytes they would be black pixels."""
    broken = first_broken_row(values)
    if broken is not None:
        first = f"the first is of image {indices[broken]}"
        raise StageError(f"run {spec.run}: {work} gave {what} that is not finite, {first}; nothing was written; {remedy}")


def _mean_for(sampler: Sampler, spec: RunSpec | ConvertedSpec, file: Path | None) -> Tensor | None:
    """The mean latent (C, h, w) that a corrected velocity needs; None for other samplers. Raises InputError for one that is missing."""
    if sampler.velocity == "raw":
        if file:
            raise InputError(f"--latent-mean {file}: is for samplers of a corrected velocity alone; leave it out")
        return None
    if not isinstance(spec, RunSpec):
        raise InputError("velocity: corrected is for a run trained with contrastive flow matching; give its config.json")
    if file is None:
        raise InputError(f"run {spec.run}: a corrected velocity needs the mean of its training latents; give --latent-mean, made by sra latent-mean")
    return latent_mean_of(file, spec.model.latent)


def _is_json(sampler: str) -> bool:
    return sampler.lstrip()[:1] in ("{", "[", '"')


def _resolved(sampler: str, config: Path | None) -> Sampler:
    """The sampler of a name, at the scale of the run's preset where there is a run, or of a JSON text."""
    if _is_json(sampler):
        return checked_json(sampler, Sampler, "--sampler")
    if config:
        return Registry(Path.cwd(), read_run(config).preset).sampler(sampler)
    table = Path("config") / "samplers.yaml"
    if not table.exists():
        raise InputError(f"--sampler {sampler}: is looked up in {table}, which is not here; run this in the checkout, or give a sampler as JSON")
    samplers = load(table, Samplers).samplers
    if sampler not in samplers:
        raise unknown("sampler", sampler, samplers, where="--sampler")
    return samplers[sampler]
