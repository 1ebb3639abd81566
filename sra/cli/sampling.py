"""The commands from weights to a packed set of images."""

from pathlib import Path
from typing import Annotated

import typer

from sra.cli.launch import stage
from sra.cli.options import Config, Device, Output
from sra.core.errors import unknown

commands = typer.Typer()


@commands.command()
def sample(
    config: Config,
    weights: Annotated[Path, typer.Option(help="averaged weights")],
    vae: Annotated[str, typer.Option(help="folder or hub name of the autoencoder")],
    sampler: Annotated[str, typer.Option(help="resolved sampler as JSON")],
    count: Annotated[int, typer.Option(min=1, help="images of the whole set")],
    shard: Annotated[int, typer.Option(help="from 0")],
    shards: Annotated[int, typer.Option(min=1)],
    batch: Annotated[int, typer.Option(min=1)],
    output: Output,
    captions: Annotated[Path | None, typer.Option(help="index.json of the captioned images, for text to image")] = None,
    text_encoder: Annotated[str | None, typer.Option(help="folder or hub name of what encodes them")] = None,
    precision: Annotated[str, typer.Option(help="of the network's products: fp32, tf32, bf16 or fp16")] = "fp32",
    device: Device = "auto",
) -> None:
    """Draw and decode one shard of a sample set."""
    from sra.spec.load import checked_json
    from sra.spec.samplers import Sampler
    from sra.spec.scale import PRECISIONS

    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS)
    resolved = checked_json(sampler, Sampler, "--sampler")
    stage("sample", "sample_shard")(config, weights, vae, resolved, count, shard, shards, batch, output, device, precision, captions, text_encoder)


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
