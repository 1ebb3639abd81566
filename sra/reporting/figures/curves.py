"""A metric against training steps or hours, one small panel a model: first what it shows (`build_curves`), then the picture (`draw_curves`)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sra.content.figures import CurvesFigure, Panel, Series
from sra.reporting.display import heading_of
from sra.reporting.figures.curve_document import CurveLine, CurvePanel, CurvePoint, CurvesDocument
from sra.reporting.figures.draw.axes import set_times, set_values, spaced, steps_text, time_unit
from sra.reporting.figures.draw.plates import DrawnLine, Plate, draw_lines
from sra.reporting.figures.draw.style import METHOD_STYLES, PAGE_WIDTH, PLATE, TEXT, figure_style, save_figure
from sra.reporting.figures.remarks import HOLLOW_MARKERS, comparison_remarks, not_run_remarks
from sra.reporting.figures.speedup import findings_of
from sra.reporting.read.costs import Costs
from sra.reporting.read.evidence import Evidence
from sra.reporting.read.spread import lines_remark
from sra.reporting.write.numbers import METRIC_NAMES, count_text, listed, metric_header, steps_of_milestone
from sra.spec.metric import ScoreOf
from sra.spec.scale import Preset

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def build_curves(figure: CurvesFigure, evidence: Evidence) -> CurvesDocument:
    panels = [
        CurvePanel(
            title=panel.title,
            sampler=panel.sampler,
            metric=panel.metric,
            header=panel.metric and metric_header(panel.metric, panel.better),
            better=panel.better,
            lines=[_line(figure, panel, series, evidence) for series in panel.series],
        )
        for panel in figure.panels
    ]
    findings = findings_of(figure, panels) if figure.speedup else []
    return CurvesDocument(
        **heading_of(figure, evidence),
        caption=figure.caption,
        against=figure.against,
        metric=figure.metric,
        header=metric_header(figure.metric, figure.better),
        better=figure.better,
        samples=figure.samples,
        samples_here=evidence.preset.samples.get(figure.samples),
        columns=figure.columns,
        panels=panels,
        findings=findings,
        remarks=[*findings, *_remarks(figure, panels, evidence), *_remarks_on_time(figure, evidence.costs)],
        alt=_alt(figure, panels, evidence.preset),
    )


def _line(figure: CurvesFigure, panel: Panel, series: Series, evidence: Evidence) -> CurveLine:
    """The panel's milestones and the paper's markers together, in order of steps."""
    where, metric, planned = f"{figure.id}, panel {panel.title}", figure.metric_of(panel), figure.milestones_of(panel)
    markers = evidence.published.curve(series.published, metric, where)
    measured = evidence.costs.find(series.run) if figure.against == "hours" else None
    a_step = measured and measured.record.steps.median
    points = []
    for milestone in sorted({*planned, *markers}, key=steps_of_milestone):
        marker, step = markers.get(milestone), evidence.preset.milestones.get(milestone)
        outcome = evidence.score(series.run, ScoreOf(milestone=milestone, sampler=panel.sampler, samples=figure.samples), metric)
        time = evidence.published.number(marker.key, "training_time", where) if marker and figure.against == "hours" else None
        points.append(
            CurvePoint.of(
                marker,
                outcome,
                milestone=milestone,
                paper_step=steps_of_milestone(milestone),
                step=step,
                planned=milestone in planned,
                reason=outcome.reason if milestone in planned or outcome.value is not None else "a marker of the paper alone",
                seconds=a_step * step if a_step and step is not None else None,
                published_seconds=time.value if time else None,
                time_source=time.credit if time else None,
            )
        )
    return CurveLine(method=series.method, run=series.run, seconds_per_step=a_step, cost_sha256=measured.sha256 if measured else None, points=points)


def _remarks(figure: CurvesFigure, panels: list[CurvePanel], evidence: Evidence) -> list[str]:
    points, reached = _points(panels), evidence.preset.milestones
    lines = lines_remark(point.spread for point in points)
    apart = "The paper's markers have axes of their own: another data set, another feature network, other steps."
    there = [point.status != "not run" for point in points if point.planned and point.step is not None]
    return [
        *comparison_remarks(any(point.published for point in points), evidence.preset.comparable, lines, HOLLOW_MARKERS, apart),
        *not_run_remarks(evidence, figure.id, [milestone for milestone in figure.milestones if milestone not in reached], there),
    ]


def _points(panels: list[CurvePanel]) -> list[CurvePoint]:
    return [point for panel in panels for line in panel.lines for point in line.points]


def _remarks_on_time(figure: CurvesFigure, costs: Costs) -> list[str]:
    """On which machines the hours of ours were measured, and which runs have none."""
    if figure.against != "hours":
        return []
    runs = [series.run for panel in figure.panels for series in panel.series]
    places = dict.fromkeys(file.record.words for file in costs.of(runs))
    remarks = [f"Time of ours: steps times the measured seconds of one, on {'; '.join(places)}; the jobs themselves may have shared the machine."]
    return [*(remarks if places else []), *costs.remarks(runs, figure.id)]


def _alt(figure: CurvesFigure, panels: list[CurvePanel], preset: Preset) -> str:
    """What the picture shows, and how much of it was measured."""
    rival = "none" if any(line.method == "none" for panel in panels for line in panel.lines) else "repa"
    pairs = 0
    for panel in panels:
        lines = {line.method: {point.milestone for point in line.points if point.value is not None} for line in panel.lines}
        pairs += len(lines.get(rival, set()) & lines.get("sra", set()))
    than = {"none": "its baseline", "repa": "REPA"}[rival]
    outcome = f"SRA and {than} are both measured at {pairs} point{'s' if pairs > 1 else ''}" if pairs else "nothing has been measured yet"
    place = (
        ""
        if preset.comparable or not any(point.published for point in _points(panels))
        else ", and below them the paper's markers on axes of their own"
    )
    over, number = {"steps": "training steps", "hours": "the time of training"}[figure.against], len(panels)
    metrics = listed(list(dict.fromkeys(METRIC_NAMES[panel.metric or figure.metric] for panel in panels)))
    models = f", {number} models" if number > 1 and not any(panel.metric for panel in panels) else ""
    chart = f"Line chart{'s' if number > 1 else ''} of {metrics} over {over}{models}"
    return f"{chart}{place}; {outcome}{_times_text(panels)}."


def _times_text(panels: list[CurvePanel]) -> str:
    """How long the lines take to their last points."""
    ends = [max(times) for panel in panels for line in panel.lines if (times := [point.seconds for point in line.points if point.seconds])]
    if not ends:
        return ""
    unit, seconds = time_unit(max(ends))
    shortest, longest = (f"{end / seconds:.3g}" for end in (min(ends), max(ends)))
    return f"; training to the last points takes {shortest} to {longest} {unit}"


# The picture


@dataclass(frozen=True)
class Side(Plate):
    """One block of panels: ours, the paper's, or both on the same axes where they are comparable.

    own, printed: where a point of ours, and one of the paper, stands on the horizontal axis; None for one that has no place there.
    step_text: of the ticks; None for an axis of times.
    """

    xlabel: str
    own: Callable[[CurvePoint], float | None]
    printed: Callable[[CurvePoint], float | None]
    step_text: Callable[[int], str] | None = None

    def line(self, line: CurveLine) -> DrawnLine:
        """What is drawn of a line here; points without a place are not."""
        ours = [(self.own(p), p.value, p.spread and p.spread.band) for p in line.points if self.ours and p.value is not None]
        paper = [(self.printed(p), p.published_value) for p in line.points if self.paper and p.published_value is not None]
        measured = any(point.value is not None for point in line.points)
        ours, paper = ([point for point in points if point[0] is not None] for points in (ours, paper))
        return DrawnLine(METHOD_STYLES[line.method], ours, paper, "not measured" if measured else "not run")

    def steps(self, document: CurvesDocument) -> tuple[list[int], list[int]]:
        """Steps that the horizontal axis must reach: the planned milestones, and those of the paper's markers where they are drawn."""
        of = self.own if self.ours else self.printed
        planned = {of(point) for point in document.points if point.planned}
        markers = {self.printed(point) for point in document.points if self.paper and point.published}
        return sorted(planned - {None}), sorted(markers - {None})


def _sides(document: CurvesDocument) -> list[Side]:
    """The blocks of panels, from the top; one of the paper only where it has markers."""
    here, each = f"Ours at preset {document.preset}", any(panel.metric for panel in document.panels)
    if document.samples_here:
        here += f" ({'metrics' if each else METRIC_NAMES[document.metric]} over {count_text(document.samples_here)} samples)"
    paper = f"The paper ({METRIC_NAMES[document.metric]} over {count_text(document.samples)} samples): not the same scale"
    side = _side_of_times if document.against == "hours" else _side_of_steps
    if document.comparable:
        return [side(document, f"Lines: ours. {HOLLOW_MARKERS}" if document.printed else "Ours.", True, document.printed)]
    return [side(document, here, True, False), *([side(document, paper, False, True)] if document.printed else [])]


def _side_of_steps(document: CurvesDocument, heading: str, ours: bool, paper: bool) -> Side:
    def of_paper(point: CurvePoint) -> int:
        return point.paper_step

    if document.comparable:
        return Side(heading, ours, paper, "white", "training steps", of_paper, of_paper, steps_text)
    if ours:
        return Side(heading, ours, paper, "white", "training steps here", lambda point: point.step, of_paper, count_text)
    return Side(heading, ours, paper, PLATE, "training steps in the paper", of_paper, of_paper, steps_text)


def _side_of_times(document: CurvesDocument, heading: str, ours: bool, paper: bool) -> Side:
    """A side against times, in the unit that suits the longest time of the side."""
    times = [point.seconds for point in document.points if ours and point.value is not None]
    times += [point.published_seconds for point in document.points if paper]
    unit, seconds = time_unit(max(filter(None, times), default=0.0))
    place = "" if document.comparable else " here" if ours else " in the paper"

    def in_unit(time: float | None) -> float | None:
        return None if time is None else time / seconds

    ground = "white" if ours else PLATE
    return Side(heading, ours, paper, ground, f"{unit} of training{place}", lambda p: in_unit(p.seconds), lambda p: in_unit(p.published_seconds))


def draw_curves(document: CurvesDocument, base: Path) -> None:
    """Write `<base>.svg` and `<base>.png`."""
    with figure_style(document.id):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        layout = _Layout(document)
        figure = Figure(figsize=(PAGE_WIDTH, layout.height))
        FigureCanvasAgg(figure)
        for index, side in enumerate(layout.sides):
            _draw_side(figure, layout, index, side, document)
        save_figure(figure, base)


class _Layout:
    """Places of the panels in inches, from the top left."""

    left, right, gap_y, panel_height, heading, footer = 0.55, 0.62, 0.48, 1.35, 0.46, 0.55

    def __init__(self, document: CurvesDocument):
        self.sides = _sides(document)
        if any(panel.header for panel in document.panels):
            self.right = 0.95  # also for the numbers of the next panel's own axis
        self.columns = min(document.columns, len(document.panels))
        self.rows = math.ceil(len(document.panels) / self.columns)
        self.block = self.heading + self.rows * self.panel_height + (self.rows - 1) * self.gap_y + self.footer
        self.height = self.block * len(self.sides)
        # Every panel keeps room at its right for the labels of its lines.
        self.cell = (PAGE_WIDTH - self.left) / self.columns

    def panel(self, side: int, place: int) -> tuple[float, float, float, float]:
        row, column = divmod(place, self.columns)
        top = side * self.block + self.heading + row * (self.panel_height + self.gap_y)
        x, width = self.left + column * self.cell, self.cell - self.right
        bottom = self.height - top - self.panel_height
        return (x / PAGE_WIDTH, bottom / self.height, width / PAGE_WIDTH, self.panel_height / self.height)

    def from_top(self, inches: float) -> float:
        return 1 - inches / self.height


def _draw_side(figure: "Figure", layout: _Layout, index: int, side: Side, document: CurvesDocument) -> None:
    from matplotlib.patches import Rectangle

    top = index * layout.block
    if side.ground != "white":
        low = layout.from_top(top + layout.block)
        figure.add_artist(Rectangle((0, low), 1, layout.block / layout.height, transform=figure.transFigure, color=side.ground, zorder=-1))
    figure.text(0.1 / PAGE_WIDTH, layout.from_top(top + 0.17), side.heading, weight="bold", va="center")

    drawn = [[side.line(line) for line in panel.lines] for panel in document.panels]
    values: dict[str, list[float]] = {}
    for panel, lines in zip(document.panels, drawn, strict=True):
        values.setdefault(document.header_of(panel), []).extend(value for line in lines for value in line.values)
    planned, markers = side.steps(document)
    for place, (panel, lines) in enumerate(zip(document.panels, drawn, strict=True)):
        axes = figure.add_axes(layout.panel(index, place), facecolor="none")
        axes.tick_params(length=2.5, width=0.6)
        if side.step_text:
            _set_steps(axes, planned, markers, side.step_text)
        else:
            set_times(axes, max((place for line in lines for place in line.places), default=0.0) or 1.0)
        set_values(axes, values[document.header_of(panel)])
        axes.set_title(panel.header or panel.title, fontsize=TEXT, loc="left", pad=3)
        # One axis serves a row of panels that show the same.
        if place % layout.columns and len(values) == 1:
            axes.tick_params(labelleft=False)
        elif not panel.header:
            axes.set_ylabel(document.header)
        if place + layout.columns >= len(document.panels):  # none below it
            axes.set_xlabel(side.xlabel)
        draw_lines(axes, side, lines)


def _set_steps(axes: "Axes", planned: list[int], markers: list[int], text_of: Callable[[int], str]) -> None:
    """Give every panel of a side the same range of steps, with ticks at milestones, as many as have room."""
    from matplotlib.ticker import FixedFormatter, FixedLocator

    steps = sorted({*planned, *markers})
    if steps:
        span = steps[-1] - steps[0]
        axes.set_xlim(steps[0] - (0.08 * span or 1), steps[-1] + (0.08 * span or 1))
        steps = spaced(planned, markers, 0.24 * span)
    axes.xaxis.set_major_locator(FixedLocator(steps))
    axes.xaxis.set_major_formatter(FixedFormatter([text_of(step) for step in steps]))
