"""Probe accuracies against block, time or training: first what the figure shows (`build_probes`), then the picture (`draw_probes`)."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sra.content.figures import ProbeLine, ProbesFigure
from sra.core.errors import InputError
from sra.reporting.display import heading_of
from sra.reporting.figures.draw.axes import not_below_zero, set_values, spaced, steps_text
from sra.reporting.figures.draw.plates import DrawnLine, Plate, Plates, draw_lines, draw_plates
from sra.reporting.figures.draw.style import MethodStyle, line_styles
from sra.reporting.figures.picture import DataTable, InspectionDocument
from sra.reporting.figures.remarks import HOLLOW_MARKERS, block_remarks, block_text, comparison_remarks, not_run_remarks
from sra.reporting.read.comparison import AccuracyComparison, Outcome
from sra.reporting.read.evidence import Evidence
from sra.reporting.read.spread import lines_remark
from sra.reporting.write.numbers import ABSENT, count_text, metric_header, milestone_text, steps_of_milestone
from sra.spec.base import Strict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RULE = (
    "Each accuracy is that of a linear classifier, behind a batch norm, on a block's tokens averaged over the image, for images of the train split "
    "that it did not see."
)


class ProbePoint(AccuracyComparison):
    """One probe. x, place: where it stands on the paper's axis and on ours (block, time or step); place is None where the preset has no such step."""

    x: float
    place: float | None
    milestone: str
    time: float
    block: int
    block_here: int


class ProbedLine(Strict):
    """One line of the plot: a run, at its milestones, times or blocks."""

    method: Literal["none", "sra", "repa"]
    label: str
    run: str
    points: list[ProbePoint]


class ProbesDocument(InspectionDocument):
    """Probe accuracies against block, time or training steps."""

    kind: Literal["probes"] = "probes"
    x: Literal["block", "time", "milestone"]
    header: str
    lines: list[ProbedLine]

    @property
    def points(self) -> list[ProbePoint]:
        return [point for line in self.lines for point in line.points]

    def as_table(self) -> DataTable:
        rows = [
            [
                line.label,
                line.run,
                milestone_text(point.milestone),
                f"{point.time:g}",
                block_text(point.block, point.block_here),
                point.published or ABSENT,
                point.text,
                point.reason or ABSENT,
            ]
            for line in self.lines
            for point in line.points
        ]
        columns = ["Line", "Run", "Milestone", "Time", "Block", "paper", "ours", "Remark"]
        return DataTable(f"{self.header}, as drawn", columns, [False, False, False, True, True, True, True, False], rows)

    def statuses(self) -> list[str]:
        return [point.status for point in self.points]


def build_probes(figure: ProbesFigure, evidence: Evidence) -> ProbesDocument:
    lines = [_line(figure, line, evidence) for line in figure.lines]
    return ProbesDocument(
        **heading_of(figure, evidence),
        caption=figure.caption,
        rule=RULE,
        x=figure.x,
        header=metric_header("probe_accuracy", "higher", ", %"),
        lines=lines,
        remarks=_remarks(figure, lines, evidence),
        alt=_alt(figure, lines),
    )


def _line(figure: ProbesFigure, line: ProbeLine, evidence: Evidence) -> ProbedLine:
    """What is planned and the paper's points together, in the order of the axis."""
    numbers = evidence.published.curve(line.published, "probe_accuracy", figure.id)
    planned, carrier = line.places(figure.x), evidence.carriers[line.run]
    points, first_on = [], {}
    for x in sorted({*planned, *(_place_named(figure, end) for end in numbers)}, key=lambda x: _on_axis(figure, x)):
        block = x if figure.x == "block" else line.blocks[0]
        time = x if figure.x == "time" else line.times[0]
        milestone = x if figure.x == "milestone" else line.milestones[0]
        here = carrier.block(block)
        if x not in planned:
            ours = Outcome("not asked", reason="a point of the paper alone")
        elif figure.x == "block" and here in first_on:
            ours = Outcome("same", reason=f"block {here} here, which stands at block {first_on[here]} already")
        else:
            first_on.setdefault(here, block)
            ours = evidence.accuracy(line.run, milestone, time, here)
        place = {"block": here, "time": time, "milestone": evidence.preset.milestones.get(milestone)}[figure.x]
        where = {"milestone": milestone, "time": time, "block": block, "block_here": here}
        points.append(ProbePoint.of(numbers.get(key_end(figure, x)), ours, x=_on_axis(figure, x), place=place, **where))
    return ProbedLine(method=line.method, label=line.label, run=line.run, points=points)


def _on_axis(figure: ProbesFigure, x: float | str) -> float:
    return steps_of_milestone(x) if figure.x == "milestone" else x


def key_end(figure: ProbesFigure, x: float | str) -> str:
    """What completes the key of a published value: b20, t100 (thousandths of the time range) or m400k."""
    if figure.x == "milestone":
        return x
    return f"b{x}" if figure.x == "block" else f"t{round(1000 * x):03d}"


def _place_named(figure: ProbesFigure, end: str) -> float | str:
    """The place on the axis that the end of a key names, the inverse of `key_end`."""
    if figure.x == "milestone":
        return end
    found = re.fullmatch(r"b(\d+)" if figure.x == "block" else r"t(\d{3})", end)
    if not found:
        wanted = "b and a block, such as b20" if figure.x == "block" else "t and thousandths of the time range, such as t100"
        raise InputError(f"{figure.id}: a published key ends in {end!r}, expected {wanted}")
    return int(found[1]) if figure.x == "block" else int(found[1]) / 1000


def _remarks(figure: ProbesFigure, lines: list[ProbedLine], evidence: Evidence) -> list[str]:
    points, ours = [point for line in lines for point in line.points], lines_remark(point.spread for line in lines for point in line.points)
    apart = "The paper's points have axes of their own: another data set, another model."
    remarks = comparison_remarks(any(point.published for point in points), evidence.preset.comparable, ours, HOLLOW_MARKERS, apart)
    runs = {line.run: evidence.run_at(line.run, line.points[0].milestone) for line in lines}
    if figure.x == "milestone":
        remarks.append(f"Run: {', '.join(runs)}.")
    else:
        remarks.append(f"Run{'s' if len(runs) > 1 else ''}: {'; '.join(runs.values())}.")
    remarks += block_remarks((point.block, point.block_here) for point in points if point.status != "not asked")
    found = (evidence.probes.find(line.run, point.milestone, point.time) for line in lines for point in line.points)
    counts = sorted({(probed.first.record.train_images, probed.first.record.held_out_images) for probed in found if probed})
    remarks += [f"Trained on {count_text(train)} images, scored on {count_text(held_out)} others." for train, held_out in counts]
    asked = [point.status == "ok" for point in points if point.status in ("ok", "not run")]
    return remarks + not_run_remarks(evidence, figure.id, [point.milestone for point in points if point.status == "beyond"], asked)


def _alt(figure: ProbesFigure, lines: list[ProbedLine]) -> str:
    """What the picture shows, and where each line is highest."""
    against = {"block": "block", "time": "time", "milestone": "training step"}[figure.x]
    peaks = []
    for line in lines:
        measured = [point for point in line.points if point.value is not None]
        if measured:
            best = max(measured, key=lambda point: point.value)
            place = {"block": f"block {best.block}", "time": f"time {best.time:g}", "milestone": milestone_text(best.milestone)}[figure.x]
            peaks.append(f"{line.label} {best.text} % at {place}")
    outcome = f"highest of ours: {'; '.join(peaks)}" if peaks else "nothing has been measured yet"
    return f"Line chart of probe accuracy against {against}, {len(lines)} line{'s' if len(lines) > 1 else ''}; {outcome}."


# The picture

LEAST_BETWEEN = {"block": 0.05, "time": 0.1, "milestone": 0.18}  # ticks, as a share of the axis
WORDS = {"block": "block", "time": "time, as a share of its range", "milestone": "training steps"}


def draw_probes(document: ProbesDocument, base: Path) -> None:
    """Write `<base>.svg` and `<base>.png`."""
    styles = line_styles([line.method for line in document.lines], [line.label for line in document.lines])
    longest = max(len(line.label) for line in document.lines)

    def paint(axes: "Axes", plate: Plate) -> None:
        of_paper = document.comparable or not plate.ours  # the axis
        lines = [_drawn(line, style, plate, of_paper) for line, style in zip(document.lines, styles, strict=True)]
        set_values(axes, [value for line in lines for value in line.values], logarithmic=False)
        not_below_zero(axes)
        axes.set_xlabel(WORDS[document.x] + ("" if of_paper or document.x == "time" else " here"))
        _set_places(axes, document, plate, of_paper)
        draw_lines(axes, plate, lines)

    both, published = f"Lines: ours. {HOLLOW_MARKERS}", any(point.published for point in document.points)
    draw_plates(Plates(document.id, document.comparable, document.preset, published, both, document.header, longest), paint, base)


def _place(point: ProbePoint, of_paper: bool) -> float | None:
    return point.x if of_paper else point.place


def _drawn(line: ProbedLine, style: MethodStyle, plate: Plate, of_paper: bool) -> DrawnLine:
    """One line of the document as it is drawn, in percent."""
    ours = [
        (_place(point, of_paper), 100 * point.value, point.spread and 100 * point.spread.band)
        for point in line.points
        if plate.ours and point.value is not None
    ]
    paper = [(point.x, 100 * point.published_value) for point in line.points if plate.paper and point.published_value is not None]
    return DrawnLine(style, ours, paper)


def _set_places(axes: "Axes", document: ProbesDocument, plate: Plate, of_paper: bool) -> None:
    """Set a tick at every place that has a point or waits for one, as many as have room."""
    from matplotlib.ticker import FixedFormatter, FixedLocator

    def shown(point: ProbePoint) -> bool:
        ours = plate.ours and (point.value is not None or point.status == "not run")
        return ours or (plate.paper and point.published_value is not None)

    places = sorted({_place(point, of_paper) for point in document.points if shown(point)} - {None})
    axes.tick_params(length=2.5, width=0.6)
    if places:
        margin = 0.06 * (places[-1] - places[0]) or 1
        axes.set_xlim(places[0] - margin, places[-1] + margin)
    ticks = spaced(places, [], LEAST_BETWEEN[document.x] * (places[-1] - places[0])) if places else []
    steps = steps_text if of_paper else count_text
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FixedFormatter([steps(int(tick)) if document.x == "milestone" else f"{tick:g}" for tick in ticks]))
