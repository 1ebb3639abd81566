"""Ratios to the baseline, a row a method: mean and 95 % interval, a dot a seed, at each budget."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sra.reporting.figures.draw.axes import ratio_ticks
from sra.reporting.figures.draw.style import GRID, INK, MUTED
from sra.reporting.figures.picture import DataTable
from sra.reporting.figures.study.frame import BAD, GOOD, FramePanel, FrameRow, draw_frame, say
from sra.reporting.write.numbers import ABSENT, METRIC_NAMES, listed, number_text
from sra.reporting.write.study import (
    controls_of,
    effect_at,
    effect_name,
    effect_number,
    effect_text,
    gap_text,
    headline_point,
    interval_text,
    method_of,
    missing_seeds,
    of_headline,
    ranks,
    row_name,
    rows_in_order,
    seeds_of_row,
    told,
    tuned_of,
    verdict_text,
)
from sra.study.document import BUDGETS, Budget, Effect, RowFound, StudyDocument
from sra.study.intervals import scale_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CONTROLS = "For scale: the baseline"


@dataclass(frozen=True)
class _Row:
    """A row of the picture. row: None for a control of the study, whose only effect is at equal steps.  tuned: its method with another weight."""

    name: str
    row: RowFound | None = None
    tuned: RowFound | None = None
    control: Effect | None = None

    def marks(self, study: StudyDocument, budget: Budget) -> Iterator[tuple[str, Effect | None]]:
        """Kind and effect of what stands in each of its lines."""
        if self.row is None:
            yield "control", self.control if budget == "steps" else None
            return
        yield "main", effect_at(self.row, study, budget)
        if _drawn_second(study):
            yield "second", self.row.effect(budget, study.second, study.sampler)
        if self.tuned:
            yield "tuned", effect_at(self.tuned, study, budget)

    def lines(self, study: StudyDocument) -> int:
        return len(list(self.marks(study, "steps")))


def _drawn_second(study: StudyDocument) -> bool:
    """Whether the second distance has the same axis as the first."""
    return study.second is not None and scale_of(study.second) == scale_of(study.metric)


def _groups(study: StudyDocument) -> dict[str, list[_Row]]:
    """Rows by family, in the study's order, after the controls that give the scale."""
    groups: dict[str, list[_Row]] = {}
    for label, effect in controls_of(study):
        groups.setdefault(CONTROLS, []).append(_Row(label, control=effect))
    for row in rows_in_order(study):
        if row.kind != "baseline" and not (row.kind == "tuned" and method_of(row, study)):
            groups.setdefault(row.family, []).append(_Row(row_name(row, study), row, tuned_of(row, study)))
    return groups


def budgets_of(study: StudyDocument) -> list[Budget]:
    """Hours only where some row has them."""
    timed = any(row.hours_a_step for row in study.rows if row.kind != "baseline")
    return [budget for budget in BUDGETS if budget != "hours" or timed]


def draw_forest(study: StudyDocument, identity: str, base: Path, narrow: bool = False) -> None:
    shown: list[_Row | None] = []
    rows: list[FrameRow] = []
    for family, members in _groups(study).items():
        rows += [FrameRow(family, heading=True), *(FrameRow(one.name, row_note(one.row, study), one.lines(study)) for one in members)]
        shown += [None, *members]
    limits = _limits(study, [one for one in shown if one])

    def panel(budget: Budget) -> FramePanel:
        def paint(axes: "Axes", heights: list[list[float]]) -> None:
            _set_axis(axes, study, limits)
            for one, lines in zip(shown, heights, strict=True):
                if one:
                    _paint_row(axes, study, one, budget, lines, limits)

        return FramePanel(f"equal {BUDGETS[budget]}", effect_name(study), paint)

    draw_frame(identity, rows, [panel(budget) for budget in budgets_of(study)], base, narrow)


def row_note(row: RowFound | None, study: StudyDocument) -> str:
    """Trainings that are not there."""
    seeds = seeds_of_row(row, study) if row else None
    return "" if seeds is None or seeds.there in (0, seeds.asked) else f"{seeds.text} seeds" if not seeds.diverged else seeds.text


def _limits(study: StudyDocument, rows: list[_Row]) -> tuple[float, float]:
    """The range of the axis, on the scale's own coordinate: all means and seeds, and of the intervals as much as leaves these readable.

    The second distance has no say in it, since it may lie several times as far from the baseline as all that is compared.
    """
    effects = [effect for one in rows for budget in BUDGETS for kind, effect in one.marks(study, budget) if effect and kind != "second"]
    points = [_at(value, effect) for effect in effects for value in (effect.mean, *(one.effect for one in effect.seeds)) if value is not None]
    ends = [_at(end, effect) for effect in effects for end in (effect.low, effect.high) if end is not None]
    low, high = min([0.0, *points]), max([0.0, *points])
    room = max(high - low, 0.05)
    least, most = min([low, *ends]), max([high, *ends])
    return max(least, low - room) - 0.06 * room, min(most, high + room) + 0.06 * room


def _at(value: float, effect: Effect) -> float:
    return math.log(value) if effect.scale == "log" else value


def _set_axis(axes: "Axes", study: StudyDocument, limits: tuple[float, float]) -> None:
    """Coordinates are logarithms of ratios, under ticks that are ratios."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator

    axes.set_xlim(limits)
    if scale_of(study.metric) == "log":
        ticks = ratio_ticks(*map(math.exp, limits))
        axes.xaxis.set_major_locator(FixedLocator([math.log(tick) for tick in ticks]))
        axes.xaxis.set_major_formatter(FixedFormatter([f"{tick:g}" for tick in ticks]))
        margin = math.log(1 + study.equivalence)
        axes.axvspan(-margin, margin, color=GRID, alpha=0.45, linewidth=0, zorder=0)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.axvline(0, color=INK, linewidth=0.9, zorder=1)


def _paint_row(axes: "Axes", study: StudyDocument, one: _Row, budget: Budget, lines: list[float], limits: tuple[float, float]) -> None:
    for (kind, effect), place in zip(one.marks(study, budget), lines, strict=True):
        if effect is None or (effect.mean is None and not effect.seeds):
            row = one.tuned if kind == "tuned" else one.row
            if kind in ("main", "tuned") and row:
                say(axes, place, gap_text(row, effect, budget, study))
            elif kind == "control" and effect:
                say(axes, place, "not run")
            continue
        _paint_effect(axes, study, kind, effect, place, limits)
        if kind != "second":
            say(axes, place, verdict_text(effect, study, control=kind == "control"), _colour(effect, study) if kind != "control" else MUTED)


MARKERS = {"main": ("o", 4.6), "control": ("s", 4.2), "second": ("D", 3.6), "tuned": ("^", 4.8)}


def _paint_effect(axes: "Axes", study: StudyDocument, kind: str, effect: Effect, place: float, limits: tuple[float, float]) -> None:
    colour = MUTED if kind in ("second", "control") else _colour(effect, study)
    ends = (effect.low, effect.high) if effect.low is not None else (effect.mean, effect.mean)
    if ends[0] is not None and ends[1] is not None:
        low, high = (_at(end, effect) for end in ends)
        axes.plot([max(low, limits[0]), min(high, limits[1])], [place, place], color=colour, linewidth=0.9 if kind == "second" else 1.4, zorder=3)
        for end, edge, arrow in ((low, limits[0], "<"), (high, limits[1], ">")):
            if (end < edge) == (arrow == "<") and end != edge:
                axes.plot([edge], [place], marker=arrow, markersize=3.5, color=colour, linestyle="none", clip_on=False, zorder=6)
    if kind != "second":
        seeds = [_at(one.effect, effect) for one in effect.seeds]
        axes.plot(seeds, [place + 0.05] * len(seeds), linestyle="none", marker="o", markersize=1.9, color=MUTED, markeredgewidth=0, zorder=2)
    if effect.mean is not None:
        marker, size = MARKERS[kind]
        face = "white" if kind == "second" else colour
        axes.plot(
            [_at(effect.mean, effect)], [place], marker=marker, markersize=size, color=colour, markerfacecolor=face, markeredgewidth=1.0, zorder=5
        )


def _colour(effect: Effect, study: StudyDocument) -> str:
    return {"better": GOOD, "worse": BAD, None: INK}[told(effect, study)]


def forest_remarks(study: StudyDocument) -> list[str]:
    second = ""
    if _drawn_second(study):
        second = f" Hollow diamonds: {METRIC_NAMES[study.second]}, which no encoder was aligned with; an arrow where it lies further out."
    tuned = " Triangles: the weight that trials on another seed chose." if any(row.kind == "tuned" for row in study.rows) else ""
    controls = " Squares: the baseline itself, trained longer and from other seeds, which say what the study can see." if controls_of(study) else ""
    grey = f"1 / {1 + study.equivalence:g} to {1 + study.equivalence:g}"
    lines = [
        f"Filled circles and lines: mean ratio over seeds and its 95 % interval, which ends in an arrow where it goes on; small dots: seeds.{second}"
        f"{tuned}{controls} Grey: {grey}, called equivalent where the interval lies inside.",
        "The words are of each panel; only those at equal steps are adjusted for all methods together, the others are exploratory."
        if ranks(study)
        else study.informative_words,
    ]
    gaps: dict[str, list[str]] = {}
    for row in rows_in_order(study):
        if missing := missing_seeds(row, study):
            gaps.setdefault("; ".join(missing), []).append(row_name(row, study))
    return lines + [f"Missing of {listed(names)}: {words}." for words, names in gaps.items()]


def forest_table(study: StudyDocument) -> DataTable:
    seeds = list(study.seeds)
    columns = ["Row", "Budget", "Metric", "Mean", "95 %", "p", "Verdict", *(f"seed {seed}" for seed in seeds), "Remark"]
    rows, receipts = [], []
    named = [(row_name(row, study), row, effect) for row in rows_in_order(study) for effect in row.effects]
    named += [(label, None, effect) for label, effect in controls_of(study)]
    named += [(row_name(row, study), row, None) for row in rows_in_order(study) if row.kind != "baseline" and not row.effects]
    for name, row, effect in named:
        if effect is None:
            rows.append([name, *[ABSENT] * (len(columns) - 2), seeds_of_row(row, study).text])
            receipts.append([None] * len(columns))
            continue
        each = {one.seed: effect_number(one.effect, effect) for one in effect.seeds}
        p = effect.p_value if effect.p_holm is None else effect.p_holm
        words = [name, BUDGETS[effect.budget], METRIC_NAMES[effect.metric], effect_text(effect) or ABSENT, interval_text(effect) or ABSENT]
        words += [ABSENT if p is None else number_text(p, ".4f"), verdict_text(effect, study, control=row is None) or ABSENT]
        rows.append([*words, *(each.get(seed, ABSENT) for seed in seeds), effect.reason or ABSENT])
        files = _receipts(row, study) if row and effect.budget == "steps" and of_headline(effect, study) else {}
        receipts.append([None] * 7 + [files.get(seed) for seed in seeds] + [None])
    numbers = [False, False, False, True, True, True, False, *[True] * len(seeds), False]
    return DataTable(f"{effect_name(study)}, as drawn; p adjusted for all methods where it is of the headline", columns, numbers, rows, receipts)


def _receipts(row: RowFound, study: StudyDocument) -> dict[int, str | None]:
    point = headline_point(row, study)
    return {value.seed: value.score_sha256 for value in (point.values if point else [])}


def forest_alt(study: StudyDocument) -> str:
    compared = [row for row in study.rows if row.kind in ("method", "control")]
    there = [row for row in compared if (effect := effect_at(row, study)) and effect.mean is not None]
    if not there:
        return f"Forest plot of {effect_name(study)}; nothing has been run yet."
    words = {word: sum(told(effect_at(row, study), study) == word for row in there if row.kind == "method") for word in ("better", "worse")}
    judged = f"{words['better']} methods are better than the baseline and {words['worse']} worse" if ranks(study) else "nothing is ranked"
    return f"Forest plot of {effect_name(study)} for {len(there)} of {len(compared)} rows; {judged}."
