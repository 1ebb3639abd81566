"""What a study found (`results/<preset>/studies/<study>.json`): every number that its page, table and figures show, and nothing drawn."""

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat

from sra.core.files import read_json
from sra.spec.base import Strict
from sra.spec.load import checked
from sra.spec.metric import Metric
from sra.study.intervals import Scale
from sra.study.verdicts import Verdict

Budget = Literal["steps", "flops", "hours"]
BUDGETS: dict[Budget, str] = {"steps": "steps", "flops": "FLOPs", "hours": "hours"}  # as people write them
Kind = Literal["baseline", "method", "control", "tuned"]
# diverged: training stopped at a loss that was not finite.
SeedStatus = Literal["ok", "not run", "diverged"]


class SeedValue(Strict):
    """A metric of one training. reason: why there is none, for people."""

    seed: NonNegativeInt
    value: float | None
    status: SeedStatus = "ok"
    reason: str | None = None
    score_sha256: str | None = None


class PointFound(Strict):
    """One milestone of a row. flops, hours: of training until there, as the row's own; hours None where steps were not timed here.

    mean: of the trainings that have a value, on the metric's scale (geometric for distances); None where none has.
    """

    milestone: str
    step: NonNegativeInt
    flops: PositiveFloat
    hours: PositiveFloat | None
    mean: float | None
    values: list[SeedValue]


class SeedEffect(Strict):
    seed: NonNegativeInt
    effect: float


class Effect(Strict):
    """A row beside the baseline at one budget, seed by seed. Effects are ratios, row / baseline, on the scale `log`; else differences.

    budget: steps at the milestone, or the value that the row's curve has where it has cost what the baseline costs at its last milestone.
    p_value: paired t, two-sided; p_holm: adjusted within the family of methods, for the headline alone.  smallest_seen: the effect that would have
    been told from none in four of five studies like this one, as a ratio below 1 on the scale `log`.
    mean, low, high: None where no seed, or one alone, has both values.  reason: why there is no mean, or why some seeds are missing.
    """

    budget: Budget
    metric: Metric
    sampler: str
    milestone: str
    scale: Scale
    mean: float | None
    low: float | None = None
    high: float | None = None
    seeds: list[SeedEffect] = []
    p_value: float | None = None
    p_holm: float | None = None
    verdict: Verdict | None = None
    smallest_seen: float | None = None
    reason: str | None = None

    @property
    def is_judged(self) -> bool:
        """Whether there are seeds enough for a verdict, be it that nothing can be told."""
        return self.verdict not in (None, "one seed")


class Reach(Strict):
    """How much sooner the row's curve is, and stays, where the baseline ends.

    speed_up: the baseline's budget over the row's, the median over seeds, None unless most of them reached it.  at_least: whether some reached it by
    their first milestone, so that the speed-up is a lower bound.  low, high: a bootstrap interval over seeds (`interval`), or the range of the seeds.
    of: seeds compared; 0 where none can be yet, with the reason.
    """

    budget: Budget
    reached: NonNegativeInt
    of: NonNegativeInt
    speed_up: PositiveFloat | None = None
    at_least: bool = False
    low: PositiveFloat | None = None
    high: PositiveFloat | None = None
    spread: Literal["interval", "range", "none"] = "none"
    reason: str | None = None


class Published(Strict):
    """The number that its paper prints, with the protocol under which it was measured."""

    text: str
    value: float
    source: str
    protocol: str


class RowFound(Strict):
    """One row of the study.

    training_flops: of its whole training over the baseline's, an encoder's included.  flops_beside_stored: the same where what the encoder makes of
    the images is stored and costs nothing in a step; None where there is no encoder or nothing of it can be stored.
    hours_a_step: seconds a step over the baseline's, the median of turns; None where it was not measured.  hours_a_step_range: of the turns.
    encoder: external network whose knowledge it uses; images it was trained on.  kept_parameters: that stay in the model when it samples.
    changes_guidance: whether "without guidance" means something else for it.  factor: of the weight, in a tuned row.
    means: of its distance at the last milestone by further samplers, over the seeds that are there.
    """

    run: str
    label: str
    family: str
    kind: Kind
    note: str | None = None
    encoder: str | None = None
    kept_parameters: NonNegativeInt = 0
    changes_guidance: bool = False
    factor: PositiveFloat | None = None
    training_flops: PositiveFloat | None = None
    flops_beside_stored: PositiveFloat | None = None
    hours_a_step: PositiveFloat | None = None
    hours_a_step_range: tuple[PositiveFloat, PositiveFloat] | None = None
    points: list[PointFound]
    effects: list[Effect] = []
    means: dict[str, float] = {}
    reach: list[Reach] = []
    published: Published | None = None

    def effect(self, budget: Budget = "steps", metric: Metric | None = None, sampler: str | None = None) -> Effect | None:
        """The first effect that fits; without a metric or sampler, that of the headline's."""
        return next(
            (effect for effect in self.effects if effect.budget == budget and metric in (None, effect.metric) and sampler in (None, effect.sampler)),
            None,
        )

    def at(self, milestone: str) -> PointFound | None:
        return next((point for point in self.points if point.milestone == milestone), None)

    def reached(self, budget: Budget) -> Reach | None:
        return next((reach for reach in self.reach if reach.budget == budget), None)


class Trial(Strict):
    """One setting tried on the tuning seed."""

    factor: PositiveFloat
    run: str
    value: float | None
    status: SeedStatus = "ok"
    reason: str | None = None
    score_sha256: str | None = None


class Sweep(Strict):
    """The trials of one row. chosen: the factor of the row as tuned; 1 is the published value, None while trials are missing."""

    run: str
    label: str
    what: Literal["weight", "rate"]
    trials: list[Trial]
    chosen: PositiveFloat | None
    words: str = Field(description="how it was chosen, in a sentence")


class GuidanceChoice(Strict):
    """Which guided sampler a row is scored with: the best of equal trials on the tuning seed."""

    run: str
    label: str
    trials: dict[str, float | None]
    chosen: str | None


def guided_by(guidance: list[GuidanceChoice]) -> dict[str, str]:
    """By run, its guided sampler, where all trials are done."""
    return {choice.run: choice.chosen for choice in guidance if choice.chosen}


class StudyChoices(Strict):
    """What the trials decided (`results/<preset>/studies/<study>/choices.json`); runs of tuned rows follow from it."""

    study: str
    preset: str
    sweeps: list[Sweep]
    guidance: list[GuidanceChoice] = []

    @property
    def tuned(self) -> dict[str, float]:
        """By run, the factor of its weights, where all trials are done."""
        return {sweep.run: sweep.chosen for sweep in self.sweeps if sweep.what == "weight" and sweep.chosen is not None}

    @property
    def guided(self) -> dict[str, str]:
        """By run, its guided sampler, where all trials are done."""
        return guided_by(self.guidance)


class PilotFound(Strict):
    """What the first seeds say about the noise. run_sd: of the log of one training's distance; difference_sd: of paired differences."""

    run_sd: float | None
    difference_sd: float | None
    correlation: float | None
    sampling_sd: float | None = None
    sentences: list[str]


class StudyDocument(Strict):
    """informative: whether the baseline with twice the steps is told from the baseline; None while that is not known. Where it is not True, nothing
    is ranked.  samplers: that draw all rows besides `sampler`.  longer, repeated: the positive and the negative control.
    machine: where hours were measured.  findings: the study in words, by rule from the numbers.  short: the same in three or four.
    """

    study: str
    title: str
    preset: str
    preset_title: str
    comparable: bool
    dataset: str
    baseline: str
    metric: Metric
    second: Metric | None
    sampler: str
    samplers: list[str] = []
    milestone: str
    samples: NonNegativeInt = Field(description="drawn of each training at each milestone")
    seeds: list[NonNegativeInt]
    equivalence: float
    rows: list[RowFound]
    longer: Effect | None = None
    longer_milestone: str | None = None
    repeated: Effect | None = None
    repeated_seeds: list[NonNegativeInt] = []
    informative: bool | None
    informative_words: str
    pilot: PilotFound | None = None
    sweeps: list[Sweep] = []
    guidance: list[GuidanceChoice] = []
    machine: str | None = None
    findings: list[str]
    short: list[str] = []
    threats: list[str]
    missing: int = Field(description="trainings and milestones of the study that have no score yet")
    diverged: list[str] = []

    @property
    def base(self) -> RowFound:
        return next(row for row in self.rows if row.kind == "baseline")


def read_study(path: Path) -> StudyDocument:
    """The document of a study. Raises InputError when the file is none."""
    return checked(read_json(path), StudyDocument, str(path))


def read_choices(path: Path) -> StudyChoices:
    """What the trials of a study decided. Raises InputError when the file is something else."""
    return checked(read_json(path), StudyChoices, str(path))
