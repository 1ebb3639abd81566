"""A study: many methods on one model, by one protocol, with several training seeds each (`config/studies/*.yaml`).

It names runs of `config/experiments` and what is asked of all of them alike. What it costs and which steps stand for its milestones is the
preset's. Runs that tables and figures train are shared with it.
"""

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from sra.spec.base import Share, Strict
from sra.spec.metric import Metric, ScoreOf
from sra.spec.variants import Factor

Seed = NonNegativeInt
StudySeeds = Annotated[list[Seed], Field(min_length=1)]
Milestone = Annotated[str, Field(pattern=r"^m\d+[km]$", description="such as m400k")]


class StudyRow(Strict):
    """One run beside the baseline. Rows stand in the order of the file, by families, whatever comes out."""

    run: str
    label: str = Field(min_length=1, description="as figures and tables name it")
    family: str = Field(min_length=1, description="heading under which it stands")
    control: bool = Field(False, description="what shows where a gain comes from; no method of its own, so it is in no family of tests and not tuned")
    sampler: str | None = Field(None, description="the method's own, scored besides at the last milestone, where it has one")
    published: str | None = Field(None, description="key of its number in report/published")
    protocol: str | None = Field(None, description="under which that number was measured")
    note: str | None = None


class Tuning(Strict):
    """Equal trials for everyone, on a seed that no result is read from: each method's weight, and the baseline's learning rate.

    milestone: where trials end.  tie: the published value stays unless another is better by more than this share.
    """

    seed: Seed
    sampling_seed: Seed
    milestone: Milestone
    weights: list[Factor] = Field([0.25, 1.0, 4.0], description="times each method's published weight or weights")
    rates: list[Factor] = Field([0.5, 1.0, 2.0], description="times the baseline's learning rate, which all runs share")
    tie: Share = 0.02

    @model_validator(mode="after")
    def _tries_what_is_published(self):
        for name in ("weights", "rates"):
            factors = getattr(self, name)
            if 1.0 not in factors or len(set(factors)) < len(factors):
                raise ValueError(f"{name} {factors}: name 1, the published value, among them, and each once")
        return self


class Pilot(Strict):
    """What is trained first, to say how many seeds the rest needs: the baseline and one row, with so many of the study's seeds."""

    run: str
    baseline_seeds: PositiveInt = 5
    seeds: PositiveInt = 3


class Study(Strict):
    """seeds: of training; None takes the user's, else the preset's.

    milestones: where every row is scored, the last of which is the headline.  longer: a milestone of twice the last one's steps, to which the
    baseline alone is trained: the positive control.  repeated: as many other seeds of the baseline: the negative control.
    sampler: of everything but what is named besides.  samplers: further ones at the last milestone.  guided: samplers of rising guidance, of which
    each row's best on the tuning seed is scored at the last milestone.  redrawn: sampling seeds that measure how far one training's samples scatter.
    """

    id: str = Field(pattern=r"^[a-z0-9_]+$")
    title: str = Field(min_length=1)
    baseline: StudyRow
    rows: list[StudyRow] = Field(min_length=1)
    seeds: StudySeeds | None = None
    repeated: list[Seed] = []
    milestones: list[Milestone] = Field(min_length=1)
    longer: Milestone | None = None
    metric: Metric = "fid"
    second: Metric | None = Field(None, description="a distance in features that no encoder was aligned with, which must agree in direction")
    samples: PositiveInt = 50_000
    sampler: str
    samplers: list[str] = []
    guided: list[str] = []
    redrawn: list[Seed] = []
    tuning: Tuning | None = None
    pilot: Pilot | None = None
    equivalence: Share = Field(0.05, gt=0, description="ratios that surely lie within 1 / (1 + it) and 1 + it are called equivalent")
    threats: list[str] = Field([], description="sentences about what the study cannot know, printed with every result")

    @property
    def last(self) -> str:
        """The milestone of the headline."""
        return self.milestones[-1]

    @property
    def methods(self) -> list[StudyRow]:
        """The rows that are judged as a family."""
        return [row for row in self.rows if not row.control]

    @property
    def all_rows(self) -> list[StudyRow]:
        return [self.baseline, *self.rows]

    def row_of(self, run: str) -> StudyRow | None:
        return next((row for row in self.all_rows if row.run == run), None)

    def milestones_of(self, run: str) -> list[str]:
        """Where the study scores the run: nowhere for one that it does not name."""
        if self.row_of(run) is None:
            return []
        return [*self.milestones, *([self.longer] if self.longer and run == self.baseline.run else [])]

    def score_at(self, milestone: str, sampler: str | None = None) -> ScoreOf:
        return ScoreOf(milestone=milestone, sampler=sampler or self.sampler, samples=self.samples)

    @model_validator(mode="after")
    def _names_each_thing_once(self) -> Self:
        lists: dict[str, Iterable] = {
            "rows": [row.run for row in self.all_rows],
            "labels": [row.label for row in self.all_rows],
            "milestones": [*self.milestones, *filter(None, [self.longer])],
            "samplers": [self.sampler, *self.samplers, *self.guided],
            "seeds": [*(self.seeds or []), *self.repeated, *([self.tuning.seed] if self.tuning else [])],
            "redrawn": self.redrawn,
        }
        for what, names in lists.items():
            doubled = sorted({str(name) for name in names if list(names).count(name) > 1})
            if doubled:
                apart = ", and seeds of tuning and of controls apart from the study's" if what == "seeds" else ""
                raise ValueError(f"{what}: {doubled[0]} is named twice; name each once{apart}")
        return self

    @model_validator(mode="after")
    def _rests_on_its_own_rows(self) -> Self:
        if self.baseline.control:
            raise ValueError(f"baseline {self.baseline.run}: is what others are compared with; remove control")
        if self.pilot and self.pilot.run not in [row.run for row in self.rows]:
            raise ValueError(f"pilot: {self.pilot.run} is no row of the study; name one of {', '.join(row.run for row in self.rows)}")
        if self.tuning and self.tuning.milestone not in self.milestones:
            raise ValueError(f"tuning: milestone {self.tuning.milestone} is none of the study's; name one of {', '.join(self.milestones)}")
        if self.guided and not self.tuning:
            raise ValueError("guided: the best of them is chosen by trials; give tuning, or leave guided out")
        return self


StudyPart = Literal["pilot", "published", "controls", "tuning", "tuned", "samplers"]
