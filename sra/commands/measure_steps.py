"""Time training steps of the runs of a study beside each other, in turns on one machine, and write what each takes of the baseline's.

A run whose method stops on the way is timed before the stop and after it. The training itself is thrown away.

\b
Example:
  sra measure-steps results/digits/runs/sit_b2_{sra,repa}/config.json --baseline results/digits/runs/sit_b2/config.json
    --latents results/shared/digits/latents/digits_vae/store.json --features results/shared/digits/features/digits_vit/store.json --output steps.json
"""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import typer

from sra.commands import options
from sra.core.errors import InputError
from sra.core.files import sha256_of_file, write_checked_json
from sra.core.processor import processor_name
from sra.core.receipts import versions
from sra.models.device import choose_device
from sra.spec.load import checked_options
from sra.spec.machine import Machine
from sra.spec.measured import LEAST_TURNS, STEPS_PER_BLOCK, TURNS, StudySteps, TimedPhase, TimedRun
from sra.spec.run import RunSpec
from sra.training.inputs import Inputs, opened_inputs, read_trained, trainer_of
from sra.training.loop import Trainer
from sra.training.setup import check_groups
from sra.training.turns import LEAD, WARM_UP_STEPS, check_phases, joined, rounds, take_turns

SHARED = ("preset", "dataset", "vae", "text_encoder")  # of all runs, or their steps say nothing of each other


def measure_steps(
    configs: Annotated[list[Path], typer.Argument(help="config.json of each run that is compared with the baseline")],
    baseline: Annotated[Path, typer.Option(help="config.json of the run that all are compared with")],
    latents: Annotated[Path, typer.Option(help="store.json of the latents")],
    output: options.Output,
    features: options.Features = None,
    pixels: options.Pixels = None,
    encoder: options.OnlineEncoder = None,
    text: options.StoredText = None,
    captions: options.Captions = None,
    text_encoder: options.OnlineTextEncoder = None,
    turns: Annotated[int, typer.Option(min=LEAST_TURNS, help="of each run, whose median is taken")] = TURNS,
    steps: Annotated[int, typer.Option(min=1, help="timed in each turn")] = STEPS_PER_BLOCK,
    at_a_time: Annotated[int, typer.Option(min=1, help="runs in memory beside the baseline")] = 3,
    threads: Annotated[int | None, typer.Option(min=1, help="of matrix products on a CPU; torch's choice if left out")] = None,
    device: options.Device = "auto",
    micro_batch: options.MicroBatch = None,
    compile: options.Compile = False,
    activation_checkpointing: options.Checkpointing = False,
    cuda_graphs: options.CudaGraphs = False,
) -> None:
    """Write the step times of all runs, in one JSON. Nothing else should run on the machine meanwhile; what does slows all runs alike."""
    machine = checked_options(locals(), Machine, "sra measure-steps")
    machine = machine.model_copy(update={"device": choose_device(machine.device).type})
    files = [(read_trained(config), config) for config in (baseline, *configs)]
    first, *others = specs = [spec for spec, _ in files]
    refuse_mixture(specs)
    given = Inputs(latents, features, pixels, encoder, text, captions, text_encoder)
    needed = {spec.run: inputs_of(spec, given) for spec in specs}
    for spec in specs:
        opened_inputs(spec, needed[spec.run])
        check_groups(spec, machine, 1)
    check_phases(first, others, steps)
    if threads:
        torch.set_num_threads(threads)

    found: dict[str, list[TimedPhase]] = {}
    beside, made_from = [], {}
    for baseline_run, few in rounds(first, others, at_a_time):
        with ExitStack() as stack:
            timed = take_turns(baseline_run, few, partial(_opened, stack, needed, machine, made_from), turns, steps)
        beside.append(timed.pop(first.run))
        found |= timed
        if machine.device == "cuda":
            torch.cuda.empty_cache()
    found[first.run] = joined(beside)
    runs = [
        TimedRun(
            run=spec.run, fingerprint=spec.fingerprint, config_sha256=sha256_of_file(config), phases=found[spec.run], made_from=made_from[spec.run]
        )
        for spec, config in files
    ]
    record = StudySteps(
        preset=first.preset,
        dataset=first.dataset,
        baseline=first.run,
        runs=runs,
        turns=turns,
        steps_per_turn=steps,
        lead_steps=LEAD,
        warm_up_steps=WARM_UP_STEPS,
        at_a_time=at_a_time,
        batch=first.training.batch,
        precision=first.training.precision,
        machine=machine,
        device_name=torch.cuda.get_device_name() if machine.device == "cuda" else processor_name(),
        threads=torch.get_num_threads(),
        versions=versions(),
    )
    write_checked_json(output, record.model_dump(mode="json"))


def refuse_mixture(specs: list[RunSpec]) -> None:
    """Raises InputError for runs that do not compare: of several presets, data or encoders, or one run twice. The baseline is the first."""
    first, *others = specs
    names = [spec.run for spec in specs]
    for spec in others:
        if names.count(spec.run) > 1:
            raise InputError(f"run {spec.run}: is given twice; name each run once, and the baseline as --baseline alone")
        for key in SHARED:
            ours, theirs = getattr(spec, key), getattr(first, key)
            if ours != theirs:
                raise InputError(
                    f"run {spec.run}: its {key} is {ours}, that of the baseline {first.run} {theirs}; measure runs of one {key} together"
                )
    encoders = {spec.encoder: spec.run for spec in specs if spec.encoder}
    if len(encoders) > 1:
        (one, run), (other, another) = list(encoders.items())[:2]
        raise InputError(f"run {another}: aligns with encoder {other}, run {run} with {one}; measure them in two calls, each with the baseline")


def inputs_of(spec: RunSpec, given: Inputs) -> Inputs:
    """Of what was given for all runs, what one of them reads: features where it can, else the images and the encoder."""
    online = spec.encoder and (spec.encodes_in_step or given.features is None)
    return Inputs(
        given.latents,
        features=given.features if spec.encoder and not online else None,
        pixels=given.pixels if online else None,
        encoder=given.encoder if online else None,
        text=given.text,
        captions=given.captions,
        text_encoder=given.text_encoder,
    )


def _opened(stack: ExitStack, needed: dict[str, Inputs], machine: Machine, made_from: dict[str, dict[str, str]], spec: RunSpec) -> Trainer:
    trainer = stack.enter_context(trainer_of(spec, needed[spec.run], machine))
    made_from[spec.run] = trainer.state.data
    return trainer
