"""What each table and figure shows (`report/tables/*.yaml`, `report/figures/*.yaml`)."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from sra.spec.base import Display, Strict
from sra.spec.inside import FeaturesFigure, ProbesFigure, TargetsFigure
from sra.spec.settings import SettingsComparison

Metric = Literal[
    "fid",
    "sfid",
    "is",
    "precision",
    "recall",
    "label_agreement",
    "kid",
    "fid_infinity",
    "fd_dinov2",
    "fid_pytorch",
    "clip_score",
    "pick_score",
    "cmmd",
    "caption_accuracy",
]


# The paper's numbers and letters, supplements of ours (s1), and the one picture of text to image, which the paper has not.
FigureId = Annotated[str, Field(pattern=r"^figure_(s?\d+[a-z]?|t2i)$")]


class ScoreOf(Strict):
    """Which score a cell reads: milestone, sampler name and the paper's number of samples."""

    milestone: str
    sampler: str
    samples: PositiveInt


class Column(Strict):
    metric: Metric
    better: Literal["lower", "higher"]
    format: str = Field(".2f", pattern=r"^\.\d[f%]$")


class SettingColumn(Strict):
    """A column of what was varied, filled from each row's `settings`."""

    key: str
    label: str


# What a table of costs shows: measured, and what a method adds to the same model without it.
CostName = Literal["memory", "epoch_time", "extra_parameters", "memory_over_baseline", "time_over_baseline"]


class CostColumn(Strict):
    """`format` is of ours in the paper's unit; shares are in percent."""

    cost: CostName
    format: str = Field(pattern=r"^\.\df$")


class Row(Strict):
    """One line of a table. `published` is the key of its numbers in `report/published`; a row may be one of the two alone."""

    label: str
    run: str | None = None
    released: str | None = Field(None, description="the run from a released checkpoint that stands here with `weights: released`")
    published: str | None = None
    group: str | None = None
    settings: dict[str, str] = {}
    note: str | None = None
    score: ScoreOf | None = None  # when it differs from the table's
    baseline: str | None = Field(None, description="label of the row that a cost is compared with")


class TableSpec(Display):
    """A table of scores: metrics of runs. With `kind: settings` it has `compared` alone and shows no score, so nothing is run for it.

    With `kind: costs` it has rows and `costs`, for which each run's training step is measured.
    """

    kind: Literal["scores", "settings", "costs"] = "scores"
    id: str = Field(pattern=r"^table_s?\d+[a-z]?$")
    title: str
    paper: str
    columns: list[Column] = []
    setting_columns: list[SettingColumn] = []
    score: ScoreOf | None = None
    rows: list[Row] = []
    best_of: Literal["table", "group"] = Field("table", description="where the best is looked for: group, when each group has a protocol of its own")
    compared: SettingsComparison | None = Field(None, description="what a table of settings shows")
    costs: list[CostColumn] = Field([], description="columns of a table of costs")
    notes: list[str] = []

    @model_validator(mode="after")
    def _has_the_parts_of_its_kind(self):
        parts = {"scores": ("columns", "score", "rows"), "settings": ("compared",), "costs": ("costs", "rows")}
        needed, optional = parts[self.kind], ("setting_columns",) if self.kind == "scores" else ()
        foreign = sorted({"setting_columns", *(name for of_kind in parts.values() for name in of_kind)} - {*needed, *optional})
        missing = [name for name in needed if not getattr(self, name)]
        surplus = [name for name in foreign if getattr(self, name)]
        if missing:
            raise ValueError(f"a table of {self.kind} needs {missing[0]}; add it, or change kind")
        if surplus:
            raise ValueError(f"a table of {self.kind} has no {surplus[0]}; remove it, or change kind")
        return self

    @model_validator(mode="after")
    def _has_its_baselines(self):
        labels = {row.label for row in self.rows}
        for row in self.rows:
            if row.baseline is not None and (row.baseline not in labels or self.kind != "costs"):
                raise ValueError(f"row {row.label[:60]!r}: baseline {row.baseline!r} is no row of a table of costs; name the label of one")
        return self

    def score_of(self, row: Row) -> ScoreOf:
        return row.score or self.score


class Series(Strict):
    """One line of a plot: a run over its milestones. `published` is the key's front part; the milestone completes it."""

    method: Literal["none", "sra", "repa"]
    run: str
    published: str | None = None


class Panel(Strict):
    title: str
    sampler: str
    milestones: list[str] | None = None  # when they differ from the figure's
    # When they differ from the figure's; such a panel has an axis of its own.
    metric: Metric | None = None
    better: Literal["lower", "higher"] | None = None
    series: list[Series] = Field(min_length=1)

    @model_validator(mode="after")
    def _knows_which_way_is_better(self):
        if (self.metric is None) != (self.better is None):
            raise ValueError("metric and better go together; give both or neither")
        return self


class CurvesFigure(Display):
    """A metric against training, one panel per model.

    against: steps, or hours, which are steps times the seconds that one takes, as measured for each run.
    speedup: also say when each method's FID reaches the last one of the run without alignment, and whether the difference there is chance.
    """

    kind: Literal["curves"]
    against: Literal["steps", "hours"] = "steps"
    id: FigureId
    title: str
    paper: str
    caption: str
    metric: Metric
    better: Literal["lower", "higher"]
    samples: PositiveInt
    milestones: list[str] = Field(min_length=1)
    columns: PositiveInt = 3
    panels: list[Panel] = Field(min_length=1)
    speedup: bool = False

    def metric_of(self, panel: Panel) -> Metric:
        return panel.metric or self.metric

    def better_of(self, panel: Panel) -> Literal["lower", "higher"]:
        return panel.better or self.better

    def milestones_of(self, panel: Panel) -> list[str]:
        return panel.milestones or self.milestones


class SampleFigure(Display):
    """Images of sample packs of one score, one row a run. Which images is a rule; nobody picks them."""

    id: FigureId
    title: str
    paper: str
    caption: str
    score: ScoreOf
    runs: list[Series] = Field(min_length=1)


class GridFigure(SampleFigure):
    """The first `per_class` of each class in index order, one column block per class."""

    kind: Literal["grid"]
    classes: list[int] | None = None  # None: the first ten classes
    per_class: PositiveInt = 6


class CaptionsFigure(SampleFigure):
    """Text to image: the first `count` places of the packs, one column a caption."""

    kind: Literal["captions"]
    count: PositiveInt = 8


FigureSpec = Annotated[CurvesFigure | GridFigure | CaptionsFigure | ProbesFigure | TargetsFigure | FeaturesFigure, Field(discriminator="kind")]
