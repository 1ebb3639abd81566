"""Train one run to a step, from its start, a previous state, or whatever an interruption left behind."""

import shutil
from pathlib import Path

import torch

from sra.core.errors import InputError, StageError
from sra.core.files import write_text
from sra.data.store import ArrayStore
from sra.spec.machine import Machine
from sra.spec.run import RunSpec, read_run
from sra.stages.device import choose_device
from sra.training.batches import check_inputs
from sra.training.distributed import World, launched, lost_another, run_in_processes
from sra.training.loop import Trainer
from sra.training.precision import set_float32_products
from sra.training.rolling import RollingStates, curve_lines


def train(
    config: Path,
    latents: Path,
    until: int,
    state: Path,
    curve: Path,
    features: Path | None = None,
    previous: Path | None = None,
    rolling_minutes: float = 10.0,
    machine: Machine = Machine(),
) -> None:
    """Train to step `until` and write the state and the curve. The same command after an interruption continues."""
    spec = read_run(config)
    if spec.weights:
        raise InputError(f"run {spec.run}: starts from {spec.weights.file} and is not trained; use sra import-weights")
    stores = ArrayStore.open(latents, "latents"), ArrayStore.open(features, "features") if features else None
    # Refused once, by the process that the user started.
    check_inputs(spec, *stores)
    device = choose_device(machine.device)
    if machine.processes > 1 and not launched():
        check_processes(spec, machine.processes, device)
        run_in_processes(machine.processes)
    set_float32_products(spec.training.precision)
    world = World.join()
    try:
        check_share(spec, world.size)
        machine = machine.model_copy(update={"device": device.type, "processes": world.size})
        trainer = Trainer(spec, *stores, device, machine, world)
        if previous:
            trainer.state.restore(previous)
        if trainer.state.step >= until:
            raise InputError(f"{previous}: is already at step {trainer.state.step}, asked to train until {until}; give an earlier state")
        _train_segment(trainer, config.parent / "scratch" / spec.fingerprint[:12], until, state, curve, rolling_minutes)
    except RuntimeError as error:
        if not lost_another(error):
            raise
        raise StageError(f"process {world.rank} of {world.size}: another process of this training ended, and its message says why") from None
    finally:
        world.leave()


def check_share(spec: RunSpec, processes: int) -> None:
    """Raises InputError when so many processes, started here or by torchrun, cannot share the batch."""
    if spec.training.batch % processes:
        raise InputError(f"run {spec.run}: batch {spec.training.batch} cannot be shared evenly by {processes} processes; choose a divisor")


def check_processes(spec: RunSpec, processes: int, device: torch.device) -> None:
    """Raises InputError when this machine cannot start so many processes for the run."""
    check_share(spec, processes)
    if device.type == "cuda" and processes > torch.cuda.device_count():
        raise InputError(f"processes {processes}: this machine has {torch.cuda.device_count()} GPUs; give at most one process a GPU")


def _train_segment(trainer: Trainer, scratch: Path, until: int, state: Path, curve: Path, rolling_minutes: float) -> None:
    with RollingStates(scratch, rolling_minutes, trainer.machine, trainer.world) as rolling:
        rolling.restore_newest(trainer.state, until)
        trainer.train(until, rolling)
        if trainer.world.leads:
            trainer.state.save(state, trainer.machine)
            write_text(curve, curve_lines(trainer.state.curve))
            shutil.rmtree(scratch.parent)  # states of the run as it was configured before are of no use either
        trainer.world.wait()
