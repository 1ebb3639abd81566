"""Our relatives of SRA, each in one step of the trainer's own objective, on the formula's batch."""

from collections.abc import Iterable

import torch
from formula import CLASSES, ENCODER_WIDTH, TINY, digests, fill, inputs, summaries, two_times, weight
from ours_models import FAMILIES, LATENT, network, released, repa, spec, width
from registry import Comparison, named, official, relative, relative_by_part
from torch import Tensor, nn
from torch.func import functional_call

from sra.alignment.base import Alignment
from sra.alignment.contrastive import ContrastiveAlignment
from sra.alignment.dispersive import DispersiveAlignment
from sra.alignment.layersync import LayerSyncAlignment
from sra.alignment.repa import RepaAlignment
from sra.alignment.summary import SummaryAlignment
from sra.alignment.two_times import TwoTimesAlignment
from sra.alignment.weight_schedule import WeightSchedule
from sra.diffusion.batch import NoisyBatch
from sra.diffusion.flow import Flow
from sra.encoders.targets import Targets
from sra.models.blocks import sincos_positions
from sra.models.claims import Claims
from sra.models.dit import DiffusionTransformer
from sra.models.official import convert_tensors
from sra.spec.methods.contrastive import ContrastiveOptions
from sra.spec.methods.dispersive import DispersiveOptions
from sra.spec.methods.layersync import LayerSyncOptions
from sra.spec.methods.repa import IrepaOptions
from sra.spec.methods.summary import SummaryOptions
from sra.spec.methods.two_times import DualTimesOptions
from sra.spec.run import model_named
from sra.spec.scale import PAPER_SIZES
from sra.training.batches import TrainingBatch
from sra.training.objective import Objective

GIVEN = inputs(TINY)
BLOCKS = {"student_block": TINY.student_block, "teacher_block": TINY.teacher_block}
Named = Iterable[tuple[str, Tensor]]


def noisy(number: int = 0) -> NoisyBatch:
    given = inputs(TINY, number)
    return NoisyBatch(given.latents, given.noise, given.times, given.dropped, Flow(), undropped=given.labels)


def stepped(objective: Objective, batch: TrainingBatch, teacher: nn.Module | None = None) -> dict[str, Tensor]:
    """The unweighted losses of one step, by name; the gradients of what they add up to are then in the parameters."""
    total, losses = objective(batch, weights(objective), teacher)
    total.backward()
    return losses


def weights(objective: Objective) -> dict[str, float]:
    return {name: alignment.weight(0) for name, alignment in objective.alignments.items()}


def objective_of(model: nn.Module, **alignments: Alignment) -> Objective:
    return Objective(Flow(), model, nn.ModuleDict(alignments))


def schedule(options: LayerSyncOptions | DispersiveOptions | IrepaOptions | ContrastiveOptions | DualTimesOptions) -> WeightSchedule:
    return WeightSchedule(options.weight)


def gradients(code: str, *parts: Named) -> float:
    """Against the official gradients, parameter by parameter."""
    return relative_by_part(digests(pair for part in parts for pair in part), official("relatives", f"{code}/gradients"))


def gradients_of(module: nn.Module, prefix: str = "") -> Named:
    """prefix: what the official names have before ours."""
    return [(prefix + name, parameter.grad) for name, parameter in module.named_parameters()]


def mean_of(key: str) -> Tensor:
    return official("relatives", key).mean()


def backward_in_time(batch: TrainingBatch, alignment: Alignment) -> tuple[dict[str, Tensor], Named]:
    """A step from weights as willisma/SiT's relatives save them, and its gradients by those: through what turns their time round."""
    saved = released("sit", TINY)
    leaves = {name: tensor.requires_grad_() for name, tensor in saved.items() if name != "pos_embed"}
    converted = convert_tensors(saved, FAMILIES["sit"], sizes=[("B", width(TINY))], claims=Claims(classes=CLASSES))
    objective = objective_of(DiffusionTransformer(converted.model), alignment=alignment)
    ours = {f"model.{name}": tensor for name, tensor in converted.tensors.items()}
    total, losses = functional_call(objective, ours, (batch, weights(objective), None))
    total.backward()
    return losses, [(name, leaf.grad) for name, leaf in leaves.items()]


def layersync() -> dict[str, float]:
    """Theirs is minus the cosine, ours 1 less it."""

    def run(student: int, target: int) -> tuple[dict[str, Tensor], Named]:
        options = LayerSyncOptions(student_block=student, target_block=target)
        return backward_in_time(TrainingBatch(noisy(), {}), LayerSyncAlignment(options, schedule(options)))

    (losses, found), (of_last_pair, _) = run(TINY.student_block, TINY.teacher_block), run(2, 4)
    return {
        "velocity": relative(losses["generation"], mean_of("layersync/velocity")),
        "alignment": relative(losses["alignment"] - 1, official("relatives", "layersync/alignment")),
        "last of two pairs": relative(of_last_pair["alignment"] - 1, official("relatives", "layersync/last of two pairs")),
        "gradients": gradients("layersync", found),
    }


def dispersive() -> dict[str, float]:
    """Their two devices are two groups of our batch."""
    halves = [noisy(device) for device in range(2)]
    whole = NoisyBatch(*(torch.cat([getattr(half, name) for half in halves]) for name in ("latents", "noise", "timestep", "condition")), Flow())
    forms = {
        "torch": DispersiveOptions(block=TINY.depth, weight=0.25, temperature=1, group=TINY.batch),
        "jax": DispersiveOptions(block=1, group=TINY.batch),
    }
    found = {}
    for form, options in forms.items():
        losses, slopes = backward_in_time(TrainingBatch(whole, {}), DispersiveAlignment(options, schedule(options)))
        total = losses["generation"] + options.weight * losses["alignment"]
        found[f"{form}, total"] = relative(total, mean_of(f"dispersive/{form}/loss"))
        found[f"{form}, gradients"] = gradients(f"dispersive/{form}", slopes)
    return found


def irepa() -> dict[str, float]:
    return named("3 x 3", convolved(3)) | named("1 x 1", convolved(1))


def convolved(kernel: int) -> dict[str, float]:
    """Losses as 1 less the cosine, since cosines of what has nothing to do with each other are near 0."""
    found, targets = {}, Targets(GIVEN.features)
    for share in (1.0, 0.6):
        options = IrepaOptions(block=TINY.student_block, kernel=kernel, mean_share=share)
        alignment, model = RepaAlignment(options, TINY.width, ENCODER_WIDTH, schedule(options)), network("repa_sit", TINY)
        fill(alignment.projector.conv, "student", "projectors.0.projection_layer.")
        losses = stepped(objective_of(model, irepa=alignment), TrainingBatch(noisy(), {}, targets))
        found[f"share {share}"] = relative(1 + losses["irepa"], 1 + official("relatives", f"irepa/{kernel}/projection, share {share}"))
    found["velocity"] = relative(losses["generation"], mean_of(f"irepa/{kernel}/velocity"))
    slopes = gradients_of(model), gradients_of(alignment.projector.conv, "projectors.0.projection_layer.")
    return found | {"gradients": gradients(f"irepa/{kernel}", *slopes)}


def contrastive() -> dict[str, float]:
    forms = {"any": {}, "any, classes alone": {"contrast_null": False}, "other_class": {"negatives": "other_class"}}
    found = {}
    for form, changes in forms.items():
        options = ContrastiveOptions(group=TINY.batch, **changes)
        model, alignment = network("repa_sit", TINY), ContrastiveAlignment(options, schedule(options), CLASSES)
        losses = stepped(objective_of(model, contrastive=alignment), TrainingBatch(noisy(), {"negative": GIVEN.draw}))
        found[f"{form}, velocity"] = relative(losses["generation"], mean_of(f"contrastive/{form}/velocity"))
        found[f"{form}, negative"] = relative(-losses["contrastive"], official("relatives", f"contrastive/{form}/negative"))
        found[f"{form}, gradients"] = gradients(f"contrastive/{form}", gradients_of(model))
    return found


# Case of `official_relatives.py` -> what differs from our defaults, which are those of the released command but for the axis of the cosine.
DUAL_TIMES = {
    "released": {"cosine_axis": "tokens_official"},
    "channels": {},
    "defaults": {"ratio": 0.5, "separation": "none", "teacher_times": "minimum", "cosine_axis": "tokens_official"},
    "student separated": {"separation": "student", "teacher_times": "minimum", "cosine_axis": "tokens_official"},
    "same times": {"teacher_times": "same", "cosine_axis": "tokens_official"},
    "one time": {"times": "one", "cosine_axis": "tokens_official"},
    "one group": {"times": "one", "separation": "none", "cosine_axis": "tokens_official"},
    "uneven": {"ratio": 0.3, "cosine_axis": "tokens_official"},
}
WITH_GRADIENTS = ("released", "channels", "defaults")


def dual_times() -> dict[str, float]:
    drawn, found = two_times(TINY), {}
    draws = {"groups": drawn.groups, "second_time": drawn.second, "intervals": drawn.intervals}
    for case, changes in DUAL_TIMES.items():
        student, teacher = network("sra_sit", TINY), network("sra_sit", TINY, "teacher")
        options = DualTimesOptions(**BLOCKS, **changes)
        alignment = TwoTimesAlignment(options, student.spec, schedule(options))
        fill(alignment.head, "student", "ap_head.")
        losses = stepped(objective_of(student, dts_as=alignment), TrainingBatch(noisy(), draws), teacher)
        found[f"{case}, velocity"] = relative(losses["generation"], mean_of(f"dual_times/{case}/velocity"))
        found[f"{case}, alignment"] = relative(losses["dts_as"], official("relatives", f"dual_times/{case}/alignment"))
        if case in WITH_GRADIENTS:
            found[f"{case}, gradients"] = gradients(f"dual_times/{case}", gradients_of(student), gradients_of(alignment.head, "ap_head."))
    return found


RENAMED = {"summary.into.": "cls_projectors2.", "summary.norm.": "wg_norm.", "summary.out.": "final_layer.linear_cls."}


def reg_name(name: str) -> str:
    """Of a parameter of ours, in REG/models/sit.py."""
    for ours, theirs in RENAMED.items():
        name = name.replace(ours, theirs)
    return name


def reg_network() -> DiffusionTransformer:
    with torch.device("meta"):
        model = DiffusionTransformer(spec(TINY, learns_variance=False).model_copy(update={"summary_width": ENCODER_WIDTH}))
    filled = {name: weight(reg_name(name), tuple(tensor.shape), "student") for name, tensor in model.named_parameters()}
    model.load_state_dict({**filled, "pos_embed": sincos_positions(TINY.width, TINY.side // 2)[None]}, assign=True)
    return model.requires_grad_()


def reg() -> dict[str, float]:
    model, (summary, noise) = reg_network(), summaries(TINY)
    with torch.no_grad():
        seen = model.run(GIVEN.latents, GIVEN.times, GIVEN.labels, summary=summary)
    projection = repa(TINY, align_summary=True)
    fill(projection.projector, "student", "projectors.0.")
    of_summary = SummaryAlignment(SummaryOptions(width=ENCODER_WIDTH), ENCODER_WIDTH, WeightSchedule(SummaryOptions().weight))
    batch = TrainingBatch(noisy(), {"summary_noise": noise}, Targets(GIVEN.features, summary))
    losses = stepped(objective_of(model, repa=projection, summary=of_summary), batch)
    slopes = [(reg_name(name), gradient) for name, gradient in gradients_of(model)], gradients_of(projection.projector, "projectors.0.")
    return {
        "output": relative(seen.output, official("relatives", "reg/output")),
        "summary": relative(seen.summary, official("relatives", "reg/summary")),
        "velocity": relative(losses["generation"], mean_of("reg/velocity")),
        # Near 0, like iREPA's.
        "projection loss": relative(1 + losses["repa"], 1 + official("relatives", "reg/projection")),
        "summary loss": relative(losses["summary"], official("relatives", "reg/summary loss")),
        "gradients": gradients("reg", *slopes),
    }


def reg_counts() -> dict[str, float]:
    """Exact: a difference of one parameter shows."""
    found = {}
    for name in PAPER_SIZES:
        with torch.device("meta"):
            model = DiffusionTransformer(model_named(f"SiT-{name}/2", LATENT, CLASSES).model_copy(update={"summary_width": 768}))
        # The official network keeps a position of zeros for its extra token.
        count = sum(tensor.numel() for tensor in model.state_dict().values()) + model.spec.width
        found[name] = relative(torch.tensor(count), official("relatives", f"reg/{name}/network"))
    return found


TOTAL = "gradients of the total"
COMPARISONS = [
    Comparison("LayerSync", "LayerSync", f"velocity error, alignment of a pair and of the last of two, {TOTAL}", layersync),
    Comparison("Dispersive loss", "DispLoss", f"PyTorch's and JAX's settings, two devices: total, {TOTAL}", dispersive),
    Comparison("iREPA", "iREPA", f"convolutions of 3 × 3 and 1 × 1: velocity error, projection loss with mean × 1 and × 0.6, {TOTAL}", irepa),
    Comparison("Contrastive flow matching", "DeltaFM", f"any negative, none of dropped classes, other classes: both errors, {TOTAL}", contrastive),
    Comparison("DTS + AS", "SRA", f"eight sets of options: velocity error, alignment; of three, {TOTAL}", dual_times),
    Comparison("REG", "REG", f"both outputs, velocity error, projection loss, error of the summary, {TOTAL}", reg),
    Comparison("Parameter counts", "REG", "SiT with the extra token, S to XL: equal", reg_counts, tolerance=0.0),
]
