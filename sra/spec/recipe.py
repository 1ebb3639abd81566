"""The method side: what an experiment may vary and a preset may not. Every default is the paper's (arXiv 2505.02831v5), source beside it."""

from functools import cache, reduce
from operator import or_
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, create_model, model_validator

from sra.spec.base import Share, Steps, Strict
from sra.spec.methods.base import MethodOptions
from sra.spec.methods.known import METHOD_OF, METHODS
from sra.spec.scale import USUAL_RESOLUTION, Resolution, Size


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
# 2: a step sees each image of its batch twice, each time with a posterior draw, a time and a noise of its own, and one class. It is what methods that
# compare two views start from (DUPA, ICLR 2026), without their loss.
Views = Literal[1, 2]


class MethodDefaults(Strict):
    """What a method means in a family where an experiment says no more: its options for all sizes, and those of each size, such as its blocks."""

    options: dict[str, Any] = {}
    sizes: dict[Size, dict[str, Any]] = {}

    def of_size(self, size: str) -> dict[str, Any]:
        return self.options | self.sizes.get(size, {})


class Recipe(Strict):
    """A family as the papers train it (`config/recipes/*.yaml`)."""

    family: Literal["sit", "dit", "mmdit"]
    source: str
    process: Process
    optimizer: Optimizer = Optimizer()
    ema: Ema = ConstantEma()
    condition_dropout: Share = 0.1  # of labels and captions alike; released code, whose flag --cfg-prob changes nothing there
    methods: dict[str, MethodDefaults] = Field({}, description="by the method's name")

    @model_validator(mode="after")
    def _names_options_of_its_methods(self):
        for method, defaults in self.methods.items():
            if method not in METHOD_OF:
                raise ValueError(f"methods: no method {method!r}; known: {', '.join(METHOD_OF)}")
            for name in {*defaults.options, *(name for options in defaults.sizes.values() for name in options)}:
                if name == "method" or name not in METHOD_OF[method].model_fields:
                    raise ValueError(f"methods: {name!r} is no option of method {method}")
        return self


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
    views: Views = 1
    weights: WeightsFrom | None = None
    start: StartFrom | None = None

    @model_validator(mode="after")
    def _is_sampled_as_it_is_or_trained_on(self):
        if self.weights and self.start:
            raise ValueError("weights are sampled as they are, a start is trained on; give one of the two")
        return self


# What any run may say, whatever its method.
KEYS_OF_ANY_RUN = frozenset(_RowBase.model_fields) - {"method"}


def _changes(*methods: type[MethodOptions]) -> dict[str, Any]:
    """Every option of some methods as an optional key, of any type that one of them gives it; a method made of others takes changes for each."""
    kinds: dict[str, list[Any]] = {}
    for options in methods:
        for name, field in options.model_fields.items():
            if name == "method":
                continue
            kind = field.annotation
            if isinstance(kind, type) and issubclass(kind, MethodOptions):
                kind = _changes_of(kind)
            # Pydantic keeps constraints beside the type.
            kind = Annotated[(kind, *field.metadata)] if field.metadata else kind
            if kind not in kinds.setdefault(name, []):
                kinds[name].append(kind)
    return {name: (reduce(or_, [*several, None]), None) for name, several in kinds.items()}


@cache
def _changes_of(options: type[MethodOptions]) -> type[Strict]:
    return create_model(f"{options.__name__}Changes", __base__=Strict, **_changes(options))


RunRow = create_model(
    "RunRow",
    __base__=_RowBase,
    __doc__="One run of an experiment: the method, and what it changes. Only the keys of the chosen method are allowed.",
    **_changes(*METHODS),
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
