"""FID of runs that differ in the target block against how well that block is probed: what the figure shows, then the picture."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sra.content.figures import TargetPoint, TargetsFigure
from sra.reporting.documents import heading_of
from sra.reporting.figures.draw.axes import set_values, spread
from sra.reporting.figures.draw.plates import Plate, Plates, draw_plates
from sra.reporting.figures.draw.style import METHOD_STYLES, TEXT
from sra.reporting.figures.probes import RULE, block_remarks
from sra.reporting.inside_documents import BaselineFid, TargetedPoint, TargetsDocument
from sra.reporting.read.probes import Probes, accuracy_of, published_accuracy, without_ours
from sra.reporting.read.published import Published, PublishedNumber
from sra.reporting.read.scores import Scores, outcome_of
from sra.reporting.read.spread import seeds_text
from sra.reporting.write.commands import missing_remark
from sra.reporting.write.numbers import ARROWS, METRIC_NAMES, count_text, milestone_text, number_text
from sra.spec.metric import ScoreOf
from sra.spec.scale import Carrier, Preset

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST_FOR_CORRELATION = 3


def build_targets(
    figure: TargetsFigure,
    scores: Scores,
    probes: Probes,
    published: Published,
    carriers: Mapping[str, Carrier],
    preset_id: str,
    preset: Preset,
) -> TargetsDocument:
    """carriers: of the probed run, from the paper's blocks to those of its model here."""
    carrier, points, first_on = carriers[figure.probed.run], [], {}
    for point in figure.points:
        here = carrier.block(point.block)
        points.append(_point(figure, point, here, first_on.get(here), scores, probes, published, preset_id, preset))
        if point.run:
            first_on.setdefault(here, point.block)
    return TargetsDocument(
        **heading_of(figure, preset_id, preset),
        rule=RULE,
        probed_label=figure.probed.label,
        probed_run=figure.probed.run,
        probed_milestone=figure.probed.milestones[0],
        time=figure.probed.times[0],
        milestone=figure.milestone,
        sampler=figure.sampler,
        samples=figure.samples,
        samples_here=preset.samples.get(figure.samples),
        baseline=_baseline(figure, scores, published, preset_id, preset),
        points=points,
        remarks=_remarks(figure, points, probes, preset_id, preset),
        alt=_alt(points),
    )


def _point(
    figure: TargetsFigure,
    point: TargetPoint,
    here: int,
    earlier: int | None,
    scores: Scores,
    probes: Probes,
    published: Published,
    preset_id: str,
    preset: Preset,
) -> TargetedPoint:
    """earlier: the paper's block of a point that has the same block here already; this one is then its run once more."""
    accuracy_printed = published_accuracy(published, point.published, figure.id)
    fid_printed = _fid(published, point.published, figure.id)
    if point.run is None or earlier is not None:
        status = "not asked" if point.run is None else "same"
        reason = "a point of the paper alone" if point.run is None else f"block {here} here, which stands at block {earlier} already"
        accuracy, fid = (
            without_ours(accuracy_printed, status, reason),
            {"fid": None, "fid_status": status, "fid_reason": reason, "score_sha256": None},
        )
    else:
        probed, time = figure.probed, figure.probed.times[0]
        accuracy = accuracy_of(probes, probed.run, probed.milestones[0], time, here, accuracy_printed, preset_id, preset)
        fid = _our_fid(figure, point.run, scores, preset_id, preset)
    return TargetedPoint(
        block=point.block,
        block_here=here,
        run=point.run,
        accuracy=accuracy,
        fid_published=fid_printed.text if fid_printed else None,
        fid_published_value=fid_printed.value if fid_printed else None,
        fid_source=fid_printed.credit if fid_printed else None,
        **fid,
    )


def _our_fid(figure: TargetsFigure, run: str, scores: Scores, preset_id: str, preset: Preset) -> dict:
    score = ScoreOf(milestone=figure.milestone, sampler=figure.sampler, samples=figure.samples)
    outcome, found = outcome_of(scores, run, score, "fid", preset_id, preset), scores.find(run, score)
    status = "beyond" if figure.milestone not in preset.milestones else outcome.status
    sha256 = found.first.sha256 if found else None
    return {"fid": outcome.value, "fid_status": status, "fid_reason": outcome.reason, "fid_spread": outcome.spread, "score_sha256": sha256}


def _baseline(figure: TargetsFigure, scores: Scores, published: Published, preset_id: str, preset: Preset) -> BaselineFid:
    ours, printed = _our_fid(figure, figure.baseline, scores, preset_id, preset), _fid(published, figure.baseline_published, figure.id)
    return BaselineFid(
        run=figure.baseline,
        published=printed.text if printed else None,
        published_value=printed.value if printed else None,
        source=printed.credit if printed else None,
        value=ours["fid"],
        spread=ours["fid_spread"],
        status=ours["fid_status"],
        reason=ours["fid_reason"],
        score_sha256=ours["score_sha256"],
    )


def _fid(published: Published, key: str | None, where: str) -> PublishedNumber | None:
    return published.number(key, "fid", where) if key else None


def _remarks(figure: TargetsFigure, points: list[TargetedPoint], probes: Probes, preset_id: str, preset: Preset) -> list[str]:
    probed, published = figure.probed, any(point.published for point in points)
    seeds = seeds_text(point.fid_spread for point in points)
    remarks = [f"Filled: ours, {seeds}." + (" Hollow: the paper." if preset.comparable and published else "")]
    if published and not preset.comparable:
        remarks.append("The paper's points have axes of their own: another data set, another model, another feature network.")
    remarks.append(
        f"Across: accuracy of the target block in {probed.label} ({probed.run} at {milestone_text(probed.milestones[0])}), time {probed.times[0]:g}. "
        f"Up: FID at {milestone_text(figure.milestone)}; the level line is that of the baseline ({figure.baseline}). Each point is marked by its "
        "block in the paper's model."
    )
    remarks += block_remarks([(point.block, point.block_here) for point in points if point.run])
    alone = [str(point.block) for point in points if point.run is None]
    if alone:
        remarks.append(f"Of the paper alone: block{'s' if len(alone) > 1 else ''} {', '.join(alone)}.")
    found = probes.find(probed.run, probed.milestones[0], probed.times[0])
    if found:
        record = found.first.record
        remarks.append(f"Probes trained on {count_text(record.train_images)} images, scored on {count_text(record.held_out_images)} others.")
    for whose, found in (("Ours", [point.ours for point in points]), ("the paper's", [point.published for point in points])):
        pairs = [pair for pair in found if pair]
        correlation = pearson(pairs)
        if correlation is not None:
            remarks.append(
                f"{whose[0].upper()}{whose[1:]}: correlation of accuracy and FID {number_text(correlation, '.2f')} over {len(pairs)} points."
            )
    wanted = [point for point in points if point.run and "same" not in (point.accuracy.status, point.fid_status)]
    missing = sum(point.ours is None for point in wanted)
    return remarks + missing_remark(missing, len(wanted), "points", figure.id, preset_id)


def pearson(pairs: list[tuple[float, float]]) -> float | None:
    """Correlation coefficient; None for fewer than three pairs, or where one of the two does not vary."""
    if len(pairs) < LEAST_FOR_CORRELATION:
        return None
    means = [math.fsum(side) / len(pairs) for side in zip(*pairs, strict=True)]
    moved = [(x - means[0], y - means[1]) for x, y in pairs]
    sizes = [math.sqrt(math.fsum(value[side] ** 2 for value in moved)) for side in (0, 1)]
    return math.fsum(x * y for x, y in moved) / (sizes[0] * sizes[1]) if all(sizes) else None


def _alt(points: list[TargetedPoint]) -> str:
    measured = [(point.block, *point.ours) for point in points if point.ours]
    if not measured:
        return f"Scatter plot of {METRIC_NAMES['fid']} against the probe accuracy of the target block; nothing has been measured yet."
    best, probed = min(measured, key=lambda found: found[2]), max(measured, key=lambda found: found[1])
    return (
        f"Scatter plot of {METRIC_NAMES['fid']} against the probe accuracy of the target block, {len(measured)} points of ours; the lowest "
        f"{METRIC_NAMES['fid']} has target block {best[0]}, the best probed is block {probed[0]}."
    )


# The picture


def draw_targets(document: TargetsDocument, base: Path) -> None:
    """Write `<base>.svg` and `<base>.png`."""
    published = any(point.published for point in document.points)
    both, header = "Filled: ours. Hollow: the paper.", f"{METRIC_NAMES['fid']} {ARROWS['lower']}"
    plates = Plates(document.id, document.comparable, document.preset, published, both, header, len(METHOD_STYLES["none"].name))

    def paint(axes: "Axes", plate: Plate) -> None:
        _draw_points(axes, document, plate)

    draw_plates(plates, paint, base)


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
        bars = [point.fid_spread.band or 0.0 if point.fid_spread else 0.0 for point in document.points if plate.ours and point.ours]
        where = [100 * x for _, (x, _) in ours], [y for _, (_, y) in ours]
        axes.errorbar(*where, yerr=bars if any(bars) else None, color=style.colour, marker=style.marker, linestyle="none", linewidth=1.0, zorder=3)
    elif plate.ours:
        axes.text(0.04, 0.05, "not run", transform=axes.transAxes, color=METHOD_STYLES["none"].label_colour)
    if paper:
        plate.draw_paper(axes, [(100 * x, y) for _, (x, y) in paper], style, joined=False)
    _name_blocks(axes, ours + paper)
    _name_levels(axes, lines)


def _name_blocks(axes: "Axes", points: list[tuple[int, tuple[float, float]]]) -> None:
    """The block's number at the upper right of its point."""
    for block, (accuracy, fid) in points:
        shift = {"textcoords": "offset points", "xytext": (4, 3)}
        axes.annotate(str(block), (100 * accuracy, fid), **shift, color=METHOD_STYLES["sra"].label_colour, fontsize=TEXT - 1)


def _name_levels(axes: "Axes", levels: list[float]) -> None:
    """The word at the right end of each baseline, moved apart where two lie close."""
    low, high = axes.get_ylim()
    shares = [(level - low) / (high - low) for level in levels]
    gap = 1.25 * TEXT * axes.figure.dpi / 72 / axes.get_window_extent().height
    words = [METHOD_STYLES["none"].name, "paper's"] if len(levels) == 2 else [METHOD_STYLES["none"].name]
    for share, word in zip(spread(shares, gap), words, strict=False):
        axes.text(1.02, share, word, transform=axes.transAxes, color=METHOD_STYLES["none"].label_colour, va="center")
