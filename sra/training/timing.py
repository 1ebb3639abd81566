"""What a training step of a run takes on this machine, by the training loop itself: seconds, memory, parameters, FLOPs."""

import platform
import statistics
import time

import torch

from sra.core.memory import peak_resident
from sra.core.processor import OtherWork
from sra.core.progress import Progress
from sra.core.receipts import versions
from sra.data.store import ArrayStore
from sra.forecast.flops import head_parameters, parameters
from sra.spec.measured import STEPS_PER_BLOCK, CountedParameters, MeasuredCost, MeasuredMemory, MeasuredSteps
from sra.spec.methods.sra import SraOptions
from sra.spec.run import RunSpec
from sra.training.description import Frozen, budget_of, frozen_networks
from sra.training.inputs import Inputs
from sra.training.loop import Trainer


def timed_steps(trainer: Trainer, warm_up: int, blocks: int) -> MeasuredSteps:
    """Seconds a step of each block. Raises StageError when the loss is no longer finite."""
    seconds, total = [], warm_up + blocks * STEPS_PER_BLOCK
    with Progress(f"measure {trainer.spec.run}", total, "steps", shown=trainer.world.leads) as progress:
        for _ in range(warm_up):
            trainer.step()
            progress.advance()
        wait_for(trainer)
        others = OtherWork() if trainer.device.type == "cpu" and trainer.machine.world == 1 else None
        for _ in range(blocks):
            wait_for(trainer)
            start = time.perf_counter()
            for _ in range(STEPS_PER_BLOCK):
                trainer.step()
            wait_for(trainer)
            seconds.append((time.perf_counter() - start) / STEPS_PER_BLOCK)
            progress.advance(STEPS_PER_BLOCK)
    other_work = others.share() if others else None
    trainer.check_finite()
    return MeasuredSteps(
        seconds=seconds, median=statistics.median(seconds), warm_up_steps=warm_up, steps_per_block=STEPS_PER_BLOCK, other_work=other_work
    )


def peak_memory(device: torch.device, before: int) -> MeasuredMemory:
    """before: bytes that this process held before its stores were opened and its models built."""
    if device.type == "cuda":
        return MeasuredMemory(of="gpu", peak=torch.cuda.max_memory_allocated(device), before=0)
    return MeasuredMemory(of="process", peak=peak_resident(), before=before)


def measured_cost(spec: RunSpec, inputs: Inputs, trainer: Trainer, steps: MeasuredSteps, memory: MeasuredMemory) -> MeasuredCost:
    frozen = frozen_networks(spec, inputs.encoder, inputs.text_encoder)
    width = encoder_width(inputs, trainer)
    images, device = len(ArrayStore.open(inputs.latents, "latents")), trainer.device
    return MeasuredCost(
        preset=spec.preset,
        run=spec.run,
        fingerprint=spec.fingerprint,
        steps=steps,
        batch=spec.training.batch,
        views=spec.training.views,
        images=images,
        steps_per_epoch=max(1, images // spec.training.batch),
        memory=memory,
        parameters=counted_parameters(spec, width, frozen),
        flops_per_step=budget_of(spec, trainer.machine, width, frozen).of_step(),
        machine=trainer.machine,
        device_name=torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
        threads=torch.get_num_threads(),
        precision=spec.training.precision,
        made_from=trainer.state.data,
        versions=versions(),
    )


def encoder_width(inputs: Inputs, trainer: Trainer) -> int | None:
    """Of REPA's targets; None where there are none."""
    if inputs.features:
        return ArrayStore.open(inputs.features, "features").row_shape[-1]
    return trainer.online.width if trainer.online else None


def counted_parameters(spec: RunSpec, encoder_width: int | None, frozen: Frozen) -> CountedParameters:
    """By the closed formulas, which the tests hold against the models themselves."""
    parts = spec.alignment.parts
    teachers = (parameters(spec.model, part.teacher_block) for part in parts if isinstance(part, SraOptions) and part.weight)
    return CountedParameters(
        model=parameters(spec.model),
        heads=sum(head_parameters(part, spec.model, encoder_width) for part in parts),
        extra_forward=sum(teachers) + sum(size.parameters for size in frozen.values()),
    )


def wait_for(trainer: Trainer) -> None:
    """Until all that was begun is done, here and in the other processes."""
    if trainer.device.type == "cuda":
        torch.cuda.synchronize(trainer.device)
    trainer.world.wait()
