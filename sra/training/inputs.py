"""From the files that a run trains on to its trainer at step 0, refusing what does not fit before anything is computed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isqrt
from pathlib import Path

import torch

from sra.core.errors import InputError, StageError
from sra.core.receipts import recorded_sha256
from sra.data.captions import EMPTY, CaptionedSplit
from sra.data.store import ArrayStore
from sra.encoders.text import TextEncoder, text_encoder_hashes, text_shape
from sra.encoders.vision import VisionEncoder, encoder_hashes, find_encoder
from sra.models.device import choose_device
from sra.models.products import set_float32_products
from sra.spec.machine import Machine
from sra.spec.run import RunSpec, read_run
from sra.training.batches import check_inputs
from sra.training.conditions import OnlineCaptions, StoredCaptions
from sra.training.distributed import World, launched, lost_another
from sra.training.launching import go_to_nodes, run_in_processes
from sra.training.loop import Trainer
from sra.training.setup import set_up
from sra.training.targets import OnlineTargets


@dataclass(frozen=True)
class Inputs:
    """What a run trains on, as files.

    For REPA alone: features, a store of encoder tokens; or pixels, a store of images, and the encoder that makes their tokens in each step.
    For text to image alone: text, a store of encoded captions; or captions, the index that has them, and the text encoder of each step.
    """

    latents: Path
    features: Path | None = None
    pixels: Path | None = None
    encoder: str | None = None
    text: Path | None = None
    captions: Path | None = None
    text_encoder: str | None = None


def read_trained(config: Path) -> RunSpec:
    """The run of a config.json. Raises InputError for one that starts from released weights."""
    spec = read_run(config)
    if spec.weights:
        raise InputError(f"run {spec.run}: starts from {spec.weights.file} and is not trained; use sra import-weights")
    return spec


def refuse_other_start(spec: RunSpec, start: Path | None) -> None:
    """Raises InputError unless weights to train on are given where the run says so, and nowhere else."""
    if spec.start and start is None:
        how = f"make it by sra import-weights from {spec.start.file}"
        raise InputError(f"run {spec.run}: trains on from the weights of {spec.start.file}; give them as --start, or {how}")
    if start and spec.start is None:
        raise InputError(f"run {spec.run}: starts from its seed; leave out --start {start}, or give the run a start in config/experiments")


@contextmanager
def trainer_of(spec: RunSpec, inputs: Inputs, machine: Machine) -> Iterator[Trainer]:
    """The run at step 0, its inputs checked. With several processes, this one starts them and ends with their exit code; in each it begins anew."""
    # Refused once, by the process that the user started.
    latents, features, images, text = opened_inputs(spec, inputs)
    check_share(spec, launched() or machine.world)
    if not launched():
        go_to_nodes(machine.nodes)
    device = choose_device(machine.device, machine.processes)
    if machine.world > 1 and not launched():
        check_devices(machine.processes, device)
        if inputs.encoder:
            find_encoder(inputs.encoder)
        run_in_processes(machine.processes, machine.nodes)
    set_float32_products(spec.training.precision)
    world, trainer = World.join(), None
    try:
        machine = machine.model_copy(update={"device": device.type, "processes": world.size // machine.nodes})
        online = online_targets(images, inputs.encoder, spec, device) if images else None
        captions = StoredCaptions(text) if text else online_captions(inputs, device) if inputs.captions else None
        trainer = set_up(spec, latents, features, device, machine, world, online, captions)
        yield trainer
    except RuntimeError as error:
        if not lost_another(error):
            raise
        raise StageError(f"process {world.rank} of {world.size}: another process of this training ended, and its message says why") from None
    finally:
        if trainer:
            trainer.end_exchange()
        world.leave()


def opened_inputs(spec: RunSpec, inputs: Inputs) -> tuple[ArrayStore, ArrayStore | None, ArrayStore | None, ArrayStore | None]:
    """Stores of latents, features, images and text, the last three where they are given. Raises InputError for what is not the run's own."""
    _refuse_half_given(spec, inputs)
    latents = ArrayStore.open(inputs.latents, "latents")
    features, images, text = (
        ArrayStore.open(manifest, kind) if manifest else None
        for manifest, kind in ((inputs.features, "features"), (inputs.pixels, "pixels"), (inputs.text, "text"))
    )
    check_inputs(spec, latents, features, images, text)
    if inputs.captions:
        check_captions(inputs, spec, latents)
    return latents, features, images, text


def online_targets(pixels: ArrayStore, source: Path | str, spec: RunSpec, device: torch.device) -> OnlineTargets:
    """Of the images by an encoder that gives as many tokens as the run's model has."""
    encoder = VisionEncoder.load(source, isqrt(spec.model.tokens), device)
    return OnlineTargets(pixels, encoder.targets, encoder.width, encoder_hashes(source, encoder))


def check_captions(inputs: Inputs, spec: RunSpec, latents: ArrayStore) -> None:
    """Raises InputError for captions of other images, and for a text encoder whose features the run's model does not read."""
    latents.check_index(inputs.captions)
    found, wanted = text_shape(inputs.text_encoder), (spec.model.text.tokens, spec.model.text.width)
    if found != wanted:
        raise InputError(f"{inputs.text_encoder}: encodes a caption as {found}, run {spec.run} needs {wanted}; give the text encoder of its preset")


def online_captions(inputs: Inputs, device: torch.device) -> OnlineCaptions:
    """Of the train split by the text encoder, after `check_captions`."""
    split = CaptionedSplit(inputs.captions, "train")
    encoder = TextEncoder.load(inputs.text_encoder, device)
    hashes = {"captions": recorded_sha256(inputs.captions)} | {
        f"text_{role}": value for role, value in text_encoder_hashes(inputs.text_encoder, encoder).items()
    }
    return OnlineCaptions(split.flat_captions, split.first_captions, encoder.ids, encoder.encode_ids, EMPTY, hashes)


def _refuse_half_given(spec: RunSpec, inputs: Inputs) -> None:
    pairs = (
        ("pixels", "encoder", "features", spec.encoder, "aligns with no encoder"),
        ("captions", "text-encoder", "text", spec.text_encoder, "is told classes, not captions"),
    )
    for data, network, stored, needed, why_not in pairs:
        given, by = getattr(inputs, data), getattr(inputs, network.replace("-", "_"))
        if (given is None) != (by is None):
            raise InputError(f"sra train: --{data} and --{network} go together; give both, or --{stored}")
        if given and getattr(inputs, stored):
            raise InputError(f"sra train: --{stored} and --{data} are two ways to the same thing; give one")
        if given and not needed:
            raise InputError(f"run {spec.run}: {why_not}; leave out --{data} and --{network}")
    if spec.text_encoder and not (inputs.text or inputs.captions):
        raise InputError(
            f"run {spec.run}: needs the captions by {spec.text_encoder}; give --text STORE.json, or --captions INDEX.json and --text-encoder"
        )


def check_share(spec: RunSpec, processes: int) -> None:
    """Raises InputError when so many processes, started here or by torchrun, cannot share the batch."""
    if spec.training.batch % processes:
        raise InputError(f"run {spec.run}: batch {spec.training.batch} cannot be shared evenly by {processes} processes; choose a divisor")


def check_devices(processes: int, device: torch.device) -> None:
    """Raises InputError when this machine cannot start so many processes."""
    if device.type == "cuda" and processes > torch.cuda.device_count():
        raise InputError(f"processes {processes}: this machine has {torch.cuda.device_count()} GPUs; give at most one process a GPU")
