"""The method side: what an experiment may vary and a preset may not. Every default is the paper's (arXiv 2505.02831v5), source beside it."""

from typing import Annotated, Any, ClassVar, Literal, Self, Union

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, create_model, model_validator

from sra.spec.base import Layers, Share, Steps, Strict
from sra.spec.scale import USUAL_RESOLUTION, Carrier, Resolution


class FlowProcess(Strict):
    """SiT: x_t = (1 - t) x + t noise, t in [0, 1] (0 is data), the network predicts the velocity noise - x.

    Source: SRA released code, SiT-SRA/loss.py. willisma/SiT runs time the other way.
    """

    kind: Literal["flow"] = "flow"


class DdpmProcess(Strict):
    """DiT: 1000 steps, linear betas 1e-4 to 0.02, the network predicts noise and an interpolation of log variances.

    Loss = noise MSE + variational bound of the variance alone. Source: DiT, diffusion/gaussian_diffusion.py; Nichol & Dhariwal 2021.
    """

    kind: Literal["ddpm"] = "ddpm"
    timesteps: Annotated[Steps, Field(gt=20)] = 1000  # of fewer the last beta, which grows as they fall, would be 1 or more


Process = Annotated[FlowProcess | DdpmProcess, Field(discriminator="kind")]


class MethodOptions(Strict):
    """Base of an alignment method's options: one class for each `method`, listed in METHODS."""

    @property
    def parts(self) -> "tuple[MethodOptions, ...]":
        """The alignments that train together; the method itself unless it is made of others."""
        return (self,)

    @property
    def words(self) -> str:
        """The method in one line, for people."""
        return " and ".join(part.words for part in self.parts)

    def carried(self, to: Carrier) -> Self:
        """The same method in a model of another size. Raises ValueError for a block that the paper's model has not."""
        return self


class BaselineOptions(MethodOptions):
    """The baseline: generation loss alone."""

    method: Literal["none"] = "none"

    @property
    def parts(self) -> tuple[MethodOptions, ...]:
        return ()

    @property
    def words(self) -> str:
        return "baseline: generation loss alone"


class SraOptions(MethodOptions):
    """Self-representation alignment, section 3.2 and Table 5. Blocks count from 1."""

    method: Literal["sra"] = "sra"
    student_block: PositiveInt | None = Field(None, description="None only in a run of released weights whose size has no block in the paper")
    teacher_block: PositiveInt | None = Field(None, description="likewise")
    # k ~ U[0, max_interval) or k = max_interval for every sample, as a share of the time range (Table 1, "time interval").
    interval: Literal["uniform", "fixed"] = "uniform"
    max_interval: Share = 0.2
    weight: NonNegativeFloat = 0.2
    # official_decay: released code lets the weight fall tenfold per 1000 epochs after epoch 149 (256 px), per 800 after 99 (512 px).
    schedule: Literal["constant", "official_decay"] = "constant"
    # cosine_over_tokens_official: the released `F.cosine_similarity` without dim compares along the token axis.
    distance: Literal["smooth_l1", "cosine", "cosine_over_tokens_official", "l1", "l2"] = "smooth_l1"
    beta: PositiveFloat = 0.05  # of smooth l1; released code, SiT-SRA/loss.py
    head: Literal["mlp", "none"] = "mlp"
    # Lowest teacher time on the DDPM grid: the paper truncates to 0, the released DiT-SRA/train.py to 1.
    teacher_time_floor: Literal[0, 1] = 0

    @model_validator(mode="after")
    def _student_is_not_deeper(self):
        if (self.student_block is None) != (self.teacher_block is None):
            raise ValueError("student_block and teacher_block go together; give both")
        if self.student_block is not None and self.student_block > self.teacher_block:
            raise ValueError(f"student_block {self.student_block} is deeper than teacher_block {self.teacher_block}; the paper needs m <= n")
        return self

    @property
    def words(self) -> str:
        interval = f"k ~ U[0, {self.max_interval:g})" if self.interval == "uniform" else f"k = {self.max_interval:g}"
        head = "with head" if self.head == "mlp" else "without head"
        blocks = "blocks not said" if self.student_block is None else f"blocks {self.student_block} → {self.teacher_block}"
        return f"SRA: {blocks}, {interval}, λ {self.weight:g}, {self.distance}, {head}"

    def carried(self, to: Carrier) -> Self:
        blocks = {name: getattr(self, name) for name in ("student_block", "teacher_block")}
        return self.model_copy(update={name: block and to.block(block) for name, block in blocks.items()})


class RepaOptions(MethodOptions):
    """Alignment with an external encoder's patch tokens (REPA, arXiv 2410.06940, section 3.2 and Table 6)."""

    method: Literal["repa"] = "repa"
    block: PositiveInt | None = Field(None, description="None only in a run of released weights whose size has no block in the paper")
    encoder: str = Field("dinov2b", description="an encoder of weights.tsv, or timm/NAME for any vision transformer of timm")
    weight: NonNegativeFloat = 0.5
    # nt_xent: REPA's Table 6 names it for L without defining the negatives; ours are the other patches of the same image.
    objective: Literal["cosine", "nt_xent"] = "cosine"
    temperature: PositiveFloat = 0.1  # of nt_xent; ours, SimCLR's best value (arXiv 2002.05709, Table 5)
    projector_width: PositiveInt = 2048
    projector_layers: Layers = 3
    stop_step: PositiveInt | None = Field(None, description="step of the paper's scale from which the weight is 0; never by default")

    @property
    def words(self) -> str:
        stop = f", until step {self.stop_step} of the paper" if self.stop_step else ""
        objective = "" if self.objective == "cosine" else f", {self.objective}"
        block = "block not said" if self.block is None else f"block {self.block}"
        return f"REPA: {block}, encoder {self.encoder}, λ {self.weight:g}{objective}{stop}"

    def carried(self, to: Carrier) -> Self:
        changes = {
            "block": self.block and to.block(self.block),
            "encoder": to.encoder(self.encoder),
            "projector_width": to.projector_width(self.projector_width),
        }
        return self.model_copy(update=changes)


class RepaSraOptions(MethodOptions):
    """Both at once, each with its own weight and head."""

    method: Literal["repa+sra"] = "repa+sra"
    repa: RepaOptions
    sra: SraOptions

    @property
    def parts(self) -> tuple[MethodOptions, ...]:
        return (self.repa, self.sra)

    def carried(self, to: Carrier) -> Self:
        return self.model_copy(update={"repa": self.repa.carried(to), "sra": self.sra.carried(to)})


METHODS: tuple[type[MethodOptions], ...] = (BaselineOptions, SraOptions, RepaOptions, RepaSraOptions)
METHOD_OF = {options.model_fields["method"].default: options for options in METHODS}
AlignmentOptions = Annotated[Union[METHODS], Field(discriminator="method")]  # noqa: UP007 - built from the list above


class ConstantEma(Strict):
    """The same decay at every step (section 3.2: 0.9999). Decay 0 makes the teacher a copy of the student (Table 6, first row)."""

    rule: Literal["constant"] = "constant"
    decay: Share = 0.9999


class RampEma(Strict):
    """Decay rising by a half cosine from start to end over the training (Table 6, second row; the rule of BYOL and DINO)."""

    rule: Literal["ramp"] = "ramp"
    start: Share = 0.996
    end: Share = 1.0
    milestone: str = "m400k"  # where the ramp ends


Ema = Annotated[ConstantEma | RampEma, Field(discriminator="rule")]


class Optimizer(Strict):
    """AdamW with a constant learning rate and no warm-up (section 4.1 and released code)."""

    learning_rate: PositiveFloat = 1e-4
    betas: tuple[Share, Share] = (0.9, 0.999)
    epsilon: PositiveFloat = 1e-8
    weight_decay: NonNegativeFloat = 0.0
    gradient_clip: PositiveFloat = 1.0


# latents: each image of a batch is mirrored with probability 1/2 by turning its stored latent round, as no paper here does. The autoencoder of a
# mirrored image gives nearly that latent and not exactly it.
Flips = Literal["none", "latents"]


class SraDefaults(Strict):
    """What `method: sra` means in a family: Table 5's block pair for each size, and the options an experiment did not name."""

    BLOCKS: ClassVar = ("student_block", "teacher_block")
    blocks: dict[str, tuple[PositiveInt, PositiveInt]]
    weight: NonNegativeFloat = 0.2
    teacher_time_floor: Literal[0, 1] = 0

    def of_size(self, size: str) -> dict[str, Any]:
        blocks = dict(zip(self.BLOCKS, self.blocks.get(size, ()), strict=False))
        return {**blocks, "weight": self.weight, "teacher_time_floor": self.teacher_time_floor}


class RepaDefaults(Strict):
    """What `method: repa` means in a family: REPA's block for each size and its weight."""

    BLOCKS: ClassVar = ("block",)
    blocks: dict[str, PositiveInt]
    weight: NonNegativeFloat = 0.5

    def of_size(self, size: str) -> dict[str, Any]:
        return {"weight": self.weight} | ({"block": self.blocks[size]} if size in self.blocks else {})


class Recipe(Strict):
    """A family as the papers train it (`config/recipes/*.yaml`)."""

    family: Literal["sit", "dit", "mmdit"]
    source: str
    process: Process
    optimizer: Optimizer = Optimizer()
    ema: Ema = ConstantEma()
    condition_dropout: Share = 0.1  # of labels and captions alike; released code, whose flag --cfg-prob changes nothing there
    sra: SraDefaults
    repa: RepaDefaults


class WeightsFrom(Strict):
    """Start from a file instead of training: a checkpoint of weights.tsv, or the path of one with its family and step."""

    file: str
    family: Literal["dit", "sit", "repa", "sra"] | None = Field(None, description="whose file it is; only for a path")
    step: PositiveInt | None = Field(None, description="training steps behind it; only for a path")

    @model_validator(mode="after")
    def _a_path_says_what_it_is(self):
        if len({"/" in self.file, self.family is not None, self.step is not None}) > 1:
            raise ValueError(f"weights: {self.file!r} is a path and needs family and step, or a name of config/weights.tsv and needs neither")
        return self


class StartFrom(Strict):
    """Train on from the weights of a file: a checkpoint of weights.tsv, or the path of one with its family.

    Student and average begin as its weights, everything else (optimiser, alignment heads, steps) begins anew. A file of another number of classes
    leaves the label table as the seed draws it. take: which of the weights, where a training checkpoint holds both.
    """

    file: str
    family: Literal["dit", "sit", "repa", "sra"] | None = Field(None, description="whose file it is; only for a path")
    take: Literal["ema", "model"] = "ema"

    @model_validator(mode="after")
    def _a_path_says_what_it_is(self):
        if ("/" in self.file) != (self.family is not None):
            raise ValueError(f"start: {self.file!r} is a path and needs its family, or a name of config/weights.tsv and needs none")
        return self


class _RowBase(Strict):
    method: Literal[tuple(METHOD_OF)]
    ema: Ema | None = None
    seed: int = 0
    flips: Flips = "none"
    weights: WeightsFrom | None = None
    start: StartFrom | None = None

    @model_validator(mode="after")
    def _is_sampled_as_it_is_or_trained_on(self):
        if self.weights and self.start:
            raise ValueError("weights are sampled as they are, a start is trained on; give one of the two")
        return self


# What any run may say, whatever its method.
KEYS_OF_ANY_RUN = frozenset(_RowBase.model_fields) - {"method"}


def _changes(options: type[MethodOptions]) -> dict[str, Any]:
    """Every option of a method as an optional key; a method made of others takes a mapping of changes for each."""
    fields = {}
    for name, field in options.model_fields.items():
        if name == "method":
            continue
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, MethodOptions):
            kind = create_model(f"{kind.__name__}Changes", __base__=Strict, **_changes(kind))
        # Pydantic keeps constraints beside the type.
        constrained = Annotated[(kind, *field.metadata)] if field.metadata else kind
        fields[name] = (constrained | None, None)
    return fields


RunRow = create_model(
    "RunRow",
    __base__=_RowBase,
    __doc__="One run of an experiment: the method, and what it changes. Only the keys of the chosen method are allowed.",
    **{name: field for options in METHODS for name, field in _changes(options).items()},
)


class Experiment(Strict):
    """Runs that differ from a recipe in method alone (`config/experiments/*.yaml`)."""

    recipe: str
    model: str = Field(pattern=r"^((SiT|DiT)-(S|B|L|XL)|MMDiT)/(2|4|8)$")
    resolution: Resolution = Field(USUAL_RESOLUTION, description="of the images in the paper; the preset says what stands for it")
    milestones: list[str] = Field(min_length=1)
    runs: dict[str, RunRow] = Field(min_length=1)

    @model_validator(mode="after")
    def _captions_have_one_resolution(self):
        if self.model.startswith("MMDiT") and self.resolution != USUAL_RESOLUTION:
            raise ValueError(f"resolution {self.resolution} is for models of classes, {self.model} is told captions; leave out resolution")
        return self
