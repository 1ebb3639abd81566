"""How samples are drawn (`config/samplers.yaml`): one class for each kind of sampler, with its own limits and the process that it belongs to."""

from typing import Annotated, ClassVar, Literal, Union

from pydantic import AfterValidator, Field, model_validator

from sra.core.errors import InputError
from sra.spec.base import Jobs, Share, Steps, Strict
from sra.spec.recipe import DdpmProcess, FlowProcess
from sra.spec.scale import CLASSES_OF_IMAGENET

ProcessKind = Literal["flow", "ddpm"]

USUAL_LAST_STEP = 0.04  # released samplers.py
MODELS: dict[ProcessKind, str] = {"flow": "a flow model (SiT, MMDiT)", "ddpm": "a DiT model"}


class Guidance(Strict):
    """Classifier-free guidance: out = uncond + scale (cond - uncond) for times inside the interval; scale 1 is none."""

    scale: Annotated[float, Field(gt=0)] = 1.0
    interval: tuple[Share, Share] = (0.0, 1.0)
    # first_three: DiT's and SiT's samplers guide three of the four latent channels; SRA and REPA guide all.
    channels: Literal["all", "first_three"] = "all"
    # Of a model with an extra token (REG): guided like the image, or as the condition alone gives it, the released cls_scale 0.
    summary: Literal["guided", "conditional"] = Field("guided", exclude_if=lambda rule: rule == "guided")

    @model_validator(mode="after")
    def _interval_has_its_ends_in_order(self):
        if self.interval[0] > self.interval[1]:
            raise ValueError(f"interval {list(self.interval)} ends before it begins, so nothing would be guided; give [low, high]")
        return self


class OfficialSeeding(Strict):
    """Random numbers in the order of the released generate.py and sample_ddp.py: one stream a process, images dealt out to the processes.

    Repeats a published protocol draw for draw, on the device it was published from; which images come out then depends on both numbers.
    """

    processes: Jobs = Field(8, description="GPUs of the released command; as many shards are drawn")
    batch: Annotated[int, Field(gt=0)] = Field(64, description="images at a time in one process, --per-proc-batch-size")


def _of_an_sde_alone(last_step: float) -> float:
    if last_step != USUAL_LAST_STEP:
        raise ValueError("last_step is an option of kind sde; leave it out")
    return last_step


class SamplerOptions(Strict):
    """What every kind of sampler has. process: whose models it draws from."""

    process: ClassVar[ProcessKind]

    kind: str
    evaluations: Steps
    # Every record of a sample names it, whatever its kind.
    last_step: Annotated[float, AfterValidator(_of_an_sde_alone)] = USUAL_LAST_STEP
    guidance: Guidance = Guidance()
    labels: Literal["random", "balanced"] = "random"  # the papers draw classes uniformly at random
    # Draws these classes of ImageNet alone, for pictures of them; None draws all. What is drawn so is not scored.
    classes: list[Annotated[int, Field(ge=0, lt=CLASSES_OF_IMAGENET)]] | None = Field(None, min_length=1)
    # Of text to image: in_order is one random caption of each validation image in turn (REPA), random any caption of the split (U-ViT).
    captions: Literal["in_order", "random"] = "in_order"
    # corrected: contrastive flow matching learns (E[u] - weight mean u) / (1 - weight), and this takes the shift out at every time.
    velocity: Literal["raw", "corrected"] = Field("raw", exclude_if=lambda rule: rule == "raw")
    uint8: Literal["floor", "round"] = "floor"  # SRA and REPA truncate 255 (x + 1) / 2; DiT and SiT round
    seed: int = 0
    official_seeding: OfficialSeeding | None = None  # None: an image is a function of (seed, index), whatever the shards and batches

    @model_validator(mode="after")
    def _officially_drawn_labels_are_random(self):
        if self.official_seeding and (self.labels != "random" or self.classes):
            raise ValueError("official_seeding draws random labels of all classes; leave out labels and classes, or official_seeding")
        return self


class SdeSampler(SamplerOptions):
    """Euler-Maruyama of the reverse SDE with diffusion 2 sigma_t = 2t (the papers print w_t = sigma_t and count the factor in the equation).

    last_step: size of the final step, taken without noise. At 0 the score is infinite.
    """

    process = "flow"

    kind: Literal["sde"] = "sde"
    last_step: Annotated[float, Field(gt=0, le=1)] = USUAL_LAST_STEP


class EulerSampler(SamplerOptions):
    """The probability flow ODE, first order: one evaluation a step."""

    process = "flow"

    kind: Literal["ode_euler"] = "ode_euler"


class HeunSampler(SamplerOptions):
    """The probability flow ODE, second order: two evaluations a step, one in the last."""

    process = "flow"

    kind: Literal["ode_heun"] = "ode_heun"


class DdpmSampler(SamplerOptions):
    """Ancestral sampling on a respaced chain, which keeps both of its ends: two steps at least, and no more than the chain has."""

    process = "ddpm"

    kind: Literal["ddpm"] = "ddpm"
    evaluations: Annotated[Steps, Field(ge=2)]


SAMPLERS: tuple[type[SamplerOptions], ...] = (SdeSampler, EulerSampler, HeunSampler, DdpmSampler)
SAMPLER_OF = {options.model_fields["kind"].default: options for options in SAMPLERS}
Sampler = Annotated[Union[SAMPLERS], Field(discriminator="kind")]  # noqa: UP007 - built from the list above


class Samplers(Strict):
    samplers: dict[str, Sampler]


def refuse_unfit(sampler: Sampler, process: FlowProcess | DdpmProcess) -> None:
    """Raises InputError for a sampler that cannot draw from models of this process. The planner and the sampling stage ask the same."""
    if sampler.process != process.kind:
        fitting = " or ".join(kind for kind, options in SAMPLER_OF.items() if options.process == process.kind)
        raise InputError(f"sampler kind {sampler.kind} does not fit {MODELS[process.kind]}; choose one of kind {fitting}")
    if isinstance(process, DdpmProcess) and sampler.evaluations > process.timesteps:
        raise InputError(f"sampler: {sampler.evaluations} evaluations of a chain of {process.timesteps} steps; a ddpm sampler takes 2 to that many")
