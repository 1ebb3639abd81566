"""The commands from a run's configuration to its weights."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from sra.cli.launch import stage
from sra.cli.options import Config, Device, Output, Preset
from sra.core.errors import InputError

commands = typer.Typer()

Released = Annotated[Path, typer.Argument(help="released checkpoint, .pt or .safetensors")]
ReleasedBy = Annotated[str, typer.Option("--from", help="whose file it is: dit, sit, repa or sra")]
ReleasedWeights = Annotated[str, typer.Option("--weights", help="ema or model, where a training checkpoint holds both")]
ReleasedName = Annotated[str | None, typer.Option("--name", help="its name in config/weights.tsv; its hash is then held from first use on")]


@commands.command()
def resolve(run: str, preset: Preset, output: Output, expect: Annotated[str | None, typer.Option(help="fingerprint")] = None) -> None:
    """Write one run's config.json: everything its training depends on.

    Example: sra resolve sit_b2_sra --preset digits --output config.json
    """
    stage("resolve", "resolve_run")(Path.cwd(), preset, run, output, expect)


@commands.command()
def train(
    config: Config,
    latents: Annotated[Path | None, typer.Option(help="store.json of the latents")] = None,
    until: Annotated[int | None, typer.Option(help="step to train to")] = None,
    state: Annotated[Path | None, typer.Option(help="state to write")] = None,
    curve: Annotated[Path | None, typer.Option(help="jsonl curve to write")] = None,
    features: Annotated[Path | None, typer.Option(help="store.json of encoder features, for REPA")] = None,
    pixels: Annotated[Path | None, typer.Option(help="store.json of the images, for REPA with the encoder in the loop")] = None,
    encoder: Annotated[str | None, typer.Option(help="folder, file or timm name of that encoder; with --pixels")] = None,
    text: Annotated[Path | None, typer.Option(help="store.json of the encoded captions, for text to image")] = None,
    captions: Annotated[Path | None, typer.Option(help="index.json of the captioned images, with the text encoder in the loop")] = None,
    text_encoder: Annotated[str | None, typer.Option(help="folder or hub name of that text encoder; with --captions")] = None,
    previous: Annotated[Path | None, typer.Option(help="state to continue from")] = None,
    rolling_minutes: Annotated[float, typer.Option(help="time between rolling states")] = 10.0,
    device: Device = "auto",
    processes: Annotated[int, typer.Option(envvar="SRA_PROCESSES", help="processes that share each batch, one a GPU")] = 1,
    micro_batch: Annotated[int | None, typer.Option(envvar="SRA_MICRO_BATCH", help="images at a time in one process")] = None,
    compile: Annotated[bool, typer.Option("--compile/--no-compile", envvar="SRA_COMPILE", help="torch.compile of the blocks")] = False,
    activation_checkpointing: Annotated[
        bool, typer.Option("--activation-checkpointing/--no-activation-checkpointing", envvar="SRA_ACTIVATION_CHECKPOINTING")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what it would take, and stop")] = False,
) -> None:
    """Train one run to a step. Interrupted by Ctrl-C or SIGTERM it keeps its state; the same command continues.

    Example: sra train results/digits/runs/sit_b2_sra/config.json --dry-run
    """
    from sra.spec.load import checked
    from sra.spec.machine import Machine

    given = {"device": device, "processes": processes, "micro_batch": micro_batch, "compile": compile}
    machine = checked({**given, "activation_checkpointing": activation_checkpointing}, Machine, "sra train")
    if dry_run:
        stage("describe_training", "describe_training")(config, Path.cwd(), machine, latents, encoder, text_encoder)
        return
    for name, value in {"latents": latents, "until": until, "state": state, "curve": curve}.items():
        if value is None:
            raise InputError(f"sra train: --{name} is missing; only --dry-run needs nothing but the config")
    inputs = stage("train", "Inputs")(latents, features, pixels, encoder, text, captions, text_encoder)
    stage("train", "train")(config, inputs, until, state, curve, previous, rolling_minutes, machine)
    # All is written: a stop in the last moments would only make Snakemake delete it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


@commands.command()
def export(config: Config, state: Annotated[Path, typer.Option(help="training state")], output: Output) -> None:
    """Write the averaged weights of a training state: what is sampled, evaluated and shared."""
    stage("export", "export_ema")(config, state, output)


@commands.command()
def convert(
    file: Released,
    family: ReleasedBy,
    output: Annotated[Path, typer.Option("--out", help="weights file to write, .safetensors")],
    weights: ReleasedWeights = "ema",
    name: ReleasedName = None,
) -> None:
    """Write a released checkpoint in the layout used here and say what was taken, dropped and rewritten. Nothing in it is executed.

    Example: sra convert DiT-XL-2-256x256.pt --from dit --name dit_xl2_256 --out dit_xl2.safetensors
    """
    stage("convert", "convert")(file, family, output, weights, name, Path.cwd())


@commands.command()
def import_weights(
    config: Config,
    file: Released,
    family: ReleasedBy,
    step: Annotated[int, typer.Option(min=1, help="training steps behind the checkpoint, as its paper counts them")],
    output: Output,
    weights: ReleasedWeights = "ema",
    name: ReleasedName = None,
) -> None:
    """Write a released checkpoint as the weights of a run, to be sampled like weights trained here."""
    stage("convert", "import_weights")(config, file, family, name, output, step, weights, Path.cwd())
