"""Training steps: ours, the straight loop of the paper's equations, and diffusers' transformers, from the same batches.

    sra bench train --quick          SiT-B/2 + SRA beside the straight loop; three minutes on two cores
    sra bench train                  and without alignment, beside it and diffusers' DiT
    sra bench train --model XL       what SRA adds to SiT-XL/2; 20 GB of memory
    sra bench train --model mmdit    MMDiT beside diffusers' SD3 transformer

Each candidate trains in a process of its own. The straight loop and ours start from the same weights, and end as near to each other as
sums in another order allow, or the benchmark fails. FLOPs are counted from the model in closed form.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from apart import Group, take_turns_apart
from harness import ROOT, Row, Timing, ceiling_candidates, options_of, publish
from straight import StraightLoop
from torch import nn

from sra.alignment.build import build_alignments
from sra.data.store import ArrayStore, shard_path, write_manifest, write_shard
from sra.diffusion.process import build_process
from sra.models.build import build_model
from sra.plan.cost import training_flops
from sra.spec.machine import Machine
from sra.spec.registry import Registry
from sra.spec.run import RunSpec
from sra.training.batches import Batches, TrainingBatch
from sra.training.conditions import ClassLabels
from sra.training.distributed import World
from sra.training.ema import update_average
from sra.training.loop import Trainer
from sra.training.precision import clip_gradients, set_float32_products

RUNS = {"B": ("sit_b2", "sit_b2_sra"), "L": ("sit_l2", "sit_l2_sra"), "XL": ("sit_xl2", "sit_xl2_sra")}
NEAR = 1e-4  # of the norms of the weights after the same steps
IMAGES = 64  # in the store that batches are drawn from
OURS, ALIGNED, STRAIGHT, STRAIGHT_ALIGNED, DIFFUSERS = "ours", "ours + SRA", "straight", "straight + SRA", "diffusers DiT"
BATCH, UPDATE, COPY, WRITE = "a batch", "clipping, AdamW and average", "a copy of the state", "the state on the disk"
AUTOSAVE_SECONDS = 600.0  # between rolling states of the paper preset


def main() -> None:
    parser = options_of(__doc__, turns=5, batch=8)
    parser.add_argument("--model", choices=[*RUNS, "mmdit"], default="B")
    parser.add_argument("--quick", action="store_true", help="only ours and the straight loop, both with SRA; three turns")
    parser.add_argument("--eager", action="store_true", help="ours without the compiler")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="of ours; the straight loop takes fp32 on a CPU, TF32 on a GPU")
    options = parser.parse_args()
    turns = 3 if options.quick else options.turns
    with tempfile.TemporaryDirectory() as folder:
        write_latents(Path(folder))
        found = take_turns_apart(groups_of(options, Path(folder)), turns, warm_up=2, cuda=options.device == "cuda")
    check_nearness(found.compared)
    amounts = ceiling_candidates(options.device, options.precision)[1]
    ceilings = {name: amount / found.times[name].median for name, amount in amounts.items()}

    def share(name: str, run: str) -> float:
        flops = options.batch * training_flops(spec_of(run, options.batch, options.precision), None).total
        return flops / found.times[name].median / ceilings["matrix product"]

    plain, aligned = RUNS[options.model]
    size = f"SiT-{options.model}/2"
    pairs = [
        (f"a step of {size} + SRA", ALIGNED, "the straight loop", STRAIGHT_ALIGNED, aligned),
        (f"{size} + SRA", ALIGNED, "ours without SRA", OURS, aligned),
        (f"the straight loop of {size} + SRA", STRAIGHT_ALIGNED, "the same without SRA", STRAIGHT, None),
        (f"a step of {size}", OURS, "the straight loop", STRAIGHT, plain),
        (f"a step of {size}", OURS, "diffusers' DiT", DIFFUSERS, plain),
    ]
    rows = [
        Row(what, found.times[ours], peer, found.times[theirs], run and share(ours, run))
        for what, ours, peer, theirs, run in pairs
        if ours in found.times and theirs in found.times
    ]
    if BATCH in found.times:
        step = found.times[ALIGNED]
        between = Timing((AUTOSAVE_SECONDS,) * turns)
        rows += [Row(f"{size} + SRA: {part}", found.times[part], "a step", step) for part in (BATCH, UPDATE)]
        rows += [Row(f"{size} + SRA: {part}", found.times[part], "ten minutes of training", between) for part in (COPY, WRITE)]
    peaks = {f"peak_gb_{number}": round(peak / 1e9, 2) for number, peak in enumerate(found.peak_bytes)}
    facts = {"batch": options.batch, "precision": options.precision, "compiled": not options.eager, **peaks}
    publish(f"training steps of {size}", rows, options, ceilings, **facts)


def groups_of(options: argparse.Namespace, folder: Path) -> list[Group]:
    shared = {"folder": str(folder), "batch": options.batch, "device": options.device}
    ours = shared | {"precision": options.precision, "eager": options.eager}
    plain, aligned = RUNS[options.model]
    ceilings = Group(build_ceilings, {"device": options.device, "precision": options.precision})
    if options.model != "B":
        # Two of them at once may not fit: one trainer takes steps with and without the alignment.
        return [Group(build_both, {**ours, "run": aligned}), ceilings]
    straight = [Group(build_straight, {**shared, "run": aligned, "name": STRAIGHT_ALIGNED})]
    groups = [Group(build_ours, {**ours, "run": aligned, "name": ALIGNED}), *straight]
    if not options.quick:
        groups += [Group(build_ours, {**ours, "run": plain, "name": OURS}), Group(build_straight, {**shared, "run": plain, "name": STRAIGHT})]
        groups += [Group(build_diffusers, {**shared, "run": plain, "name": DIFFUSERS}), Group(build_parts, {**ours, "run": aligned})]
    return [*groups, ceilings]


def spec_of(run: str, batch: int, precision: str = "fp32") -> RunSpec:
    """A run of the paper's registry, with a small batch."""
    spec = Registry(ROOT, "paper").spec(run)
    return spec.model_copy(update={"training": spec.training.model_copy(update={"batch": batch, "precision": precision})})


def write_latents(folder: Path) -> None:
    """Random moments of images of 256 pixels."""
    moments = np.random.default_rng(0).standard_normal((IMAGES, 8, 32, 32)).astype(np.float32)
    moments[:, 4:] = 0.1
    shard = shard_path(folder, "latents", 0, 1)
    write_shard(shard, "latents", range(IMAGES), [moments], {})
    write_manifest(folder / "store.json", "latents", [shard], np.arange(IMAGES), {}, scaling_factor=0.18215)


def batches_of(spec: RunSpec, folder: str) -> Callable[[int], TrainingBatch]:
    store = ArrayStore.open(Path(folder, "store.json"), "latents")
    return Batches(spec, store, ClassLabels(store, spec.model.classes), None, build_process(spec.process), World()).at


def norms(model: nn.Module) -> list[float]:
    return [parameter.detach().double().norm().item() for _, parameter in sorted(model.named_parameters())]


def trainer_of(folder: str, run: str, batch: int, device: str, precision: str, eager: bool) -> Trainer:
    set_float32_products(precision)
    spec, store = spec_of(run, batch, precision), ArrayStore.open(Path(folder, "store.json"), "latents")
    return Trainer(spec, store, None, torch.device(device), Machine(device=device, compile=not eager))


def build_ours(name: str, **options):
    trainer = trainer_of(**options)
    return {name: trainer.step}, partial(norms, trainer.state.model)


def build_both(**options):
    """One run whose alignment weighs something in one candidate, and nothing in the other."""
    trainer = trainer_of(**options)
    alignment = trainer.state.alignments["sra"]

    def plain() -> None:
        weight, alignment.weight = alignment.weight, lambda step: 0.0
        trainer.step()
        alignment.weight = weight

    return {ALIGNED: trainer.step, OURS: plain}, None


def build_parts(**options):
    """What a step and the saving of a state do beside the networks. The state is written as a rolling one is, but training waits for it."""
    trainer = trainer_of(**options)
    trainer.step()
    state, count = trainer.state, iter(range(1 << 30))
    gradients = [tensor.grad for tensor in state.trained.values()]
    average, weights = list(state.teacher.parameters()), [parameter.detach() for parameter in state.model.parameters()]

    def update() -> None:
        clip_gradients(gradients, trainer.spec.training.gradient_clip, None)
        state.optimizer.update()
        update_average(average, weights, trainer.spec.training.ema.decay)

    copies = {COPY: partial(state.snapshot, copied=True), WRITE: partial(state.save, Path(options["folder"], "state.safetensors"))}
    return {BATCH: lambda: trainer.batch(next(count)), UPDATE: update} | copies, None


def build_straight(name: str, folder: str, run: str, batch: int, device: str):
    torch.backends.cuda.matmul.fp32_precision = "tf32"  # as released
    spec = spec_of(run, batch)
    alignments = build_alignments(spec, None, spec.training.seed)
    head = alignments["sra"].head if "sra" in alignments else None
    weights = build_model(spec.model, spec.training.seed).state_dict()
    loop, batches, count = StraightLoop(spec, weights, head, torch.device(device)), batches_of(spec, folder), iter(range(1 << 30))
    return {name: lambda: loop.step(batches(next(count)))}, partial(norms, loop.model)


def diffusers_dit(spec: RunSpec) -> nn.Module:
    """Of the size of the run's model."""
    from diffusers import DiTTransformer2DModel

    return DiTTransformer2DModel(
        num_attention_heads=spec.model.heads,
        attention_head_dim=spec.model.width // spec.model.heads,
        in_channels=spec.model.latent.channels,
        out_channels=spec.model.latent.channels,
        num_layers=spec.model.depth,
        sample_size=spec.model.latent.size,
        patch_size=spec.model.patch,
        num_embeds_ada_norm=spec.model.classes,
    )


def build_diffusers(name: str, folder: str, run: str, batch: int, device: str):
    """Its transformer and its average of the weights, in the plainest loop."""
    from diffusers.training_utils import EMAModel

    torch.backends.cuda.matmul.fp32_precision = "tf32"
    spec = spec_of(run, batch)
    model = diffusers_dit(spec).to(device)
    average, batches, count = EMAModel(model.parameters(), decay=spec.training.ema.decay), batches_of(spec, folder), iter(range(1 << 30))
    average.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=spec.training.learning_rate, weight_decay=0)

    def step() -> float:
        noisy = batches(next(count)).moved(lambda tensor: tensor.to(device)).noisy
        predicted = model(noisy.noisy, timestep=noisy.timestep, class_labels=noisy.condition.clamp(max=spec.model.classes - 1)).sample
        loss = (predicted - (noisy.noise - noisy.latents)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), spec.training.gradient_clip)
        optimizer.step()
        average.step(model.parameters())
        return loss.item()

    return {name: step}, None


def build_ceilings(device: str, precision: str):
    return ceiling_candidates(device, precision)[0], None


def check_nearness(compared: list[list[float] | None]) -> None:
    """Pairs of neighbours: ours, then the straight loop."""
    pairs = [pair for pair in zip(compared[::2], compared[1::2], strict=False) if all(pair)]
    for ours, theirs in pairs:
        apart = max(abs(a - b) / max(abs(b), 1e-3) for a, b in zip(ours, theirs, strict=True))
        print(f"after the same steps the norms of ours and the straight loop's weights differ by {apart:.1e}")
        if not apart < NEAR:
            sys.exit(f"expected less than {NEAR:g}: they do not train the same")


if __name__ == "__main__":
    main()
