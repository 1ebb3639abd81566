"""How much sooner a row is where the baseline ends: bars of speed-up, and in words where most seeds do not get there."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from sra.reporting.figures.draw.axes import ratio_ticks
from sra.reporting.figures.draw.style import INK
from sra.reporting.figures.picture import DataTable
from sra.reporting.figures.study.forest import budgets_of, row_note
from sra.reporting.figures.study.frame import FramePanel, FrameRow, draw_frame, say
from sra.reporting.write.numbers import ABSENT, METRIC_NAMES, listed, number_text
from sra.reporting.write.study import gap_text, ranks, row_name, rows_in_order, seeds_of_row, speed_text, spread_text
from sra.study.document import BUDGETS, Budget, Reach, RowFound, StudyDocument

if TYPE_CHECKING:
    from matplotlib.axes import Axes

APART = 0.34  # of the axis, between ticks, whose labels have a sign before them
FILLS = {"method": "#0072B2", "tuned": "#8DB9DA", "control": "#8A9099"}  # each bar stands beside its name


def _rows(study: StudyDocument) -> list[RowFound]:
    return [row for row in rows_in_order(study) if row.kind != "baseline"]


def draw_reach(study: StudyDocument, identity: str, base: Path, narrow: bool = False) -> None:
    shown: list[RowFound | None] = []
    frame: list[FrameRow] = []
    for row in _rows(study):
        if not frame or row.family != next(one.family for one in reversed(shown) if one):
            frame.append(FrameRow(row.family, heading=True))
            shown.append(None)
        frame.append(FrameRow(row_name(row, study), row_note(row, study)))
        shown.append(row)
    limits = _limits(study)

    def panel(budget: Budget) -> FramePanel:
        def paint(axes: "Axes", heights: list[list[float]]) -> None:
            _set_axis(axes, limits)
            for row, places in zip(shown, heights, strict=True):
                if row:
                    _paint(axes, study, row, budget, places[0])

        return FramePanel(f"sooner in {BUDGETS[budget]}", "× sooner than the baseline", paint, words=0.98)

    draw_frame(identity, frame, [panel(budget) for budget in budgets_of(study)], base, narrow)


def _limits(study: StudyDocument) -> tuple[float, float]:
    ends = [end for row in _rows(study) for reach in row.reach for end in (reach.speed_up, reach.low, reach.high) if end and reach.speed_up]
    low, high = min([1.0, *ends]), max([1.25, *ends])
    return low / 1.06, high * 1.06


def _set_axis(axes: "Axes", limits: tuple[float, float]) -> None:
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    axes.set_xscale("log")
    axes.set_xlim(limits)
    ticks = ratio_ticks(*limits, apart=APART)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FixedFormatter([f"×{tick:g}" for tick in ticks]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.axvline(1, color=INK, linewidth=0.9, zorder=4)


def _paint(axes: "Axes", study: StudyDocument, row: RowFound, budget: Budget, place: float) -> None:
    reach = row.reached(budget)
    if reach is None or not reach.of or not seeds_of_row(row, study).there:
        say(axes, place, gap_text(row, None, budget, study))
        return
    if reach.speed_up is None:
        say(axes, place, f"by {reach.reached} of {reach.of}")
        return
    axes.barh(place, math.copysign(abs(reach.speed_up - 1), reach.speed_up - 1), left=1, height=0.1, color=FILLS[row.kind], zorder=2)
    low, high = reach.low, reach.high
    if reach.spread != "none":
        edges = axes.get_xlim()
        axes.plot([low or edges[0], high or edges[1]], [place, place], color=INK, linewidth=1.0, zorder=3)
        if low is None:
            axes.plot([edges[0]], [place], marker="<", markersize=3.5, color=INK, clip_on=False, zorder=4)
    if reach.at_least:
        axes.plot([reach.speed_up], [place], marker=">", markersize=4.5, color=INK, zorder=5)
    say(axes, place, f"{speed_text(reach)}, {reach.reached} of {reach.of}", INK)


def reach_remarks(study: StudyDocument) -> list[str]:
    kinds = {reach.spread for row in _rows(study) for reach in row.reach}
    lines = {"interval": "95 % of a bootstrap over seeds", "range": "from the slowest seed to the fastest"}
    drawn = listed([text for kind, text in lines.items() if kind in kinds])
    remarks = [
        "Bars: the median over seeds, not drawn where most seeds do not get there; k of n: how many trainings do, of those compared."
        + (f" Lines: {drawn}." if drawn else ""),
        "An arrow at a bar's end: some training is there by its first milestone, so it may be sooner still.",
    ]
    return remarks + ([] if ranks(study) else [study.informative_words])


def reach_table(study: StudyDocument) -> DataTable:
    rows = []
    for row in _rows(study):
        for budget in budgets_of(study):
            reach = row.reached(budget)
            rows.append([row_name(row, study), BUDGETS[budget], *_cells(reach, gap_text(row, None, budget, study))])
    columns, numbers = ["Row", "Budget", "Reached", "Of", "Speed-up", "Spread", "Remark"], [False, False, True, True, True, True, False]
    return DataTable(f"Times sooner at the baseline's last {METRIC_NAMES[study.metric]}, as drawn", columns, numbers, rows)


def _cells(reach: Reach | None, gap: str) -> list[str]:
    if reach is None or not reach.of:
        return [ABSENT, ABSENT, gap, ABSENT, ABSENT]
    return [str(reach.reached), str(reach.of), speed_text(reach), spread_text(reach) or ABSENT, reach.reason or ABSENT]


def reach_alt(study: StudyDocument) -> str:
    trained = [row for row in _rows(study) if row.kind == "method" and seeds_of_row(row, study).there]
    found = [(row, reach) for row in trained if (reach := row.reached("steps"))]
    if not found:
        return "Bars of how much sooner methods are where the baseline ends; nothing has been run yet."
    there = [f"{row.label} ×{number_text(reach.speed_up, '.2f')}" for row, reach in found if reach.speed_up]
    return f"Bars of how much sooner in steps: {listed(there) or 'none'}; {len(found) - len(there)} of {len(found)} methods do not get there."
