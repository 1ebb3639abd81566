"""Our networks with the official weights of the formula, read the way a released checkpoint is read."""

from functools import partial

import torch
from formula import BASE, CLASSES, ENCODER_WIDTH, PROJECTOR_WIDTH, TINY, Size, digest, fill, inputs, weight
from registry import Comparison, named, official, relative
from torch import Tensor, nn

from sra.alignment.repa import RepaAlignment
from sra.alignment.sra import SraAlignment
from sra.alignment.weight_schedule import WeightSchedule
from sra.diffusion.guidance import Guided
from sra.models.blocks import sincos_positions
from sra.models.claims import Claims
from sra.models.dit import DiffusionTransformer
from sra.models.official import convert_tensors
from sra.spec.methods.repa import RepaOptions
from sra.spec.methods.sra import SraOptions
from sra.spec.run import ModelSpec, model_named
from sra.spec.samplers import Guidance
from sra.spec.scale import PAPER_SIZES, Latent, Width

# What the fixtures call a network -> the family that its checkpoints are read as.
FAMILIES = {"sra_sit": "sra", "repa_sit": "repa", "sit": "sit", "dit": "dit", "sra_dit": "sra"}
LATENT = Latent(channels=4, size=32)
GUIDANCE = Guidance(scale=4.0, channels="first_three")


def spec(size: Size, learns_variance: bool) -> ModelSpec:
    name = "DiT-B/2" if learns_variance else "SiT-B/2"
    return model_named(name, Latent(channels=4, size=size.side), CLASSES, {"B": width(size)})


def width(size: Size) -> Width:
    return Width(depth=size.depth, width=size.width, heads=size.heads)


def head(code: str, size: Size) -> nn.Module | None:
    """What training hangs on the student: SRA's head or REPA's projector, with the official weights."""
    if code.startswith("sra"):
        return fill(sra(size).head, "student", "ap_head.")
    if code == "repa_sit":
        return fill(repa(size).projector, "student", "projectors.0.")
    return None


def sra(size: Size, resolution: int = 256, **options) -> SraAlignment:
    """SRA's alignment; its head has no particular weights yet."""
    chosen = SraOptions(student_block=size.student_block, teacher_block=size.teacher_block, **options)
    return SraAlignment(chosen, size.width, WeightSchedule(chosen.weight, chosen.schedule, resolution))


def repa(size: Size, **options) -> RepaAlignment:
    """REPA's alignment; its projector has no particular weights yet."""
    chosen = RepaOptions(block=size.student_block, projector_width=PROJECTOR_WIDTH, **options)
    return RepaAlignment(chosen, size.width, ENCODER_WIDTH, WeightSchedule(chosen.weight))


def released(code: str, size: Size, role: str = "student") -> dict[str, Tensor]:
    """A state dict as that repository saves it."""
    # willisma/SiT has DiT's eight output channels too and reads four.
    with torch.device("meta"):
        shapes = DiffusionTransformer(spec(size, learns_variance=code in ("dit", "sra_dit", "sit"))).state_dict()
    saved = {name: weight(name, tuple(tensor.shape), role) for name, tensor in shapes.items()}
    saved["pos_embed"] = sincos_positions(size.width, size.side // 2)[None]
    if code.startswith("sra"):
        saved |= {f"ap_head.{name}": tensor for name, tensor in head(code, size).state_dict().items()}
    if code == "repa_sit":
        saved |= {f"projectors.0.{name}": tensor for name, tensor in head(code, size).state_dict().items()}
    if code == "sit":
        # As its files have it: what nothing reads is never trained.
        saved["final_layer.linear.bias"].view(-1, 2, 4)[:, 1] = 0
    return saved


def network(code: str, size: Size, role: str = "student") -> DiffusionTransformer:
    """Our network, from a state dict as that repository saves it."""
    saved = released(code, size, role)
    converted = convert_tensors(saved, FAMILIES[code], sizes=[("B", width(size))], claims=Claims(classes=CLASSES))
    with torch.device("meta"):
        model = DiffusionTransformer(converted.model)
    model.load_state_dict({**converted.tensors, "pos_embed": saved["pos_embed"]}, assign=True)
    return model


def denoised(code: str, size: Size, output: Tensor) -> Tensor:
    """Our output as the official code would give it: willisma/SiT predicts data - noise, we noise - data."""
    return -output if code == "sit" else output


def networks(code: str) -> dict[str, float]:
    """Both sizes, and for the two repositories that guide in the network, one guided evaluation."""
    found = named("4 blocks", outputs(code, TINY)) | named("B/2", outputs(code, BASE))
    return found | named("guided", guided(code)) if code in ("sit", "dit") else found


@torch.no_grad()
def outputs(code: str, size: Size) -> dict[str, float]:
    """Evaluation and training mode, the latter with dropped labels. Ours is handed 1 - t where the official time is t (willisma/SiT)."""
    given, model, aligned = inputs(size), network(code, size), head(code, size)
    time, found = given.steps if "dit" in code else given.times, {}
    for mode, labels in (("eval", given.labels), ("train", given.dropped)):
        output, features = model.train(mode == "train")(given.latents, time, labels, taps=(size.student_block, size.teacher_block))
        ours = {"output": denoised(code, size, output)} | {f"block {block}": tokens for block, tokens in features.items()}
        if aligned is not None:
            # SRA's official network leaves its head out in evaluation mode.
            raw = mode == "eval" and code.startswith("sra")
            ours["aligned"] = features[size.student_block] if raw else aligned(features[size.student_block])
        for what, tensor in ours.items():
            theirs = official("models", f"{code}/{size.name}/{mode}/{what}")
            found[f"{mode}, {what}"] = relative(tensor if theirs.shape == tensor.shape else digest(tensor), theirs)
    return found


@torch.no_grad()
def guided(code: str) -> dict[str, float]:
    given, model = inputs(TINY), network(code, TINY)
    time = given.steps if code == "dit" else given.times

    def denoise(x: Tensor, _: Tensor, labels: Tensor) -> Tensor:
        """Each sample at a time of its own, as no sampler of ours asks for."""
        return model(x, time.repeat(len(x) // len(time)), labels)[0]

    output = Guided(denoise, GUIDANCE, torch.tensor(CLASSES))(given.latents, time[:1], given.labels, 0.5)
    return {"output": relative(denoised(code, TINY, output), official("guidance", f"{code}/guided"))}


def counts(*codes: str) -> dict[str, float]:
    """Exact: a difference of one parameter shows."""
    found = {}
    for code in codes:
        for name, numbers in PAPER_SIZES.items():
            for what, module in modules(code, name, numbers.width).items():
                # Positions are saved with the weights; the official networks count them.
                count = sum(tensor.numel() for tensor in module.state_dict().values())
                found[f"{code}, {name}, {what}"] = relative(torch.tensor(count), official("counts", f"{code}/{name}/{what}"))
    return found


def modules(code: str, size: str, width: int) -> dict[str, nn.Module]:
    """The network of a published size and what training hangs on it, without memory."""
    with torch.device("meta"):
        found = {"network": DiffusionTransformer(model_named(f"{'DiT' if 'dit' in code else 'SiT'}-{size}/2", LATENT, CLASSES))}
        if code.startswith("sra"):
            found["head"] = SraAlignment(SraOptions(student_block=1, teacher_block=1), width, WeightSchedule(0.2))
        if code == "repa_sit":
            found["projector"] = RepaAlignment(RepaOptions(block=1), width, 768, WeightSchedule(0.5))
    return found


COMPARED = "size B/2 and a small one, evaluation and training: output, two blocks"
COMPARISONS = [
    Comparison("SiT network", "SRA", f"{COMPARED}, head", partial(networks, "sra_sit")),
    Comparison("SiT network", "REPA", f"{COMPARED}, projector", partial(networks, "repa_sit")),
    Comparison("SiT network, time and sign turned round", "SiT", f"{COMPARED}; forward_with_cfg", partial(networks, "sit")),
    Comparison("DiT network", "DiT", f"{COMPARED}; forward_with_cfg", partial(networks, "dit")),
    Comparison("DiT network", "SRA", f"{COMPARED}, head", partial(networks, "sra_dit")),
    Comparison("Parameter counts", "SRA", "SiT, DiT and the head, S to XL: equal", partial(counts, "sra_sit", "sra_dit"), tolerance=0.0),
    Comparison("Parameter counts", "REPA", "SiT and the projector, S to XL: equal", partial(counts, "repa_sit"), tolerance=0.0),
    Comparison("Parameter counts", "DiT", "DiT, S to XL: equal", partial(counts, "dit"), tolerance=0.0),
]
