"""Train one run to a step. Interrupted by Ctrl-C or SIGTERM it keeps its state; the same command continues.

Example: sra train results/digits/runs/sit_b2_sra/config.json --dry-run
"""

import math
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from sra.commands import options
from sra.core.errors import InputError
from sra.core.files import check_writable, write_text
from sra.core.locks import only_one
from sra.spec.diverged import forget_diverged, write_diverged
from sra.spec.load import checked_options
from sra.spec.machine import Machine
from sra.spec.scratch import LOCK, scratch_folder
from sra.training.description import describe_training
from sra.training.inputs import Inputs, read_trained, refuse_other_start, trainer_of
from sra.training.loop import NotFinite, Trainer
from sra.training.rolling import RollingStates, curve_lines


def train(
    config: options.Config,
    latents: Annotated[Path | None, typer.Option(help="store.json of the latents")] = None,
    until: Annotated[int | None, typer.Option(min=1, help="step to train to")] = None,
    state: Annotated[Path | None, typer.Option(callback=options.writable, help="state to write")] = None,
    curve: Annotated[Path | None, typer.Option(callback=options.writable, help="jsonl curve to write")] = None,
    features: options.Features = None,
    pixels: options.Pixels = None,
    encoder: options.OnlineEncoder = None,
    text: options.StoredText = None,
    captions: options.Captions = None,
    text_encoder: options.OnlineTextEncoder = None,
    previous: Annotated[Path | None, typer.Option(help="state to continue from")] = None,
    start: Annotated[Path | None, typer.Option(help="weights to train on, where the run does not start from its seed")] = None,
    rolling_minutes: Annotated[float, typer.Option(help="time between rolling states")] = 10.0,
    device: options.Device = "auto",
    processes: options.Processes = 1,
    nodes: options.Nodes = 1,
    micro_batch: options.MicroBatch = None,
    compile: options.Compile = False,
    activation_checkpointing: options.Checkpointing = False,
    cuda_graphs: options.CudaGraphs = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what it would take, and stop")] = False,
) -> None:
    """Write the state and the curve: from the run's start, a previous state, or whatever an interruption left behind."""
    machine = checked_options(locals(), Machine, "sra train")
    if dry_run:
        describe_training(config, Path.cwd(), machine, latents, encoder, text_encoder)
        return
    for name, value in {"latents": latents, "until": until, "state": state, "curve": curve}.items():
        if value is None:
            raise InputError(f"sra train: --{name} is missing; only --dry-run needs nothing but the config")
    if not 0 <= rolling_minutes < math.inf:
        raise InputError(f"sra train: --rolling-minutes {rolling_minutes:g}: expected minutes from 0 on, such as 10")
    spec = read_trained(config)
    refuse_other_start(spec, start)
    with trainer_of(spec, Inputs(latents, features, pixels, encoder, text, captions, text_encoder), machine) as trainer:
        if start:
            trainer.state.begin_from(start)
        if previous:
            trainer.state.restore(previous)
        if trainer.state.step >= until:
            raise InputError(f"{previous}: is already at step {trainer.state.step}, asked to train until {until}; give an earlier state")
        try:
            _train_segment(trainer, scratch_folder(config, spec), until, state, curve, rolling_minutes)
        except NotFinite as error:
            if trainer.world.leads:
                write_diverged(config, spec, error.step)
            raise
        if trainer.world.leads:
            forget_diverged(config)


def _train_segment(trainer: Trainer, scratch: Path, until: int, state: Path, curve: Path, rolling_minutes: float) -> None:
    with _alone(trainer, scratch.parents[1]), RollingStates(scratch, rolling_minutes, trainer.machine, trainer.world) as rolling:
        trainer.world.wait()  # until it is alone: whoever was there before may have just saved a state
        rolling.restore_newest(trainer.state, until)
        trainer.train(until, rolling)
        if trainer.world.leads:
            trainer.state.save(state, trainer.machine)
            write_text(curve, curve_lines(trainer.state.curve))
        trainer.world.wait()


def _alone(trainer: Trainer, folder: Path) -> AbstractContextManager:
    """One training in the run's folder at a time: a killed Snakemake may leave one behind, and its next start begins the same again."""
    if not trainer.world.leads:
        return nullcontext()
    lock = folder / LOCK
    check_writable(lock)
    return only_one(lock, f"run {trainer.spec.run}: another process trains it and holds {lock}; wait for it, or end it, and run this command again")
