"""The method side: what an experiment may vary and a preset may not. Every default is the paper's (arXiv 2505.02831v5), source beside it."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from sra.spec.base import Strict

Share = Annotated[float, Field(ge=0, le=1)]


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
    timesteps: PositiveInt = 1000


Process = Annotated[FlowProcess | DdpmProcess, Field(discriminator="kind")]


class BaselineOptions(Strict):
    """The baseline: generation loss alone."""

    method: Literal["none"] = "none"


class SraOptions(Strict):
    """Self-representation alignment, section 3.2 and Table 5. Blocks count from 1."""

    method: Literal["sra"] = "sra"
    student_block: PositiveInt
    teacher_block: PositiveInt
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
    # Lowest teacher time on the DDPM grid: the paper truncates to 0, the released DiT-SRA/train.py to 1. The flow process always uses 0.
    teacher_time_floor: Literal[0, 1] = 0

    @model_validator(mode="after")
    def _student_is_not_deeper(self):
        if self.student_block > self.teacher_block:
            raise ValueError(f"student_block {self.student_block} is deeper than teacher_block {self.teacher_block}; the paper needs m <= n")
        return self


class RepaOptions(Strict):
    """AlignmentOptions with an external encoder's patch tokens (REPA, arXiv 2410.06940, Table 6)."""

    method: Literal["repa"] = "repa"
    block: PositiveInt
    encoder: str = "dinov2b"
    weight: NonNegativeFloat = 0.5
    projector_width: PositiveInt = 2048


AlignmentOptions = Annotated[BaselineOptions | SraOptions | RepaOptions, Field(discriminator="method")]


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


class SraDefaults(Strict):
    """What `method: sra` means in a family: Table 5's block pair for each size, and the options an experiment did not name."""

    blocks: dict[str, tuple[PositiveInt, PositiveInt]]
    weight: NonNegativeFloat = 0.2
    teacher_time_floor: Literal[0, 1] = 0


class RepaDefaults(Strict):
    """What `method: repa` means in a family: REPA's block for each size and its weight."""

    blocks: dict[str, PositiveInt]
    weight: NonNegativeFloat = 0.5


class Recipe(Strict):
    """A family as the papers train it (`config/recipes/*.yaml`)."""

    family: Literal["sit", "dit"]
    source: str
    process: Process
    optimizer: Optimizer = Optimizer()
    ema: Ema = ConstantEma()
    label_dropout: Share = 0.1  # released code; the flag --cfg-prob changes nothing there
    sra: SraDefaults
    repa: RepaDefaults


class RunRow(Strict):
    """One run of an experiment: the method, and what it changes. Only the keys of the chosen method are allowed."""

    method: Literal["none", "sra", "repa"]
    student_block: PositiveInt | None = None
    teacher_block: PositiveInt | None = None
    interval: Literal["uniform", "fixed"] | None = None
    max_interval: Share | None = None
    weight: NonNegativeFloat | None = None
    schedule: Literal["constant", "official_decay"] | None = None
    distance: Literal["smooth_l1", "cosine", "cosine_over_tokens_official", "l1", "l2"] | None = None
    beta: PositiveFloat | None = None
    head: Literal["mlp", "none"] | None = None
    teacher_time_floor: Literal[0, 1] | None = None
    block: PositiveInt | None = None
    encoder: str | None = None
    ema: Ema | None = None
    seed: int = 0


class Experiment(Strict):
    """Runs that differ from a recipe in method alone (`config/experiments/*.yaml`)."""

    recipe: str
    model: str = Field(pattern=r"^(SiT|DiT)-(S|B|L|XL)/(2|4|8)$")
    milestones: list[str] = Field(min_length=1)
    runs: dict[str, RunRow] = Field(min_length=1)


class Guidance(Strict):
    """Classifier-free guidance: out = uncond + scale (cond - uncond) for times inside the interval; scale 1 is none."""

    scale: PositiveFloat = 1.0
    interval: tuple[Share, Share] = (0.0, 1.0)
    # first_three: DiT's and SiT's samplers guide three of the four latent channels; SRA and REPA guide all.
    channels: Literal["all", "first_three"] = "all"


class Sampler(Strict):
    """How samples are drawn (`config/samplers.yaml`).

    kind: `sde` is Euler-Maruyama of the reverse SDE with diffusion 2 sigma_t = 2t (the papers print w_t = sigma_t and count the factor
    in the equation); `ddpm` is ancestral sampling on the respaced chain.
    """

    kind: Literal["sde", "ode_euler", "ode_heun", "ddpm"]
    evaluations: PositiveInt
    last_step: Share = 0.04  # sde only: size of the final step, taken without noise (released samplers.py)
    guidance: Guidance = Guidance()
    labels: Literal["random", "balanced"] = "random"  # the papers draw classes uniformly at random
    uint8: Literal["floor", "round"] = "floor"  # SRA and REPA truncate 255 (x + 1) / 2; DiT and SiT round
    seed: int = 0


class Samplers(Strict):
    samplers: dict[str, Sampler]
