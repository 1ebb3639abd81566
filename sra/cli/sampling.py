"""The commands from weights to a packed set of images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sra.cli.launch import stage
from sra.cli.options import Device, Output
from sra.core.errors import InputError, unknown

if TYPE_CHECKING:
    from sra.spec.samplers import Sampler

commands = typer.Typer()


@commands.command()
def sample(
    weights: Annotated[Path, typer.Option(help="averaged weights of the run, or a file that sra convert wrote")],
    vae: Annotated[str, typer.Option(help="folder or hub name of the autoencoder")],
    sampler: Annotated[str, typer.Option(help="its name in config/samplers.yaml, or a resolved one as JSON")],
    count: Annotated[int, typer.Option(min=1, help="images of the whole set")],
    output: Output,
    config: Annotated[Path | None, typer.Argument(help="the run's config.json; left out for a file that sra convert wrote")] = None,
    family: Annotated[str | None, typer.Option(help="whose file was converted, to be held against it: dit, sit, repa or sra")] = None,
    seed: Annotated[int | None, typer.Option(help="in place of the sampler's own")] = None,
    shard: Annotated[int, typer.Option(help="from 0")] = 0,
    shards: Annotated[int, typer.Option(min=1)] = 1,
    batch: Annotated[int, typer.Option(min=1, help="images at a time")] = 16,
    captions: Annotated[Path | None, typer.Option(help="index.json of the captioned images, for text to image")] = None,
    text_encoder: Annotated[str | None, typer.Option(help="folder or hub name of what encodes them")] = None,
    precision: Annotated[str, typer.Option(help="of the network's products: fp32, tf32, bf16 or fp16")] = "fp32",
    device: Device = "auto",
) -> None:
    """Draw and decode one shard of a sample set: of a run's weights, or of a converted checkpoint, which needs no run.

    Example: sra sample --weights sra.safetensors --vae stabilityai/sd-vae-ft-ema --sampler sde250_cfg18 --count 16 --output samples.npz
    """
    from sra.spec.scale import PRECISIONS

    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS)
    if config and family:
        raise InputError("--family is for a file that sra convert wrote and that is drawn from without a config.json; leave out one of them")
    resolved = _sampler(sampler, config)
    if seed is not None:
        resolved = resolved.model_copy(update={"seed": seed})
    named = None if _is_json(sampler) else sampler
    stage("sample", "sample_shard")(
        config, weights, vae, resolved, count, shard, shards, batch, output, device, precision, captions, text_encoder, family, named
    )


def _is_json(sampler: str) -> bool:
    return sampler.lstrip()[:1] in ("{", "[", '"')


def _sampler(sampler: str, config: Path | None) -> "Sampler":
    """The sampler of a name, at the scale of the run's preset where there is a run, or of a JSON text."""
    from sra.spec.load import checked_json, load
    from sra.spec.registry import Registry
    from sra.spec.run import read_run
    from sra.spec.samplers import Sampler, Samplers

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


@commands.command()
def pack(
    count: Annotated[int, typer.Option(min=1)],
    milestone: Annotated[str, typer.Option()],
    sampler_name: Annotated[str, typer.Option()],
    paper_count: Annotated[int, typer.Option()],
    output: Output,
    shards: list[Path],
) -> None:
    """Join sample shards in index order to one npz that the ADM evaluator reads."""
    stage("pack", "pack_samples")(shards, count, milestone, sampler_name, paper_count, output)
