"""Train one run to a step, from its start, a previous state, or whatever an interruption left behind."""

import shutil
from math import isqrt
from pathlib import Path

import torch

from sra.core.errors import InputError, StageError
from sra.core.files import write_text
from sra.data.store import ArrayStore
from sra.encoders.vision import VisionEncoder, encoder_hashes, find_encoder
from sra.spec.machine import Machine
from sra.spec.run import RunSpec, read_run
from sra.stages.device import choose_device
from sra.training.batches import check_inputs
from sra.training.distributed import World, launched, lost_another, run_in_processes
from sra.training.loop import Trainer
from sra.training.precision import set_float32_products
from sra.training.rolling import RollingStates, curve_lines
from sra.training.targets import OnlineTargets


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
    pixels: Path | None = None,
    encoder: str | None = None,
) -> None:
    """Train to step `until` and write the state and the curve. The same command after an interruption continues.

    For REPA alone: features, a store of encoder tokens; or pixels, a store of images, and the encoder that makes their tokens in each step.
    """
    spec = read_run(config)
    if spec.weights:
        raise InputError(f"run {spec.run}: starts from {spec.weights.file} and is not trained; use sra import-weights")
    _refuse_half_given(spec, features, pixels, encoder)
    stores = ArrayStore.open(latents, "latents"), ArrayStore.open(features, "features") if features else None
    images = ArrayStore.open(pixels, "pixels") if pixels else None
    # Refused once, by the process that the user started.
    check_inputs(spec, *stores, images)
    device = choose_device(machine.device)
    if machine.processes > 1 and not launched():
        check_processes(spec, machine.processes, device)
        if encoder:
            find_encoder(encoder)
        run_in_processes(machine.processes)
    set_float32_products(spec.training.precision)
    world = World.join()
    try:
        check_share(spec, world.size)
        machine = machine.model_copy(update={"device": device.type, "processes": world.size})
        online = online_targets(images, encoder, spec, device) if images else None
        trainer = Trainer(spec, *stores, device, machine, world, online)
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


def online_targets(pixels: ArrayStore, source: Path | str, spec: RunSpec, device: torch.device) -> OnlineTargets:
    """Of the images by an encoder that gives as many tokens as the run's model has."""
    encoder = VisionEncoder.load(source, isqrt(spec.model.tokens), device)
    return OnlineTargets(pixels, encoder.tokens, encoder.width, encoder_hashes(source, encoder))


def _refuse_half_given(spec: RunSpec, features: Path | None, pixels: Path | None, encoder: str | None) -> None:
    if (pixels is None) != (encoder is None):
        raise InputError("sra train: --pixels and --encoder go together; give both, or --features")
    if pixels and features:
        raise InputError("sra train: --features and --pixels are two ways to the same targets; give one")
    if pixels and not spec.encoder:
        raise InputError(f"run {spec.run}: aligns with no encoder; leave out --pixels and --encoder")


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
