"""A metric against training steps, one small panel a model: first what it shows (`build_curves`), then the picture (`draw_curves`)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sra.reporting.axes import label_ends, set_values, spaced
from sra.reporting.documents import CurveLine, CurvePanel, CurvePoint, CurvesDocument, heading_of
from sra.reporting.numbers import ARROWS, METRIC_NAMES, count_text, milestone_text, steps_of_milestone
from sra.reporting.published import Published
from sra.reporting.scores import Scores, outcome_of
from sra.reporting.spread import seeds_text
from sra.reporting.style import METHOD_STYLES, MUTED, PAGE_WIDTH, PLATE, TEXT, figure_style, save_figure
from sra.spec.display import CurvesFigure, Panel, ScoreOf, Series
from sra.spec.scale import Preset

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def build_curves(figure: CurvesFigure, scores: Scores, published: Published, preset_id: str, preset: Preset) -> CurvesDocument:
    panels = [
        CurvePanel(
            title=panel.title,
            sampler=panel.sampler,
            lines=[_line(figure, panel, series, scores, published, preset_id, preset) for series in panel.series],
        )
        for panel in figure.panels
    ]
    return CurvesDocument(
        **heading_of(figure, preset_id, preset),
        metric=figure.metric,
        header=f"{METRIC_NAMES[figure.metric]} {ARROWS[figure.better]}",
        better=figure.better,
        samples=figure.samples,
        samples_here=preset.samples.get(figure.samples),
        columns=figure.columns,
        panels=panels,
        remarks=_remarks(figure, panels, preset_id, preset),
        alt=_alt(figure, panels, preset),
    )


def _line(figure: CurvesFigure, panel: Panel, series: Series, scores: Scores, published: Published, preset_id: str, preset: Preset) -> CurveLine:
    """The panel's milestones and the paper's markers together, in order of steps."""
    where = f"{figure.id}, panel {panel.title}"
    markers = published.curve(series.published, figure.metric, where) if series.published else {}
    points = []
    for milestone in sorted({*figure.milestones_of(panel), *markers}, key=steps_of_milestone):
        score = ScoreOf(milestone=milestone, sampler=panel.sampler, samples=figure.samples)
        planned = milestone in figure.milestones_of(panel)
        outcome = outcome_of(scores, series.run, score, figure.metric, preset_id, preset)
        marker, found = markers.get(milestone), scores.find(series.run, score)
        points.append(
            CurvePoint(
                milestone=milestone,
                paper_step=steps_of_milestone(milestone),
                step=preset.milestones.get(milestone),
                planned=planned,
                published=marker.text if marker else None,
                published_value=marker.value if marker else None,
                source=marker.credit if marker else None,
                value=outcome.value,
                spread=outcome.spread,
                status=outcome.status,
                reason=outcome.reason if planned or outcome.value is not None else "a marker of the paper alone",
                score_sha256=found.first.sha256 if found else None,
            )
        )
    return CurveLine(method=series.method, run=series.run, points=points)


def _remarks(figure: CurvesFigure, panels: list[CurvePanel], preset_id: str, preset: Preset) -> list[str]:
    points = [point for panel in panels for line in panel.lines for point in line.points]
    banded = any(point.spread for point in points)
    ours = f"Lines: ours, {seeds_text(point.spread for point in points)}{', drawn as a band' if banded else ', no band'}."
    remarks = [ours + (" Hollow markers: the paper." if preset.comparable else "")]
    if not preset.comparable:
        remarks.append("The paper's markers have axes of their own: another data set, another feature network, other steps.")
    absent = [milestone for milestone in figure.milestones if milestone not in preset.milestones]
    if absent:
        remarks.append(f"Not run at preset {preset_id}: {', '.join(map(milestone_text, absent))}.")
    planned = [point for point in points if point.planned and point.step is not None]
    missing = sum(point.status == "not run" for point in planned)
    if missing:
        remarks.append(f"Not run yet: {missing} of {len(planned)} points.")
    return remarks


def _alt(figure: CurvesFigure, panels: list[CurvePanel], preset: Preset) -> str:
    """What the picture shows, and who is better where both were measured."""
    better, pairs = 0, 0
    for panel in panels:
        lines = {line.method: {point.milestone: point.value for point in line.points if point.value is not None} for line in panel.lines}
        for milestone in lines.get("none", {}).keys() & lines.get("sra", {}).keys():
            pairs += 1
            gap = lines["sra"][milestone] - lines["none"][milestone]
            better += gap < 0 if figure.better == "lower" else gap > 0
    outcome = f"SRA is better than its baseline at {better} of {pairs} measured points" if pairs else "nothing has been measured yet"
    place = "" if preset.comparable else ", and below them the paper's markers on axes of their own"
    return f"Line charts of {METRIC_NAMES[figure.metric]} over training steps, {len(panels)} models{place}; {outcome}."


# The picture


@dataclass(frozen=True)
class Side:
    """One block of panels: ours, the paper's, or both on the same axes where they are comparable."""

    heading: str
    ours: bool
    paper: bool
    plate: str
    xlabel: str
    step: Callable[[CurvePoint], int | None]
    step_text: Callable[[int], str]

    def values(self, panel: CurvePanel) -> list[float]:
        points = [point for line in panel.lines for point in line.points]
        ours = [point.value for point in points if self.ours and point.value is not None]
        return ours + [point.published_value for point in points if self.paper and point.published_value is not None]

    def steps(self, document: CurvesDocument) -> tuple[list[int], list[int]]:
        """Steps that the horizontal axis must reach: the planned milestones, and those of the paper's markers where they are drawn."""
        points = [point for panel in document.panels for line in panel.lines for point in line.points]
        planned = {self.step(point) for point in points if point.planned}
        markers = {self.step(point) for point in points if self.paper and point.published}
        return sorted(planned - {None}), sorted(markers - {None})


def _sides(document: CurvesDocument) -> list[Side]:
    if document.comparable:
        return [Side("Lines: ours. Hollow markers: the paper.", True, True, "white", "training steps", lambda point: point.paper_step, _steps_text)]
    here = f"Ours at preset {document.preset}"
    if document.samples_here:
        here += f" ({METRIC_NAMES[document.metric]} over {count_text(document.samples_here)} samples)"
    paper = f"The paper ({METRIC_NAMES[document.metric]} over {count_text(document.samples)} samples): not the same scale"
    return [
        Side(here, True, False, "white", "training steps here", lambda point: point.step, count_text),
        Side(paper, False, True, PLATE, "training steps in the paper", lambda point: point.paper_step, _steps_text),
    ]


def _steps_text(step: int) -> str:
    return f"{step // 1_000_000}M" if step % 1_000_000 == 0 and step else f"{step // 1000}K"


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
    if side.plate != "white":
        low = layout.from_top(top + layout.block)
        figure.add_artist(Rectangle((0, low), 1, layout.block / layout.height, transform=figure.transFigure, color=side.plate, zorder=-1))
    figure.text(0.1 / PAGE_WIDTH, layout.from_top(top + 0.17), side.heading, weight="bold", va="center")

    values = [value for panel in document.panels for value in side.values(panel)]
    planned, markers = side.steps(document)
    last_row = (layout.rows - 1) * layout.columns
    for place, panel in enumerate(document.panels):
        axes = figure.add_axes(layout.panel(index, place), facecolor="none")
        _set_steps(axes, planned, markers, side)
        set_values(axes, values)
        axes.set_title(panel.title, fontsize=TEXT, loc="left", pad=3)
        if place % layout.columns:
            axes.tick_params(labelleft=False)
        else:
            axes.set_ylabel(document.header)
        if place >= last_row:
            axes.set_xlabel(side.xlabel)
        _draw_panel(axes, panel, side)


def _draw_panel(axes: "Axes", panel: CurvePanel, side: Side) -> None:
    ends, absent = [], []
    for line in panel.lines:
        style = METHOD_STYLES[line.method]
        ours = [(side.step(point), point.value) for point in line.points if side.ours and point.value is not None]
        paper = [(side.step(point), point.published_value) for point in line.points if side.paper and point.published_value is not None]
        if ours:
            axes.plot(*zip(*ours, strict=True), color=style.colour, linestyle=style.line, marker=style.marker, zorder=3)
            _draw_band(axes, line, side, style.colour)
        elif side.ours:
            absent.append(style.name)
        if paper:
            # Hollow, and joined at most to each other by a thin line, so that they never read as a curve of ours.
            thin = 0.0 if side.ours else 0.6
            hollow = {"markerfacecolor": "none" if side.ours else side.plate, "markeredgewidth": 1.0, "markersize": 4.5}
            axes.plot(*zip(*paper, strict=True), color=style.colour, linewidth=thin, marker=style.marker, zorder=4, **hollow)
        if ours or paper:
            ends.append((max(step for step, _ in ours + paper), (ours or paper)[-1][1], style))
    if absent:
        axes.text(0.04, 0.05, f"{', '.join(absent)}: not run", transform=axes.transAxes, color=MUTED)
    if ends:
        label_ends(axes, ends)


def _draw_band(axes: "Axes", line: CurveLine, side: Side, colour: str) -> None:
    """One standard deviation over the seeds to each side of the mean; none where there is one seed."""
    banded = [point for point in line.points if point.value is not None and point.spread and point.spread.band is not None]
    if banded:
        low, high = ([point.value + sign * point.spread.band for point in banded] for sign in (-1, 1))
        axes.fill_between([side.step(point) for point in banded], low, high, color=colour, alpha=0.2, linewidth=0, zorder=2)


def _set_steps(axes: "Axes", planned: list[int], markers: list[int], side: Side) -> None:
    """The same range in every panel of a side; ticks at milestones, as many as have room."""
    from matplotlib.ticker import FixedFormatter, FixedLocator

    axes.tick_params(length=2.5, width=0.6)
    steps = sorted({*planned, *markers})
    if steps:
        span = steps[-1] - steps[0]
        axes.set_xlim(steps[0] - (0.08 * span or 1), steps[-1] + (0.08 * span or 1))
        steps = spaced(planned, markers, 0.24 * span)
    axes.xaxis.set_major_locator(FixedLocator(steps))
    axes.xaxis.set_major_formatter(FixedFormatter([side.step_text(step) for step in steps]))
