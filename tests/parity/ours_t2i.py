"""Our MMDiT with the official weights of the formula, its losses and gradients."""

import torch
from formula import ENCODER_WIDTH, PROJECTOR_WIDTH, TEXT_TOKENS, TEXT_WIDTH, TINY_T2I, WIDE_T2I, Size, digest, digests, fill, inputs, texts, weight
from registry import Comparison, named, official, relative, relative_by_part

from sra.alignment.base import StudentPass
from sra.alignment.repa import RepaAlignment
from sra.alignment.weight_schedule import WeightSchedule
from sra.diffusion.batch import NoisyBatch
from sra.diffusion.flow import Flow
from sra.encoders.targets import Targets
from sra.models.blocks import sincos_positions
from sra.models.mmdit import MultimodalDiffusionTransformer
from sra.spec.methods.repa import RepaOptions
from sra.spec.run import ModelSpec
from sra.spec.scale import Latent, Text

# The published size: Yu et al. 2024, and train_t2i.py, which leaves the class at its defaults.
PUBLISHED = Size("published", depth=24, width=768, heads=24, side=32, student_block=8, teacher_block=18, batch=1)
TEXT = Text(tokens=TEXT_TOKENS, width=TEXT_WIDTH)
RENAMED = {"blocks.": "joint_blocks.", ".text.": ".context_block.", ".image.": ".x_block.", "text_embedder.": "context_embedder."}


def official_name(name: str) -> str:
    """Of a parameter of ours, in REPA/models/mmdit.py."""
    for ours, theirs in RENAMED.items():
        name = name.replace(ours, theirs)
    return name


def unfilled(size: Size) -> MultimodalDiffusionTransformer:
    numbers = {"depth": size.depth, "width": size.width, "heads": size.heads, "patch": 2, "classes": None, "learns_variance": False}
    with torch.device("meta"):
        return MultimodalDiffusionTransformer(ModelSpec(name="MMDiT/2", latent=Latent(channels=4, size=size.side), text=TEXT, **numbers))


def network(size: Size) -> MultimodalDiffusionTransformer:
    model = unfilled(size)
    weights = {name: weight(official_name(name), tuple(tensor.shape), "student") for name, tensor in model.named_parameters()}
    model.load_state_dict({**weights, "pos_embed": sincos_positions(size.width, size.side // 2)[None]}, assign=True)
    return model.requires_grad_()


def alignment(size: Size) -> RepaAlignment:
    found = RepaAlignment(RepaOptions(block=size.student_block, projector_width=PROJECTOR_WIDTH), size.width, ENCODER_WIDTH, WeightSchedule(0.5))
    fill(found.projector, "student", "projectors.0.")
    return found


def networks() -> dict[str, float]:
    return named("4 blocks", outputs(TINY_T2I)) | named("published width", outputs(WIDE_T2I))


@torch.no_grad()
def outputs(size: Size) -> dict[str, float]:
    """Evaluation and training mode, the latter with dropped captions."""
    model, given, repa, found = network(size), inputs(size), alignment(size), {}
    for mode, text in zip(("eval", "train"), texts(size), strict=True):
        output, features = model.train(mode == "train")(given.latents, given.times, text, taps=(size.student_block, size.teacher_block))
        ours = {"output": output, "aligned": repa.projector(features[size.student_block])}
        ours |= {f"block {block}": tokens for block, tokens in features.items()}
        found |= {f"{mode}, {what}": relative(digest(tensor), official("t2i", f"{size.name}/{mode}/{what}")) for what, tensor in ours.items()}
    return found


def losses() -> dict[str, float]:
    return named("4 blocks", training(TINY_T2I)) | named("published width", training(WIDE_T2I))


def training(size: Size) -> dict[str, float]:
    """Keys' biases count here: between text and image their difference moves attention."""
    model, given, repa = network(size), inputs(size), alignment(size)
    batch = NoisyBatch(given.latents, given.noise, given.times, texts(size)[1], Flow())
    output, features = model(batch.noisy, batch.timestep, batch.condition, taps=repa.taps)
    velocity, projection = batch.process.loss(output, batch), repa.loss(StudentPass(batch, features, output, model, {}, Targets(given.features)))
    (velocity.mean() + repa.weight(0) * projection).backward()
    gradients = [(official_name(name), parameter.grad) for name, parameter in model.named_parameters()]
    gradients += [(f"projectors.0.{name}", parameter.grad) for name, parameter in repa.projector.named_parameters()]
    return {
        "velocity": relative(velocity, official("t2i", f"{size.name}/velocity")),
        "projection loss": relative(projection, official("t2i", f"{size.name}/projection")),
        "gradients": relative_by_part(digests(gradients), official("t2i", f"{size.name}/gradients")),
    }


def counts() -> dict[str, float]:
    """Exact: a difference of one parameter shows."""
    with torch.device("meta"):
        modules = {"network": unfilled(PUBLISHED), "projector": RepaAlignment(RepaOptions(block=8), PUBLISHED.width, 768, WeightSchedule(0.5))}
    found = {what: sum(parameter.numel() for parameter in module.parameters()) for what, module in modules.items()}
    return {what: relative(torch.tensor(count), official("t2i", f"count/{what}")) for what, count in found.items()}


COMPARED = "3 blocks of width 768 and a small one, evaluation and training: output, image after two blocks, projector"
COMPARISONS = [
    Comparison("MMDiT network", "REPA", COMPARED, networks),
    Comparison("MMDiT loss, REPA alignment", "REPA", "velocity error of each sample, projection loss, gradients of the total", losses),
    Comparison("Parameter counts", "REPA", "MMDiT of 24 blocks and its projector: equal", counts, tolerance=0.0),
]
