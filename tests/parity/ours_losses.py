"""Our losses, weights of the alignment and gradients on the formula's batch."""

from collections.abc import Iterable

import torch
from formula import TINY, digests, inputs
from ours_models import head, network, repa, sra
from registry import Comparison, official, relative, relative_by_part
from torch import Tensor, nn

from sra.alignment.base import StudentPass
from sra.alignment.sra import SraAlignment
from sra.diffusion.batch import NoisyBatch
from sra.diffusion.ddpm import Ddpm
from sra.diffusion.flow import Flow
from sra.encoders.targets import Targets

GIVEN = inputs(TINY)
STEPS_PER_EPOCH = 1_281_167 // 256  # ImageNet in the released batches, the last one dropped
DISTANCES = ("smooth_l1", "l1", "l2", "cosine", "cosine_over_tokens_official")


def flow_batch() -> NoisyBatch:
    return NoisyBatch(GIVEN.latents, GIVEN.noise, GIVEN.times, GIVEN.dropped, Flow())


def ddpm_batch(steps: Tensor = GIVEN.steps) -> NoisyBatch:
    return NoisyBatch(GIVEN.latents, GIVEN.noise, steps, GIVEN.dropped, Ddpm())


def with_head(alignment: SraAlignment) -> SraAlignment:
    alignment.head = head("sra_sit", TINY)
    return alignment


def sit() -> dict[str, float]:
    batch, model = flow_batch(), network("sit", TINY)
    loss = batch.process.loss(model(batch.noisy, batch.timestep, batch.condition)[0], batch)
    return {"velocity": relative(loss, official("losses", "sit/velocity"))}


def sit_sra() -> dict[str, float]:
    batch, student, teacher = flow_batch(), network("sra_sit", TINY), network("sra_sit", TINY, "teacher")
    output, features = student(batch.noisy, batch.timestep, batch.condition, taps=(TINY.student_block,))
    generation, found = batch.process.loss(output, batch), {}
    found["velocity"] = relative(generation, official("losses", "sra_sit/velocity"))
    for distance in DISTANCES:
        alignment = with_head(sra(TINY, distance=distance))
        loss = alignment.loss(StudentPass(batch, features, output, teacher, {"interval": GIVEN.draw}))
        found[distance] = relative(loss, official("losses", f"sra_sit/{distance}"))
        if distance == "smooth_l1":
            (generation.mean() + alignment.weight(0) * loss).backward(retain_graph=True)
            found["gradients"] = gradients("sra_sit", (student, ""), (alignment.head, "ap_head."))
    return found


def dit_sra() -> dict[str, float]:
    batch, student, teacher = ddpm_batch(), network("sra_dit", TINY), network("sra_dit", TINY, "teacher")
    output, features = student(batch.noisy, batch.timestep, batch.condition, taps=(TINY.student_block,))
    generation, found = batch.process.loss(output, batch), {}
    found["hybrid loss"] = relative(generation, official("losses", "sra_dit/loss"))
    for floor in (0, 1):
        alignment = with_head(sra(TINY, teacher_time_floor=floor, weight=0.04))
        loss = alignment.loss(StudentPass(batch, features, output, teacher, {"interval": GIVEN.draw}))
        found[f"smooth l1, teacher time from {floor}"] = relative(loss, official("losses", f"sra_dit/floor {floor}"))
    (generation.mean() + alignment.weight(0) * loss).backward()
    found["gradients"] = gradients("sra_dit", (student, ""), (alignment.head, "ap_head."))
    return found


def repa_projection() -> dict[str, float]:
    batch, student, alignment = flow_batch(), network("repa_sit", TINY), repa(TINY)
    alignment.projector = head("repa_sit", TINY)
    output, features = student(batch.noisy, batch.timestep, batch.condition, taps=alignment.taps)
    loss = alignment.loss(StudentPass(batch, features, output, None, {}, Targets(GIVEN.features)))
    generation = batch.process.loss(output, batch)
    (generation.mean() + alignment.weight(0) * loss).backward()
    return {
        "velocity": relative(generation, official("losses", "repa/velocity")),
        "projection loss": relative(loss, official("losses", "repa/projection")),
        "gradients": gradients("repa", (student, ""), (alignment.projector, "projectors.0.")),
    }


def dit() -> dict[str, float]:
    found = {}
    for name, steps in (("", GIVEN.steps), (" at step 0", torch.zeros_like(GIVEN.steps))):
        batch, model = ddpm_batch(steps), network("dit", TINY)
        output = model(batch.noisy, batch.timestep, batch.condition)[0]
        loss, bound = batch.process.loss(output, batch), batch.process.bound(*output.chunk(2, dim=1), batch)
        found[f"hybrid loss{name}"] = relative(loss, official("losses", f"dit/loss{name}"))
        found[f"bound{name}"] = relative(bound, official("losses", f"dit/vb{name}"))
        found[f"noise error{name}"] = relative(loss - bound, official("losses", f"dit/mse{name}"))
        loss.mean().backward()
        found[f"gradients{name}"] = gradients(f"dit{name}", (model, ""))
    return found


def weights() -> dict[str, float]:
    """At the first and the last step of each epoch. `constant`, the paper's, is what the code does until its decay begins."""
    epochs, found = official("losses", "epochs").tolist(), {}
    for family, weight in (("sit", 0.2), ("dit", 0.04)):
        for size, last_full in ((256, 149), (512, 99)):
            theirs = official("losses", f"weight/{family}/{size}")
            decaying = sra(TINY, resolution=size, weight=weight, schedule="official_decay")
            constant = sra(TINY, resolution=size, weight=weight)
            for place in (0, STEPS_PER_EPOCH - 1):
                ours = [decaying.weight(epoch * STEPS_PER_EPOCH + place) for epoch in epochs]
                found[f"{family} at {size} px, step {place} of an epoch"] = relative(torch.tensor(ours, dtype=torch.float64), theirs)
            full = [index for index, epoch in enumerate(epochs) if epoch <= last_full]
            unchanged = torch.tensor([constant.weight(epochs[index] * STEPS_PER_EPOCH) for index in full], dtype=torch.float64)
            found[f"{family} at {size} px, constant"] = relative(unchanged, theirs[full])
    return found


def gradients(code: str, *modules: tuple[nn.Module, str]) -> float:
    """Against the official gradients, parameter by parameter; each module comes with what precedes its names in the official code."""
    return relative_by_part(digests(_named_gradients(modules)), official("losses", f"{code}/gradients"))


def _named_gradients(modules: Iterable[tuple[nn.Module, str]]) -> Iterable[tuple[str, Tensor]]:
    return ((prefix + name, parameter.grad) for module, prefix in modules for name, parameter in module.named_parameters())


# At step 0 the likelihood is the logarithm of a difference of two nearly equal numbers; its gradient shows how a machine rounds tanh.
BINNED = 3e-5
COMPARISONS = [
    Comparison("SiT loss", "SiT", "velocity error of each sample", sit),
    Comparison("SiT loss, SRA alignment", "SRA", "velocity error of each sample, five distances, gradients of the total", sit_sra),
    Comparison("SiT loss, REPA alignment", "REPA", "velocity error of each sample, projection loss, gradients of the total", repa_projection),
    Comparison("DiT loss", "DiT", "noise error, bound and their sum, gradients; steps 0 to 999", dit, BINNED),
    Comparison("DiT loss, SRA alignment", "SRA", "hybrid loss, teacher time from 0 and from 1, gradients of the total", dit_sra, BINNED),
    Comparison("Weight of SRA's alignment", "SRA", "SiT and DiT at 256 and 512 px, epochs 0 to 799", weights),
]
