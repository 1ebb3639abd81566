"""The commands from a run's configuration to its weights."""

import math
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sra.cli.launch import stage
from sra.cli.options import Config, Device, Output, Preset, writable
from sra.core.errors import InputError

if TYPE_CHECKING:
    from sra.spec.machine import Machine

commands = typer.Typer()

# What training reads, and where it runs.
Latents = Annotated[Path | None, typer.Option(help="store.json of the latents")]
Features = Annotated[Path | None, typer.Option(help="store.json of encoder features, for REPA")]
Pixels = Annotated[Path | None, typer.Option(help="store.json of the images, for REPA with the encoder in the loop")]
Encoder = Annotated[str | None, typer.Option(help="folder, file or timm name of that encoder; with --pixels")]
StoredText = Annotated[Path | None, typer.Option(help="store.json of the encoded captions, for text to image")]
Captions = Annotated[Path | None, typer.Option(help="index.json of the captioned images, with the text encoder in the loop")]
TextEncoder = Annotated[str | None, typer.Option(help="folder or hub name of that text encoder; with --captions")]
Processes = Annotated[int, typer.Option(envvar="SRA_PROCESSES", help="processes on a machine that share each batch, one a GPU")]
Nodes = Annotated[int, typer.Option(envvar="SRA_NODES", help="machines that train together, such as those of a Slurm job")]
MicroBatch = Annotated[int | None, typer.Option(envvar="SRA_MICRO_BATCH", help="images at a time in one process")]
Compile = Annotated[bool, typer.Option("--compile/--no-compile", envvar="SRA_COMPILE", help="torch.compile of the blocks")]
Checkpointing = Annotated[bool, typer.Option("--activation-checkpointing/--no-activation-checkpointing", envvar="SRA_ACTIVATION_CHECKPOINTING")]
CudaGraphs = Annotated[bool, typer.Option("--cuda-graphs/--no-cuda-graphs", envvar="SRA_CUDA_GRAPHS", help="a whole step as one CUDA graph")]

Released = Annotated[Path, typer.Argument(help="released checkpoint, .pt or .safetensors")]
ReleasedBy = Annotated[str, typer.Option("--from", help="whose file it is: dit, sit, repa or sra")]
ReleasedWeights = Annotated[str, typer.Option("--weights", help="ema or model, where a training checkpoint holds both")]
Classes = Annotated[int | None, typer.Option(min=1, help="classes of the model, where the file does not tell whether its last label is for none")]
TimeOfData = Annotated[int | None, typer.Option(min=0, max=1, help="time of clean data, 0 or 1, where the file does not tell whose it is")]
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
    latents: Latents = None,
    until: Annotated[int | None, typer.Option(min=1, help="step to train to")] = None,
    state: Annotated[Path | None, typer.Option(callback=writable, help="state to write")] = None,
    curve: Annotated[Path | None, typer.Option(callback=writable, help="jsonl curve to write")] = None,
    features: Features = None,
    pixels: Pixels = None,
    encoder: Encoder = None,
    text: StoredText = None,
    captions: Captions = None,
    text_encoder: TextEncoder = None,
    previous: Annotated[Path | None, typer.Option(help="state to continue from")] = None,
    start: Annotated[Path | None, typer.Option(help="weights to train on, where the run does not start from its seed")] = None,
    rolling_minutes: Annotated[float, typer.Option(help="time between rolling states")] = 10.0,
    device: Device = "auto",
    processes: Processes = 1,
    nodes: Nodes = 1,
    micro_batch: MicroBatch = None,
    compile: Compile = False,
    activation_checkpointing: Checkpointing = False,
    cuda_graphs: CudaGraphs = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what it would take, and stop")] = False,
) -> None:
    """Train one run to a step. Interrupted by Ctrl-C or SIGTERM it keeps its state; the same command continues.

    Example: sra train results/digits/runs/sit_b2_sra/config.json --dry-run
    """
    machine = _machine("sra train", device, processes, nodes, micro_batch, compile, activation_checkpointing, cuda_graphs)
    if dry_run:
        stage("describe_training", "describe_training")(config, Path.cwd(), machine, latents, encoder, text_encoder)
        return
    for name, value in {"latents": latents, "until": until, "state": state, "curve": curve}.items():
        if value is None:
            raise InputError(f"sra train: --{name} is missing; only --dry-run needs nothing but the config")
    inputs = stage("train", "Inputs")(latents, features, pixels, encoder, text, captions, text_encoder, start)
    if not 0 <= rolling_minutes < math.inf:
        raise InputError(f"sra train: --rolling-minutes {rolling_minutes:g}: expected minutes from 0 on, such as 10")
    stage("train", "train")(config, inputs, until, state, curve, previous, rolling_minutes, machine)
    # All is written: a stop in the last moments would only make Snakemake delete it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


@commands.command()
def measure(
    config: Config,
    latents: Latents,
    output: Output,
    features: Features = None,
    pixels: Pixels = None,
    encoder: Encoder = None,
    text: StoredText = None,
    captions: Captions = None,
    text_encoder: TextEncoder = None,
    threads: Annotated[int | None, typer.Option(min=1, help="of matrix products on a CPU; torch's choice if left out")] = None,
    warm_up: Annotated[int | None, typer.Option(min=0, help="steps before the timed ones")] = None,
    blocks: Annotated[int | None, typer.Option(min=1, help="timed blocks of ten steps")] = None,
    device: Device = "auto",
    processes: Processes = 1,
    nodes: Nodes = 1,
    micro_batch: MicroBatch = None,
    compile: Compile = False,
    activation_checkpointing: Checkpointing = False,
    cuda_graphs: CudaGraphs = False,
) -> None:
    """Time a few training steps of one run and write what they cost: seconds, memory, parameters, FLOPs. The training itself is thrown away.

    Nothing else should run on the machine meanwhile.

    Example: sra measure results/digits/runs/sit_b2_sra/config.json --latents results/shared/digits/latents/digits_vae/store.json --output cost.json
    """
    machine = _machine("sra measure", device, processes, nodes, micro_batch, compile, activation_checkpointing, cuda_graphs)
    inputs = stage("train", "Inputs")(latents, features, pixels, encoder, text, captions, text_encoder)
    asked = {"warm_up": warm_up, "blocks": blocks}
    stage("measure", "measure")(config, inputs, output, machine, threads, **{name: count for name, count in asked.items() if count is not None})


def _machine(
    where: str,
    device: str,
    processes: int,
    nodes: int,
    micro_batch: int | None,
    compile: bool,
    activation_checkpointing: bool,
    cuda_graphs: bool,
) -> "Machine":
    from sra.spec.load import checked
    from sra.spec.machine import Machine

    given = {"device": device, "processes": processes, "nodes": nodes, "micro_batch": micro_batch, "compile": compile}
    return checked({**given, "activation_checkpointing": activation_checkpointing, "cuda_graphs": cuda_graphs}, Machine, where)


@commands.command()
def export(config: Config, state: Annotated[Path, typer.Option(help="training state")], output: Output) -> None:
    """Write the averaged weights of a training state: what is sampled, evaluated and shared."""
    stage("export", "export_ema")(config, state, output)


@commands.command()
def convert(
    file: Released,
    family: ReleasedBy,
    output: Annotated[Path, typer.Option("--out", callback=writable, help="weights file to write, .safetensors")],
    weights: ReleasedWeights = "ema",
    name: ReleasedName = None,
    classes: Classes = None,
    time_of_data: TimeOfData = None,
) -> None:
    """Write a released checkpoint in the layout used here and say what was read, taken, dropped and rewritten. Nothing in it is executed.

    Example: sra convert DiT-XL-2-256x256.pt --from dit --name dit_xl2_256 --out dit_xl2.safetensors
    """
    stage("convert", "convert")(file, family, output, weights, name, Path.cwd(), classes, time_of_data)


@commands.command()
def import_weights(
    config: Config,
    file: Released,
    family: ReleasedBy,
    output: Output,
    step: Annotated[
        int | None, typer.Option(min=1, help="training steps behind it, as its paper counts them; leave out where a run trains on")
    ] = None,
    weights: ReleasedWeights = "ema",
    name: ReleasedName = None,
    time_of_data: TimeOfData = None,
) -> None:
    """Write a released checkpoint as the weights of a run: with --step to be sampled like weights trained here, without it to be trained on."""
    if step is None:
        stage("convert", "import_start")(config, file, family, name, output, weights, Path.cwd(), time_of_data)
        return
    stage("convert", "import_weights")(config, file, family, name, output, step, weights, Path.cwd(), time_of_data)
