"""What a figure of curves says, typed."""

from typing import Literal

from sra.reporting.figures.picture import PictureDocument
from sra.reporting.read.comparison import ScoreComparison
from sra.spec.base import Strict
from sra.spec.metric import ScoreOf


class CurvePoint(ScoreComparison):
    """One milestone of one run. `planned` is false for a marker that only the paper has.

    seconds, published_seconds: of training until there, for a figure against hours; None where nothing was measured or printed.
    """

    milestone: str
    paper_step: int
    step: int | None
    planned: bool
    seconds: float | None = None
    published_seconds: float | None = None
    time_source: str | None = None


class CurveLine(Strict):
    """One run of a panel. seconds_per_step: of the run's cost receipt, whose hash is beside it; None where it is not needed or not there."""

    method: Literal["none", "sra", "repa"]
    run: str
    seconds_per_step: float | None = None
    cost_sha256: str | None = None
    points: list[CurvePoint]


class CurvePanel(Strict):
    """One pair of axes. metric, header, better: where they differ from the figure's."""

    title: str
    sampler: str
    metric: str | None = None
    header: str | None = None
    better: Literal["lower", "higher"] | None = None
    lines: list[CurveLine]


class CurvesDocument(PictureDocument):
    """A metric against training steps or hours. findings: of speed, in plain words; the remarks begin with them."""

    kind: Literal["curves"] = "curves"
    against: Literal["steps", "hours"] = "steps"
    metric: str
    header: str
    better: Literal["lower", "higher"]
    samples: int
    samples_here: int | None
    columns: int
    panels: list[CurvePanel]
    findings: list[str] = []

    @property
    def points(self) -> list[CurvePoint]:
        return [point for panel in self.panels for line in panel.lines for point in line.points]

    @property
    def printed(self) -> bool:
        """Whether the paper has any markers."""
        return any(point.published for point in self.points)

    def header_of(self, panel: CurvePanel) -> str:
        return panel.header or self.header

    def scored(self) -> list[tuple[str, ScoreOf, str]]:
        """Run, score and metric behind every planned point."""
        return [
            (line.run, ScoreOf(milestone=point.milestone, sampler=panel.sampler, samples=self.samples), panel.metric or self.metric)
            for panel in self.panels
            for line in panel.lines
            for point in line.points
            if point.planned
        ]

    def scores(self) -> list[tuple[str, ScoreOf]]:
        return list(dict.fromkeys((run, score) for run, score, _ in self.scored()))
