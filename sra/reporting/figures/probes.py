"""Probe accuracies against block, time or training: first what the figure shows (`build_probes`), then the picture (`draw_probes`)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sra.content.figures import ProbeLine, ProbesFigure
from sra.core.errors import InputError
from sra.reporting.documents import heading_of
from sra.reporting.figures.draw.axes import draw_band, label_ends, set_values, spaced
from sra.reporting.figures.draw.plates import Plate, Plates, draw_plates, not_below_zero
from sra.reporting.figures.draw.style import MUTED, MethodStyle, line_styles
from sra.reporting.inside_documents import ProbedLine, ProbePoint, ProbesDocument
from sra.reporting.read.probes import Probes, accuracy_of, published_line, without_ours
from sra.reporting.read.published import Published
from sra.reporting.read.spread import lines_remark
from sra.reporting.write.commands import missing_remark
from sra.reporting.write.numbers import ARROWS, METRIC_NAMES, count_text, milestone_text, steps_of_milestone
from sra.spec.scale import Carrier, Preset

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RULE = (
    "Each accuracy is that of a linear classifier, behind a batch norm, on a block's tokens averaged over the image, for images of the train split "
    "that it did not see."
)


def build_probes(
    figure: ProbesFigure, probes: Probes, published: Published, carriers: Mapping[str, Carrier], preset_id: str, preset: Preset
) -> ProbesDocument:
    """carriers: by run, from the paper's blocks to those of its model here."""
    lines = [_line(figure, line, probes, published, carriers[line.run], preset_id, preset) for line in figure.lines]
    return ProbesDocument(
        **heading_of(figure, preset_id, preset),
        rule=RULE,
        x=figure.x,
        header=f"{METRIC_NAMES['probe_accuracy']}, % {ARROWS['higher']}",
        lines=lines,
        remarks=_remarks(figure, lines, probes, preset_id, preset),
        alt=_alt(figure, lines),
    )


def _line(
    figure: ProbesFigure, line: ProbeLine, probes: Probes, published: Published, carrier: Carrier, preset_id: str, preset: Preset
) -> ProbedLine:
    """What is planned and the paper's points together, in the order of the axis."""
    numbers = published_line(published, line.published, figure.id) if line.published else {}
    planned = line.places(figure.x)
    everything = {*planned, *(_place_named(figure, end) for end in numbers)}
    points, first_on = [], {}
    for x in sorted(everything, key=lambda x: _on_axis(figure, x)):
        block = x if figure.x == "block" else line.blocks[0]
        time = x if figure.x == "time" else line.times[0]
        milestone = x if figure.x == "milestone" else line.milestones[0]
        here, number = carrier.block(block), numbers.get(key_end(figure, x))
        if x not in planned:
            accuracy = without_ours(number, "not asked", "a point of the paper alone")
        elif figure.x == "block" and here in first_on:
            accuracy = without_ours(number, "same", f"block {here} here, which stands at block {first_on[here]} already")
        else:
            first_on.setdefault(here, block)
            accuracy = accuracy_of(probes, line.run, milestone, time, here, number, preset_id, preset)
        place = {"block": here, "time": time, "milestone": preset.milestones.get(milestone)}[figure.x]
        where = {"milestone": milestone, "time": time, "block": block, "block_here": here}
        points.append(ProbePoint(**accuracy.model_dump(), x=_on_axis(figure, x), place=place, **where))
    return ProbedLine(method=line.method, label=line.label, run=line.run, points=points)


def _on_axis(figure: ProbesFigure, x: float | str) -> float:
    return steps_of_milestone(x) if figure.x == "milestone" else x


def key_end(figure: ProbesFigure, x: float | str) -> str:
    """What completes the key of a published value: b20, t100 (thousandths of the time range) or m400k."""
    if figure.x == "milestone":
        return x
    return f"b{x}" if figure.x == "block" else f"t{round(1000 * x):03d}"


def _place_named(figure: ProbesFigure, end: str) -> float | str:
    """The inverse of `key_end`."""
    if figure.x == "milestone":
        return end
    found = re.fullmatch(r"b(\d+)" if figure.x == "block" else r"t(\d{3})", end)
    if not found:
        wanted = "b and a block, such as b20" if figure.x == "block" else "t and thousandths of the time range, such as t100"
        raise InputError(f"{figure.id}: a published key ends in {end!r}, expected {wanted}")
    return int(found[1]) if figure.x == "block" else int(found[1]) / 1000


def _remarks(figure: ProbesFigure, lines: list[ProbedLine], probes: Probes, preset_id: str, preset: Preset) -> list[str]:
    has_published = any(point.published for line in lines for point in line.points)
    remarks = [lines_remark(point.spread for line in lines for point in line.points)]
    remarks[0] += " Hollow markers: the paper." if preset.comparable and has_published else ""
    if has_published and not preset.comparable:
        remarks.append("The paper's points have axes of their own: another data set, another model.")
    remarks += stands_remarks({line.run: line.points[0] for line in lines}, figure.x, preset)
    remarks += block_remarks([(point.block, point.block_here) for line in lines for point in line.points if point.status != "not asked"])
    found = (probes.find(line.run, point.milestone, point.time) for line in lines for point in line.points)
    counts = sorted({(probed.first.record.train_images, probed.first.record.held_out_images) for probed in found if probed})
    remarks += [f"Trained on {count_text(train)} images, scored on {count_text(held_out)} others." for train, held_out in counts]
    absent = list(dict.fromkeys(point.milestone for line in lines for point in line.points if point.status == "beyond"))
    if absent:
        remarks.append(f"Not run at preset {preset_id}: {', '.join(map(milestone_text, absent))}.")
    wanted = [point for line in lines for point in line.points if point.status in ("ok", "not run")]
    missing = sum(point.status == "not run" for point in wanted)
    return remarks + missing_remark(missing, len(wanted), "points", figure.id, preset_id)


def stands_remarks(points: Mapping[str, ProbePoint], x: str, preset: Preset) -> list[str]:
    """Which run at which milestone each line shows, by run and its first point; of a line over milestones the run alone."""
    if x == "milestone":
        return [f"Run: {', '.join(points)}."]
    shown = []
    for run, point in points.items():
        step = preset.milestones.get(point.milestone)
        here = "" if preset.comparable or step is None else f", step {count_text(step)} here"
        shown.append(f"{run} at {milestone_text(point.milestone)}{here}")
    return [f"Run{'s' if len(shown) > 1 else ''}: {'; '.join(shown)}."]


def block_remarks(pairs: list[tuple[int, int]]) -> list[str]:
    """How the paper's blocks map to the model here, and which of them share one. pairs: (block of the paper, block here)."""
    mapped = dict(sorted(pairs))
    if all(block == here for block, here in mapped.items()):
        return []
    remarks = [
        f"The paper's block{'s' if len(mapped) > 1 else ''} {_listed(mapped)} {'are' if len(mapped) > 1 else 'is'} {_listed(mapped.values())} here."
    ]
    sharing: dict[int, list[int]] = {}
    for block, here in mapped.items():
        sharing.setdefault(here, []).append(block)
    remarks += [
        f"Blocks {_listed(blocks)} are one block here, {here}, and shown once, as block {blocks[0]}."
        for here, blocks in sharing.items()
        if len(blocks) > 1
    ]
    return remarks


def _listed(numbers) -> str:
    return ", ".join(map(str, numbers))


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


@dataclass(frozen=True)
class _Axis:
    """The horizontal axis of one plate: its words, and the place of a point on it."""

    label: str
    place: str  # field of a point

    def text(self, x: str, place: float) -> str:
        if x == "milestone":
            return milestone_steps(int(place)) if self.place == "x" else count_text(int(place))
        return f"{place:g}"


def milestone_steps(step: int) -> str:
    return f"{step // 1_000_000}M" if step % 1_000_000 == 0 and step else f"{step // 1000}K"


LEAST_BETWEEN = {"block": 0.05, "time": 0.1, "milestone": 0.18}  # ticks, as a share of the axis
WORDS = {"block": "block", "time": "time, as a share of its range", "milestone": "training steps"}


def draw_probes(document: ProbesDocument, base: Path) -> None:
    """Write `<base>.svg` and `<base>.png`."""
    published = any(point.published for line in document.lines for point in line.points)
    styles = line_styles([line.method for line in document.lines], [line.label for line in document.lines])
    longest = max(len(line.label) for line in document.lines)

    def paint(axes: "Axes", plate: Plate) -> None:
        papers = document.comparable or not plate.ours
        words = WORDS[document.x] + ("" if papers or document.x == "time" else " here")
        _draw_lines(axes, document, plate, styles, _Axis(words, "x" if papers else "place"))

    both = "Lines: ours. Hollow markers: the paper."
    draw_plates(Plates(document.id, document.comparable, document.preset, published, both, document.header, longest), paint, base)


def _draw_lines(axes: "Axes", document: ProbesDocument, plate: Plate, styles: list[MethodStyle], axis: _Axis) -> None:
    points = [point for line in document.lines for point in line.points]
    values = [value for point in points for value in _shown(point, plate)]
    values += [edge for point in points if plate.ours and point.spread for edge in point.spread.edges(point.value)]
    set_values(axes, [100 * value for value in values], logarithmic=False)
    not_below_zero(axes)
    _set_places(axes, document, plate, axis)
    ends, absent = [], []
    for line, style in zip(document.lines, styles, strict=True):
        ours = [(getattr(point, axis.place), 100 * point.value) for point in line.points if plate.ours and point.value is not None]
        paper = [(point.x, 100 * point.published_value) for point in line.points if plate.paper and point.published_value is not None]
        if ours:
            axes.plot(*zip(*ours, strict=True), color=style.colour, linestyle=style.line, marker=style.marker, zorder=3)
            banded = [(getattr(point, axis.place), 100 * point.value, 100 * point.spread.band) for point in line.points if point.spread]
            draw_band(axes, banded, style.colour)
        elif plate.ours:
            absent.append(style.name)
        if paper:
            plate.draw_paper(axes, paper, style)
        if ours or paper:
            ends.append((max(place for place, _ in ours + paper), (ours or paper)[-1][1], style))
    if absent:
        axes.text(0.04, 0.05, f"{', '.join(absent)}: not run", transform=axes.transAxes, color=MUTED)
    if ends:
        label_ends(axes, ends)


def _shown(point: ProbePoint, plate: Plate) -> list[float]:
    found = [point.value if plate.ours else None, point.published_value if plate.paper else None]
    return [value for value in found if value is not None]


def _set_places(axes: "Axes", document: ProbesDocument, plate: Plate, axis: _Axis) -> None:
    """A tick at every place that has a point or waits for one, as many as have room."""
    from matplotlib.ticker import FixedFormatter, FixedLocator

    points = [point for line in document.lines for point in line.points]
    shown = [point for point in points if _shown(point, plate) or (plate.ours and point.status == "not run")]
    places = sorted({getattr(point, axis.place) for point in shown} - {None})
    axes.tick_params(length=2.5, width=0.6)
    axes.set_xlabel(axis.label)
    if places:
        margin = 0.06 * (places[-1] - places[0]) or 1
        axes.set_xlim(places[0] - margin, places[-1] + margin)
    ticks = spaced(places, [], LEAST_BETWEEN[document.x] * (places[-1] - places[0])) if places else []
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FixedFormatter([axis.text(document.x, tick) for tick in ticks]))
