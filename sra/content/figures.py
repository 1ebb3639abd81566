"""What each figure shows (`report/figures/*.yaml`): curves, samples, models looked into by probes and principal components, and studies."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from sra.spec.base import Display, Share, Strict
from sra.spec.metric import Metric, ScoreOf

# The paper's numbers and letters, several of its figures as one (10_25), supplements of ours (s1), the benchmark's (b5), and the one picture of text
# to image, which the paper has not.
FigureId = Annotated[str, Field(pattern=r"^figure_(s?\d+[a-z]?|\d+_\d+|b\d|t2i)$")]


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


class Figure(Display):
    """What every figure's file says."""

    caption: str


class CurvesFigure(Figure):
    """A metric against training, one panel per model.

    against: steps, or hours, which are steps times the seconds that one takes, as measured for each run.
    speedup: also say when each method's FID reaches the last one of the run without alignment, and whether it is surely better there.
    """

    kind: Literal["curves"]
    against: Literal["steps", "hours"] = "steps"
    id: FigureId
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


class SampleSeries(Strict):
    """One run of a figure of samples. label: its name where it has not its method's, whose colour it keeps."""

    method: Literal["none", "sra", "repa"]
    run: str
    label: str | None = None


class SampleFigure(Figure):
    """Images of sample packs of one score, one row a run. Which images is a rule; nobody picks them."""

    id: FigureId
    score: ScoreOf
    runs: list[SampleSeries] = Field(min_length=1)


class GridFigure(SampleFigure):
    """The first `per_class` of each class in index order, one column block per class.

    in_place_of: figures of one class each, in the order of `classes`, whose images come to the same where a data set has few classes: the report
    of a preset smaller than the paper has this figure in their place, that of the paper's scale has them.
    """

    kind: Literal["grid"]
    classes: list[int] | None = None  # None: the first ten classes
    per_class: PositiveInt = 6
    in_place_of: list[FigureId] = []

    @model_validator(mode="after")
    def _has_a_class_for_each_figure(self):
        if self.in_place_of and len(self.in_place_of) != len(self.classes or []):
            raise ValueError(f"in_place_of has {len(self.in_place_of)} figures and classes {len(self.classes or [])}; give each figure its class")
        return self


class CaptionsFigure(SampleFigure):
    """Text to image: the first `count` places of the packs, one column a caption."""

    kind: Literal["captions"]
    count: PositiveInt = 8


class InspectedModel(Strict):
    """A model to look into: a run at milestones of the paper.

    released: a run from released weights that is shown instead where its file fits the preset, at `released_milestone`.
    """

    run: str
    milestones: list[str] = Field(min_length=1)
    released: str | None = None
    released_milestone: str | None = None

    @model_validator(mode="after")
    def _a_released_run_has_its_milestone(self):
        if (self.released is None) != (self.released_milestone is None):
            raise ValueError("released and released_milestone go together; give both or neither")
        if self.released and len(self.milestones) > 1:
            raise ValueError("a released run stands for one milestone; give one")
        return self


class ProbeLine(InspectedModel):
    """One line of a plot of probe accuracies. times: shares of the time range, in which noise grows.  blocks: of the paper's model, from 1.

    published: front part of the keys in report/published; the value on the x axis completes it (b20 for a block, t100 for time 0.1, m400k).
    """

    method: Literal["none", "sra", "repa"]
    label: str
    times: list[Annotated[Share, Field(lt=1)]] = Field(min_length=1)
    blocks: list[PositiveInt] = Field(min_length=1)
    published: str | None = None

    def places(self, x: str) -> list[int] | list[float] | list[str]:
        """The values of the line on the axis of blocks, times or milestones."""
        return {"block": self.blocks, "time": self.times, "milestone": self.milestones}[x]


class ProbesFigure(Figure):
    """Probe accuracy against block, time or training. A line has one value of what is not on the x axis."""

    kind: Literal["probes"]
    id: str = Field(pattern=r"^figure_s?\d+[a-z]?$")
    x: Literal["block", "time", "milestone"]
    lines: list[ProbeLine] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_value_off_the_axis(self):
        for line in self.lines:
            for name in {"block", "time", "milestone"} - {self.x}:
                if len(values := line.places(name)) > 1:
                    raise ValueError(f"line {line.label!r} has {len(values)} {name}s and the x axis is {self.x}; give one")
        return self


class TargetPoint(Strict):
    """One target block of SRA.

    run: aligned with it; None for a block that only the paper tried.  published: key of its accuracy and FID in report/published.
    """

    block: PositiveInt
    run: str | None = None
    published: str | None = None


class TargetsFigure(Figure):
    """FID of runs that differ in the target block against the probe accuracy of that block in the baseline, at one time.

    baseline: run without alignment, whose FID stands beside theirs; baseline_published is the key of it.
    """

    kind: Literal["targets"]
    id: str = Field(pattern=r"^figure_s?\d+[a-z]?$")
    probed: ProbeLine
    milestone: str
    sampler: str
    samples: PositiveInt
    baseline: str
    baseline_published: str | None = None
    points: list[TargetPoint] = Field(min_length=2)

    @model_validator(mode="after")
    def _points_are_probed(self):
        if len(self.probed.times) > 1 or len(self.probed.milestones) > 1:
            raise ValueError("probed gives the accuracies of one model at one time; give one milestone and one time")
        if [point.block for point in self.points] != self.probed.blocks:
            raise ValueError("probed.blocks are the blocks of the points, in their order; make the two lists equal")
        return self


class FeaturesFigure(Figure):
    """Three principal components of one image's tokens as colours, one picture for each block and time, one panel a model.

    image_class: the first image of this class; counted round the classes of a smaller data set.
    """

    kind: Literal["features"]
    id: str = Field(pattern=r"^figure_s?\d+[a-z]?$")
    models: list[InspectedModel] = Field(min_length=1)
    blocks: list[PositiveInt] = Field(min_length=1)
    times: list[Annotated[Share, Field(lt=1)]] = Field(min_length=1)
    image_class: int = Field(88, ge=0)


class StudyFigure(Figure):
    """What a study found, drawn from its one file of results.

    plot: forest, ratios to the baseline with their intervals.  cost: quality against what it costs to get there.  reach: how much sooner a row is
    where the baseline ends.  sweep: the trials of its tuning.
    """

    kind: Literal["study"]
    id: str = Field(pattern=r"^figure_b\d$")
    study: str
    plot: Literal["forest", "cost", "reach", "sweep"]


FigureSpec = Annotated[
    CurvesFigure | GridFigure | CaptionsFigure | ProbesFigure | TargetsFigure | FeaturesFigure | StudyFigure, Field(discriminator="kind")
]
