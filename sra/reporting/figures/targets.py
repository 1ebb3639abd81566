"""FID of runs that differ in the target block against how well that block is probed: what the figure shows, then the picture."""

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sra.content.figures import TargetPoint, TargetsFigure
from sra.reporting.display import heading_of
from sra.reporting.figures.draw.axes import set_values, spread
from sra.reporting.figures.draw.plates import Plate, Plates, draw_plates
from sra.reporting.figures.draw.style import METHOD_STYLES, TEXT
from sra.reporting.figures.picture import DataTable, InspectionDocument
from sra.reporting.figures.probes import RULE
from sra.reporting.figures.remarks import block_remarks, block_text, comparison_remarks, not_run_remarks
from sra.reporting.read.comparison import AccuracyComparison, Outcome, ScoreComparison
from sra.reporting.read.evidence import Evidence
from sra.reporting.read.spread import seeds_text
from sra.reporting.write.numbers import ABSENT, METRIC_NAMES, count_text, metric_header, milestone_text, number_text
from sra.spec.base import Strict
from sra.spec.metric import ScoreOf

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST_FOR_CORRELATION = 3


class TargetedPoint(Strict):
    """One target block: how well it is probed in the baseline, and the FID of the run that was aligned with it."""

    block: int
    block_here: int
    run: str | None
    accuracy: AccuracyComparison
    fid: ScoreComparison

    @property
    def ours(self) -> tuple[float, float] | None:
        """Ours (accuracy, FID), when both are there."""
        return _both(self.accuracy.value, self.fid.value)

    @property
    def published(self) -> tuple[float, float] | None:
        return _both(self.accuracy.published_value, self.fid.published_value)


def _both(accuracy: float | None, fid: float | None) -> tuple[float, float] | None:
    return None if accuracy is None or fid is None else (accuracy, fid)


class BaselineFid(ScoreComparison):
    """The FID of the run without alignment."""

    run: str


class TargetsDocument(InspectionDocument):
    """FID against the accuracy of the target block. probed_run, probed_milestone, time: whose accuracies these are."""

    kind: Literal["targets"] = "targets"
    probed_label: str
    probed_run: str
    probed_milestone: str
    time: float
    milestone: str
    sampler: str
    samples: int
    samples_here: int | None
    baseline: BaselineFid
    points: list[TargetedPoint]

    def scores(self) -> list[tuple[str, ScoreOf]]:
        score = ScoreOf(milestone=self.milestone, sampler=self.sampler, samples=self.samples)
        runs = [point.run for point in self.points if point.fid.status not in ("same", "not asked")]
        return [(run, score) for run in dict.fromkeys([self.baseline.run, *runs])]

    def as_table(self) -> DataTable:
        rows = [
            [
                block_text(point.block, point.block_here),
                point.run or ABSENT,
                point.accuracy.published or ABSENT,
                point.accuracy.text,
                point.fid.published or ABSENT,
                point.fid.text,
                "; ".join(dict.fromkeys(filter(None, (point.accuracy.reason, point.fid.reason)))) or ABSENT,
            ]
            for point in self.points
        ]
        none = self.baseline
        rows.append(["no target", none.run, ABSENT, ABSENT, none.published or ABSENT, none.text, none.reason or ABSENT])
        fid = METRIC_NAMES["fid"]
        columns = ["Target block", "Run", "accuracy, paper", "accuracy, ours", f"{fid}, paper", f"{fid}, ours", "Remark"]
        return DataTable("Accuracy of the target block in percent, and FID, as drawn", columns, [False, False, True, True, True, True, False], rows)

    def statuses(self) -> list[str]:
        return [self.baseline.status, *(status for point in self.points for status in (point.accuracy.status, point.fid.status))]


def build_targets(figure: TargetsFigure, evidence: Evidence) -> TargetsDocument:
    carrier, points, first_on = evidence.carriers[figure.probed.run], [], {}
    for point in figure.points:
        here = carrier.block(point.block)
        points.append(_point(figure, point, here, first_on.get(here), evidence))
        if point.run:
            first_on.setdefault(here, point.block)
    printed = evidence.published.number(figure.baseline_published, "fid", figure.id)
    return TargetsDocument(
        **heading_of(figure, evidence),
        caption=figure.caption,
        rule=RULE,
        probed_label=figure.probed.label,
        probed_run=figure.probed.run,
        probed_milestone=figure.probed.milestones[0],
        time=figure.probed.times[0],
        milestone=figure.milestone,
        sampler=figure.sampler,
        samples=figure.samples,
        samples_here=evidence.preset.samples.get(figure.samples),
        baseline=BaselineFid.of(printed, _our_fid(figure, figure.baseline, evidence), run=figure.baseline),
        points=points,
        remarks=_remarks(figure, points, evidence),
        alt=_alt(points),
    )


def _point(figure: TargetsFigure, point: TargetPoint, here: int, earlier: int | None, evidence: Evidence) -> TargetedPoint:
    """One point. earlier: the paper's block of a point that has the same block here already; this one is then its run once more."""
    probed = figure.probed
    if point.run is None:
        accuracy = fid = Outcome("not asked", reason="a point of the paper alone")
    elif earlier is not None:
        accuracy = fid = Outcome("same", reason=f"block {here} here, which stands at block {earlier} already")
    else:
        accuracy = evidence.accuracy(probed.run, probed.milestones[0], probed.times[0], here)
        fid = _our_fid(figure, point.run, evidence)
    printed = [evidence.published.number(point.published, metric, figure.id) for metric in ("probe_accuracy", "fid")]
    return TargetedPoint(
        block=point.block,
        block_here=here,
        run=point.run,
        accuracy=AccuracyComparison.of(printed[0], accuracy),
        fid=ScoreComparison.of(printed[1], fid),
    )


def _our_fid(figure: TargetsFigure, run: str, evidence: Evidence) -> Outcome:
    if reason := evidence.beyond(figure.milestone):
        return Outcome("beyond", reason=reason)
    return evidence.score(run, ScoreOf(milestone=figure.milestone, sampler=figure.sampler, samples=figure.samples), "fid")


def _remarks(figure: TargetsFigure, points: list[TargetedPoint], evidence: Evidence) -> list[str]:
    probed, fids = figure.probed, [point.fid for point in points]
    filled = f"Filled: ours, {seeds_text(fid.spread for fid in fids)}."
    apart = "The paper's points have axes of their own: another data set, another model, another feature network."
    remarks = comparison_remarks(any(point.published for point in points), evidence.preset.comparable, filled, "Hollow: the paper.", apart)
    remarks.append(
        f"Across: accuracy of the target block in {probed.label} ({probed.run} at {milestone_text(probed.milestones[0])}), time {probed.times[0]:g}. "
        f"Up: FID at {milestone_text(figure.milestone)}; the level line is that of the baseline ({figure.baseline}). Each point is marked by its "
        "block in the paper's model."
    )
    remarks += block_remarks((point.block, point.block_here) for point in points if point.run)
    alone = [str(point.block) for point in points if point.run is None]
    if alone:
        remarks.append(f"Of the paper alone: block{'s' if len(alone) > 1 else ''} {', '.join(alone)}.")
    found = evidence.probes.find(probed.run, probed.milestones[0], probed.times[0])
    if found:
        record = found.first.record
        remarks.append(f"Probes trained on {count_text(record.train_images)} images, scored on {count_text(record.held_out_images)} others.")
    for whose, pairs in (("Ours", [point.ours for point in points]), ("The paper's", [point.published for point in points])):
        pairs = [pair for pair in pairs if pair]
        if (correlation := pearson(pairs)) is not None:
            remarks.append(f"{whose}: correlation of accuracy and FID {number_text(correlation, '.2f')} over {len(pairs)} points.")
    asked = [point.ours is not None for point in points if point.fid.status not in ("same", "not asked")]
    return remarks + not_run_remarks(evidence, figure.id, [], asked)


def pearson(pairs: list[tuple[float, float]]) -> float | None:
    """Correlation coefficient; None for fewer than three pairs, or where one of the two does not vary."""
    if len(pairs) < LEAST_FOR_CORRELATION:
        return None
    try:
        return statistics.correlation(*zip(*pairs, strict=True))
    except statistics.StatisticsError:
        return None


def _alt(points: list[TargetedPoint]) -> str:
    measured = [point.ours for point in points if point.ours]
    if not measured:
        return f"Scatter plot of {METRIC_NAMES['fid']} against the probe accuracy of the target block; nothing has been measured yet."
    ends = [(min(of), max(of)) for of in zip(*measured, strict=True)]
    accuracies, fids = ([number_text(end, spec) for end in of] for of, spec in zip(ends, (".1%", ".2f"), strict=True))
    return (
        f"Scatter plot of {METRIC_NAMES['fid']} against the probe accuracy of the target block, {len(measured)} points of ours; accuracies from "
        f"{accuracies[0]} to {accuracies[1]} %, {METRIC_NAMES['fid']} from {fids[0]} to {fids[1]}."
    )


# The picture


def draw_targets(document: TargetsDocument, base: Path) -> None:
    """Write `<base>.svg` and `<base>.png`."""
    published = any(point.published for point in document.points)
    both, header = "Filled: ours. Hollow: the paper.", metric_header("fid", "lower")
    plates = Plates(document.id, document.comparable, document.preset, published, both, header, len(METHOD_STYLES["none"].name))
    draw_plates(plates, lambda axes, plate: _draw_points(axes, document, plate), base)


def _draw_points(axes: "Axes", document: TargetsDocument, plate: Plate) -> None:
    style = METHOD_STYLES["sra"]
    ours = [(point.block, point.ours) for point in document.points if plate.ours and point.ours]
    paper = [(point.block, point.published) for point in document.points if plate.paper and point.published]
    levels = [document.baseline.value if plate.ours else None, document.baseline.published_value if plate.paper else None]
    found, lines = [pair for _, pair in ours + paper], [level for level in levels if level is not None]
    set_values(axes, [fid for _, fid in found] + lines, logarithmic=False)
    axes.tick_params(length=2.5, width=0.6)
    axes.set_xlabel("probe accuracy of the target block, %")
    places = [100 * accuracy for accuracy, _ in found]
    if places:
        margin = 0.08 * (max(places) - min(places)) or 1
        axes.set_xlim(min(places) - margin, max(places) + margin)
    for level, dashes in zip(levels, ("--", ":"), strict=True):
        if level is not None:
            axes.axhline(level, color=METHOD_STYLES["none"].colour, linestyle=dashes, linewidth=1.0, zorder=2)
    if ours:
        spreads = [point.fid.spread for point in document.points if point.ours]
        bars = [spread.band or 0.0 if spread else 0.0 for spread in spreads]
        where = [100 * x for _, (x, _) in ours], [y for _, (_, y) in ours]
        axes.errorbar(*where, yerr=bars if any(bars) else None, color=style.colour, marker=style.marker, linestyle="none", linewidth=1.0, zorder=3)
    elif plate.ours:
        axes.text(0.04, 0.05, "not run", transform=axes.transAxes, color=METHOD_STYLES["none"].label_colour)
    if paper:
        plate.draw_paper(axes, [(100 * x, y) for _, (x, y) in paper], style, joined=False)
    _name_blocks(axes, ours + paper)
    _name_levels(axes, lines)


def _name_blocks(axes: "Axes", points: list[tuple[int, tuple[float, float]]]) -> None:
    """Write each block's number at the upper right of its point."""
    for block, (accuracy, fid) in points:
        shift = {"textcoords": "offset points", "xytext": (4, 3)}
        axes.annotate(str(block), (100 * accuracy, fid), **shift, color=METHOD_STYLES["sra"].label_colour, fontsize=TEXT - 1)


def _name_levels(axes: "Axes", levels: list[float]) -> None:
    """Write a word at the right end of each baseline, moved apart where two lie close."""
    low, high = axes.get_ylim()
    shares = [(level - low) / (high - low) for level in levels]
    gap = 1.25 * TEXT * axes.figure.dpi / 72 / axes.get_window_extent().height
    words = [METHOD_STYLES["none"].name, "paper's"] if len(levels) == 2 else [METHOD_STYLES["none"].name]
    for share, word in zip(spread(shares, gap), words, strict=False):
        axes.text(1.02, share, word, transform=axes.transAxes, color=METHOD_STYLES["none"].label_colour, va="center")
