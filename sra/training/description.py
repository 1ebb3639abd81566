"""What training a run would take on this machine, printed before anything is trained: sizes, FLOPs, memory, steps and time."""

import os
import statistics
import time
from dataclasses import dataclass
from math import isqrt
from pathlib import Path

import torch

from sra.content.required import Point, training_points
from sra.core.errors import InputError
from sra.core.files import read_json
from sra.core.memory import peak_resident
from sra.core.receipts import receipt_of, receipt_path
from sra.core.units import binary, decimal, duration, grouped, several, text_table
from sra.data.store import ArrayStore
from sra.encoders.text import text_encoder_size
from sra.encoders.vision import EncoderSize, size_of
from sra.forecast.budget import Budget
from sra.forecast.finished import finished_segments
from sra.forecast.flops import FP32, block_flops, head_parameters, images_at_once, parameters, state_bytes, training_memory
from sra.models.blocks import Block
from sra.models.device import choose_device
from sra.models.initial import initial_weights
from sra.models.mmdit import JointBlock
from sra.models.products import autocast, set_float32_products
from sra.spec.encoders import ENCODERS
from sra.spec.layout import Results, Shared
from sra.spec.machine import Machine
from sra.spec.registry import Registry
from sra.spec.run import ModelSpec, RunSpec, read_run
from sra.training.inputs import check_devices, check_share

# Of one measured block's FLOP rate, what whole training steps reach: embeddings, loss, AdamW and averaging move bytes but compute little.
# Measured side by side on one CPU core: 0.8 at widths 48 and 64, 0.96 to 1 from width 128 on, and in bf16 0.8 to 0.97. A bare matrix
# product would be a poor ruler: training reaches a third of its rate at width 48, two thirds at 128 and about all of it at 768.
SHARE_OF_BLOCK_RATE = 0.9
MEASURED_SECONDS = 0.5
STARTUP_SECONDS = 2.0  # a training job imports torch, opens its stores and writes its state; 1.3 to 2.7 s in the digits runs
ENCODER, TEXT_ENCODER = "encoder", "text encoder"
Frozen = dict[str, EncoderSize]  # networks that run in each step and do not train, by those names
VIT_B_WIDTH = 768  # of DINOv2-B, REPA's default encoder


@dataclass(frozen=True)
class Speed:
    flops_per_second: float  # of all processes together
    source: str


def describe_training(
    config: Path,
    root: Path,
    machine: Machine = Machine(),
    latents: Path | None = None,
    encoder: str | None = None,
    text_encoder: str | None = None,
) -> None:
    """Print it. `root` holds config and results; `latents` gives the exact number of images, else the data set's in config/datasets.tsv.

    encoder, text_encoder: those that make REPA's targets and encode captions in each step, where they are not stored.
    """
    run = read_run(config)
    if run.weights:
        raise InputError(f"run {run.run}: starts from {run.weights.file} and is not trained; use sra import-weights")
    device = choose_device(machine.device)
    check_share(run, machine.world)
    check_devices(machine.processes, device)
    machine = machine.model_copy(update={"device": device.type})
    registry = Registry(root, run.preset)
    frozen = frozen_networks(run, encoder, text_encoder)
    encoder_width, assumed = (frozen[ENCODER].width, []) if ENCODER in frozen else _encoder_width(run, root)
    assumed += _encoder_not_at_hand(run, frozen)
    points, why_not = _points(registry, run)
    budget = budget_of(run, machine, encoder_width, frozen)
    sections = [
        _heading(run, machine, device, registry, _images(registry, run, latents), frozen),
        _parameters(run, encoder_width),
        _flops(budget),
        _memory(run, machine, device, encoder_width, frozen),
    ]
    # After the memory, which a measurement would add to.
    speed = speed_of_finished(root, budget, machine, points) or speed_of_one_block(run, machine, device)
    print("\n\n".join([*sections, _segments(points, why_not, budget, speed), *assumed]))


def frozen_networks(run: RunSpec, encoder: str | None, text_encoder: str | None) -> Frozen:
    """Of those given, what the run takes a forward pass of in each step."""
    found = {ENCODER: size_of(encoder, isqrt(run.model.tokens)) if encoder and run.encoder else None}
    found[TEXT_ENCODER] = text_encoder_size(text_encoder) if text_encoder and run.text_encoder else None
    return {name: size for name, size in found.items() if size}


def _heading(run: RunSpec, machine: Machine, device: torch.device, registry: Registry, images: tuple[int | None, str], frozen: Frozen) -> str:
    model, at_once = run.model, images_at_once(run, machine)
    training = run.training
    share, views = training.samples // machine.world, f" x {training.views} views" if training.views > 1 else ""
    where = torch.cuda.get_device_name() if device.type == "cuda" else f"cpu, {several(torch.get_num_threads(), 'thread')}"
    batch = f"{training.batch} images{views} = {several(machine.world, 'process', 'processes')} x {at_once} {'views' if views else 'images'}"
    parts = -(-share // at_once)
    if parts > 1:
        batch += f" x {parts} parts{', the last of ' + str(share % at_once) if share % at_once else ''}; gradients added up"
    count, source = images
    epoch = f"{count // run.training.batch} steps; {grouped(count)} images ({source})" if count else f"of unknown length: {source}"
    methods = [part.words for part in run.alignment.parts] or [run.alignment.words]
    latent = f"{model.latent.channels} x {model.latent.size} x {model.latent.size}"
    lines = [
        ("train", f"{run.run}, preset {run.preset}, seed {run.training.seed} (dry run: nothing is trained or written)"),
        ("model", f"{model.name}: {model.depth} blocks of width {model.width}, {model.heads} heads, {model.tokens} tokens of {latent} latents"),
        ("condition", _condition(run, registry, frozen)),
        *((("method" if number == 0 else ""), words) for number, words in enumerate(methods)),
        ("machine", ", ".join([run.training.precision, where, *machine.extras])),
        ("batch", batch + (", half of them mirrored" if run.training.flips == "latents" else "")),
        ("epoch", epoch),
    ]
    return "\n".join(f"{name:<10}  {text}" for name, text in lines)


def _condition(run: RunSpec, registry: Registry, frozen: Frozen) -> str:
    text = run.model.text
    if text is None:
        return several(run.model.classes, "class", "classes")
    part = registry.preset.text_to_image
    when = "in each step" if TEXT_ENCODER in frozen else "before training"
    if part and part.text_features == "online" and TEXT_ENCODER not in frozen:
        when = "in each step, which is counted only with --captions and --text-encoder"
    return f"captions as {text.tokens} text tokens of width {text.width}, encoded by {run.text_encoder} {when}"


def _parameters(run: RunSpec, encoder_width: int | None) -> str:
    heads = [(part.name, head_parameters(part, run.model, encoder_width)) for part in run.alignment.parts]
    rows = [("model", grouped(parameters(run.model)), "and once more as the averaged model")]
    rows += [(f"{method} head", grouped(count), "trained with the model, dropped after training") for method, count in heads if count]
    return text_table("parameters", ("", ""), rows)


def budget_of(run: RunSpec, machine: Machine, encoder_width: int | None, frozen: Frozen) -> Budget:
    """With the networks that run in each step, as they are or, where an encoder is not at hand, by its shape."""
    encoder = frozen[ENCODER].flops if ENCODER in frozen else _flops_by_shape(run)
    text_encoder = frozen[TEXT_ENCODER].flops if TEXT_ENCODER in frozen else 0
    return Budget(run, encoder_width, encoder, text_encoder, machine.activation_checkpointing)


def _flops_by_shape(run: RunSpec) -> int:
    """Of an encoder that the run needs in each step, where it is not at hand; 0 for a shape that is not known."""
    return ENCODERS[run.encoder].flops(run.model.tokens) if run.encodes_in_step and run.encoder in ENCODERS else 0


def _surcharge(budget: Budget) -> str:
    """What alignment adds, for people; with the steps from which it adds less, and what is left then."""
    run = budget.run
    if not run.alignment.parts:
        return ""
    starts = [0, *run.stops]
    shares = [f"{100 * budget.of_image(start).surcharge:.1f} %" for start in starts]
    until = [f"{share} until step {grouped(stop)}" for share, stop in zip(shares, run.stops, strict=False)]
    return f"alignment adds {', '.join([*until, shares[-1] + ' from then on' if until else shares[-1]])}"


def _flops(budget: Budget) -> str:
    flops, batch = budget.of_image(), budget.run.training.samples
    parts = [
        ("student", flops.student, "forward and backward"),
        ("extra token", flops.extra_token, "of the student, forward and backward"),
        ("teacher", flops.teacher, "forward to its block, no backward"),
        ("heads", flops.heads, "forward and backward"),
        (ENCODER, flops.encoder, "forward, frozen"),
        (TEXT_ENCODER, flops.text_encoder, "forward, frozen"),
        ("recomputed", flops.recomputed, "the blocks once more, for activation checkpointing"),
        ("total", flops.total, _surcharge(budget)),
    ]
    rows = [(name, decimal(count), decimal(count * batch), note) for name, count, note in parts if count]
    return text_table("FLOPs", ("an image", "a step", ""), rows)


def _memory(run: RunSpec, machine: Machine, device: torch.device, encoder_width: int | None, frozen: Frozen) -> str:
    """Beside what the device has now. On a GPU the estimate is of one process, which has the GPU to itself."""
    memory = training_memory(run, machine, encoder_width)
    here = machine.processes if device.type == "cpu" else 1
    parts = [
        ("weights", memory.weights, ""),
        ("gradients", memory.gradients, ""),
        ("moments", memory.moments, ""),
        ("teacher", memory.teacher, ""),
        *((name, FP32 * size.parameters, "frozen") for name, size in frozen.items()),
        ("copies", memory.copies, f"weights in {run.training.precision}"),
        ("activations", memory.activations, f"of {several(images_at_once(run, machine), 'image')}"),
        ("program", peak_resident() if device.type == "cpu" else 0, "Python and torch"),
    ]
    needed, free = here * sum(size for _, size, _ in parts), _free_memory(device)
    verdict = f"of {binary(free)} free here" + (f", {here} processes" if here > 1 else "")
    if needed - here * memory.activations > free:
        verdict += ": does not fit, whatever the micro_batch"
    elif needed > free:
        verdict += ": does not fit; lower micro_batch, or turn activation_checkpointing on"
    rows = [(name, binary(size), note) for name, size, note in parts if size]
    rows += [("total", binary(needed), verdict), ("state", binary(state_bytes(run, encoder_width)), "on disk, each")]
    return text_table("memory", ("", ""), rows)


def _segments(points: list[Point], why_not: str, budget: Budget, speed: Speed) -> str:
    step_seconds = budget.of_step() / speed.flops_per_second
    until = f", until step {grouped(budget.run.stops[0])}" if budget.run.stops else ""
    rates = (
        f"  {1 / step_seconds:.3g} steps a second, 1000 steps in {duration(1000 * step_seconds)}{until}\n"
        f"  estimate: {decimal(speed.flops_per_second)}FLOP/s, {speed.source}; {STARTUP_SECONDS:g} s for each job to start and save"
    )
    if not points:
        return f"segments left out: {why_not}\n{rates}"
    firsts = [0, *(point.step for point in points[:-1])]
    computed = [budget.between(first, point.step) for first, point in zip(firsts, points, strict=True)]
    lengths = [STARTUP_SECONDS + flops / speed.flops_per_second for flops in computed]
    rows = [(point.name, grouped(first), grouped(point.step), duration(length)) for first, point, length in zip(firsts, points, lengths, strict=True)]
    rows.append(("total", "", grouped(points[-1].step), duration(sum(lengths))))
    return f"{text_table('segments', ('from step', 'to step', 'length'), rows)}\n{rates}"


def speed_of_finished(root: Path, budget: Budget, machine: Machine, points: list[Point]) -> Speed | None:
    """The median of this run's finished segments on a machine set up alike; None before there is any."""
    run = budget.run
    alike = [part for part in finished_segments(root, run, points) if part.machine and Machine.model_validate(part.machine) == machine]
    rates = [segment.rate(budget.between(segment.first_step, segment.point.step), STARTUP_SECONDS) for segment in alike]
    if not rates:
        return None
    folder = Results(run.preset).folder / "benchmarks" / "train" / run.run
    return Speed(statistics.median(rates), f"measured: {several(len(rates), 'finished segment')} of this run ({folder})")


def speed_of_one_block(run: RunSpec, machine: Machine, device: torch.device) -> Speed:
    """From half a second of one transformer block of this run's shape. Processes on GPUs add up; on a CPU they share its cores."""
    set_float32_products(run.training.precision)
    rate = block_rate(run, device, images_at_once(run, machine))
    together = machine.world if device.type == "cuda" else machine.nodes
    source = f"{SHARE_OF_BLOCK_RATE:g} of what one block of this model reached here just now" + (", not compiled" if machine.compile else "")
    return Speed(SHARE_OF_BLOCK_RATE * rate * together, source)


def block_rate(run: RunSpec, device: torch.device, at_most: int) -> float:
    """FLOP/s of one block, forward and backward, on random tokens of `at_most` images, or of fewer when those take half a second."""
    model = run.model
    with initial_weights(0, "measured block") as generator:
        block = _block_of(model).to(device)
    # What a block is called with: tokens of the image, of the text where there is one, and the condition.
    shapes = [(model.tokens, model.width), *([(model.text.tokens, model.width)] if model.text else []), (model.width,)]
    whole = [torch.randn(at_most, *shape, generator=generator).to(device) for shape in shapes]

    def seconds(images: int, times: int) -> float:
        inputs = [tensor[:images].clone().requires_grad_() for tensor in whole]
        _finish(device)
        start = time.perf_counter()
        for _ in range(times):
            with autocast(run.training.precision, device):
                out = block(*inputs)
            # A joint block gives image and text.
            ends = out if isinstance(out, tuple) else (out,)
            torch.autograd.grad([tokens.sum() for tokens in ends], [*inputs, *block.parameters()])
        _finish(device)
        return time.perf_counter() - start

    # The first pass of a size starts threads, chooses kernels and finds memory, so it is not the one that counts.
    images, once = 1, min(seconds(1, 1), seconds(1, 1))
    while once < MEASURED_SECONDS and images < at_most:
        images = min(4 * images, at_most)
        once = min(seconds(images, 1), seconds(images, 1))
    times = max(1, round(MEASURED_SECONDS / once))
    return 3 * block_flops(model) * images * times / seconds(images, times)


def _block_of(model: ModelSpec) -> Block | JointBlock:
    """As all but the last are."""
    return JointBlock(model.width, model.heads, last=False) if model.text else Block(model.width, model.heads)


def _finish(device: torch.device) -> None:
    """A GPU works on after the call returns."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def _points(registry: Registry, run: RunSpec) -> tuple[list[Point], str]:
    """Where training stops on the way, or why that is not known: a config.json may come from elsewhere."""
    try:
        if registry.spec(run.run) != run:
            return [], f"config/ now describes run {run.run} otherwise than this config.json"
        return training_points(registry, run.run), ""
    except InputError as error:
        return [], str(error)


def _images(registry: Registry, run: RunSpec, latents: Path | None) -> tuple[int | None, str]:
    """Number of training images, and who says so."""
    made = registry.root / Shared(run.dataset).latents(run.vae)
    if latents or made.exists():
        store = latents or made
        return len(ArrayStore.open(store, "latents")), str(store.relative_to(registry.root) if store.is_relative_to(registry.root) else store)
    if run.dataset in registry.datasets:
        images, index = registry.datasets[run.dataset].images, registry.root / Shared(run.dataset).index
        if images is None and receipt_path(index).exists():
            return receipt_of(index)["facts"]["splits"]["train"], str(index.relative_to(registry.root))
        return images, "config/datasets.tsv" if images else f"the images of {run.dataset} are your own and not indexed yet"
    return None, f"data set {run.dataset} is not in config/datasets.tsv; give --latents"


def _encoder_width(run: RunSpec, root: Path) -> tuple[int | None, list[str]]:
    """Of the extracted features; before there are any, by the encoder's name, or else a ViT-B's with a line that says so."""
    if run.encoder is None:
        return None, []
    store = root / Shared(run.dataset).features(run.encoder)
    if store.exists():
        return read_json(store)["row_shape"][-1], []
    if run.encoder in ENCODERS:
        return ENCODERS[run.encoder].width, []
    return VIT_B_WIDTH, [f"assumed: features of width {VIT_B_WIDTH} from encoder {run.encoder}, until {store.relative_to(root)} exists"]


def _encoder_not_at_hand(run: RunSpec, frozen: Frozen) -> list[str]:
    """A line about an encoder that the run needs in each step, where it was not given."""
    if not run.encodes_in_step or ENCODER in frozen:
        return []
    counted = "its FLOPs are counted by its shape" if run.encoder in ENCODERS else "its FLOPs are not counted"
    return [f"assumed: encoder {run.encoder} runs in each step; {counted}, its memory only with --encoder"]


def _free_memory(device: torch.device) -> int:
    """Bytes that a new process could take now."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info()[0]
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:  # not Linux
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
