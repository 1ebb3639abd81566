"""The commands that look inside a trained model."""

from pathlib import Path
from typing import Annotated

import typer

from sra.cli.launch import stage
from sra.cli.options import Config, Device, Output

commands = typer.Typer()

Weights = Annotated[Path, typer.Option(help="averaged weights")]
Latents = Annotated[Path, typer.Option(help="store.json of the latents that the run trains on")]
Milestone = Annotated[str, typer.Option(help="the paper's name of the step, for the record")]
Blocks = Annotated[list[int], typer.Option("--block", min=1, help="of this run's model, from 1; again for each")]
TIME = "share of the time range, from 0 (data) to below 1 (noise): 0.1 is t = 0.1 of SiT and step 100 of DiT"


@commands.command()
def probe(
    config: Config,
    weights: Weights,
    latents: Latents,
    milestone: Milestone,
    time: Annotated[float, typer.Option(help=TIME)],
    block: Blocks,
    output: Output,
    training: Annotated[str, typer.Option(help="how probes are trained, as JSON; by default as in the paper")] = "{}",
    device: Device = "auto",
) -> None:
    """Accuracy of a linear classifier on each block's pooled features, for images that it has not seen.

    Example: sra probe config.json --weights m400k.safetensors --latents store.json --milestone m400k --time 0.1 --block 3 --block 8 --output p.json
    """
    from sra.core.errors import InputError
    from sra.spec.load import checked_json
    from sra.spec.scale import ProbeTraining

    if not 0 <= time < 1:
        raise InputError(f"--time {time:g}: expected a {TIME}")
    resolved = checked_json(training, ProbeTraining, "--training")
    stage("probe", "probe")(config, weights, latents, milestone, time, block, resolved, output, device)


@commands.command()
def pca(
    config: Config,
    weights: Weights,
    latents: Latents,
    index: Annotated[Path, typer.Option(help="index.json of the same images")],
    milestone: Milestone,
    time: Annotated[list[float], typer.Option(help=f"{TIME}; again for each")],
    block: Blocks,
    output: Output,
    image_class: Annotated[int, typer.Option("--class", min=0, help="the first image of this class, counted round the classes")] = 88,
    seed: Annotated[int, typer.Option(help="of the noise")] = 0,
    device: Device = "auto",
) -> None:
    """Three principal components of an image's tokens as colours, for each block and time."""
    from sra.core.errors import InputError

    for share in time:
        if not 0 <= share < 1:
            raise InputError(f"--time {share:g}: expected a {TIME}")
    stage("pca", "components")(config, weights, latents, index, milestone, image_class, time, block, seed, output, device)
