"""Quality against what training costs: a curve a method over its milestones, against FLOPs and, where steps were timed, against hours."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sra.reporting.figures.draw.axes import plain_ticks, spread
from sra.reporting.figures.draw.style import GRID, INK, MUTED, PAGE_WIDTH, TEXT, figure_style, save_figure
from sra.reporting.figures.picture import DataTable
from sra.reporting.figures.study.frame import NARROW_WIDTH, SMALL
from sra.reporting.write.numbers import ABSENT, METRIC_NAMES, listed, metric_header, milestone_text, number_text
from sra.reporting.write.study import ranks, row_name, rows_in_order, seeds_of_row
from sra.study.document import PointFound, RowFound, StudyDocument
from sra.study.front import pareto_front
from sra.study.intervals import scale_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe-Ito by family, dark enough for words; each row has a marker of its own, so that no colour is needed to follow it.
FAMILY_COLOURS = ("#5F6670", "#0072B2", "#A63C00", "#00664A", "#7A3E77", "#7A5F00")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "*", "h", "d")
FRONT = "#B08900"
PLOT, TOP, BOTTOM, LEFT = 2.9, 0.34, 0.46, 0.46  # inches
NARROW_PLOT = 2.7
NAME = 1.12  # inches right of each plot
PREFIXES = ((1e21, "10²¹"), (1e18, "10¹⁸"), (1e15, "10¹⁵"), (1e12, "10¹²"), (1e9, "10⁹"), (1.0, "1"))


@dataclass(frozen=True)
class _Curve:
    """One row: cost and mean of each milestone that has both, and the least and the greatest of its seeds."""

    row: RowFound
    name: str
    colour: str
    marker: str
    points: list[tuple[float, float, float, float]]

    @property
    def costs(self) -> list[float]:
        return [cost for cost, *_ in self.points]


def _rows(study: StudyDocument) -> list[RowFound]:
    """The baseline and the methods as published."""
    return [row for row in study.rows if row.kind in ("baseline", "method")]


def _curves(study: StudyDocument, hours: bool) -> list[_Curve]:
    rows = _rows(study)
    families = list(dict.fromkeys(row.family for row in rows))
    return [
        _Curve(
            row,
            row.label,
            FAMILY_COLOURS[families.index(row.family) % len(FAMILY_COLOURS)],
            MARKERS[number % len(MARKERS)],
            [found for point in row.points if (found := _drawn(point, hours))],
        )
        for number, row in enumerate(rows)
    ]


def _drawn(point: PointFound, hours: bool) -> tuple[float, float, float, float] | None:
    cost = point.hours if hours else point.flops
    values = [value.value for value in point.values if value.value is not None]
    return None if cost is None or point.mean is None or not values else (cost, point.mean, min(values), max(values))


def draw_cost(study: StudyDocument, identity: str, base: Path, narrow: bool = False) -> None:
    panels = [hours for hours in (False, True) if not hours or any(point.hours for row in _rows(study) for point in row.points)]
    with figure_style(identity):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        plot = NARROW_PLOT if narrow else PLOT
        each, across = TOP + plot + BOTTOM, 1 if narrow else len(panels)
        width, height = NARROW_WIDTH if narrow else PAGE_WIDTH, each * (len(panels) if narrow else 1)
        figure = Figure(figsize=(width, height))
        FigureCanvasAgg(figure)
        for number, hours in enumerate(panels):
            left = 0 if narrow else number * width / across
            bottom = height - (number + 1) * each + BOTTOM if narrow else BOTTOM
            place = ((left + LEFT) / width, bottom / height, (width / across - LEFT - NAME) / width, plot / height)
            _paint(figure.add_axes(place, facecolor="none"), study, _curves(study, hours), hours)
        save_figure(figure, base)


def _paint(axes: "Axes", study: StudyDocument, curves: list[_Curve], hours: bool) -> None:
    there = [curve for curve in curves if curve.points]
    axes.set_title(metric_header(study.metric, "lower") if scale_of(study.metric) == "log" else METRIC_NAMES[study.metric], loc="left", fontsize=TEXT)
    axes.tick_params(length=2.5, width=0.6, labelsize=SMALL)
    _set_axes(axes, there, hours, scale_of(study.metric) == "log")
    if ranks(study):
        _paint_front(axes, there)
    for curve in there:
        costs, means, lows, highs = zip(*curve.points, strict=True)
        axes.fill_between(costs, lows, highs, color=curve.colour, alpha=0.15, linewidth=0, zorder=2)
        face = "white" if curve.row.encoder else curve.colour
        line = {"color": curve.colour, "linewidth": 1.0, "linestyle": "--" if curve.row.encoder else "-"}
        axes.plot(costs, means, marker=curve.marker, markersize=4.2, markerfacecolor=face, markeredgewidth=0.9, zorder=3, **line)
    absent = [curve.name for curve in curves if not curve.points]
    if not there:
        axes.text(0.05, 0.9, "not run", transform=axes.transAxes, color=MUTED)
    elif absent:
        axes.text(0.02, 0.02, _wrapped(f"no curve: {', '.join(absent)}"), transform=axes.transAxes, color=MUTED, fontsize=SMALL, va="bottom")
    _name_ends(axes, there)


def _wrapped(text: str) -> str:
    from sra.reporting.figures.draw.sheets import wrapped

    return "\n".join(wrapped(text, 170, 4))


def _set_axes(axes: "Axes", curves: list[_Curve], hours: bool, logarithmic: bool) -> None:
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    axes.grid(color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    costs = [cost for curve in curves for cost in curve.costs]
    ends = [end for curve in curves for _, _, low, high in curve.points for end in (low, high)]
    unit, name = next(((unit, name) for unit, name in PREFIXES if not costs or min(costs) >= unit), PREFIXES[-1]) if not hours else (1.0, "")
    axes.set_xlabel("hours of training" if hours else f"FLOPs of training, × {name}", fontsize=SMALL, color=MUTED)
    if not costs:
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(NullLocator())
        return
    sides = [(axes.xaxis, axes.set_xscale, axes.set_xlim, costs, unit, True), (axes.yaxis, axes.set_yscale, axes.set_ylim, ends, 1.0, logarithmic)]
    for axis, set_scale, set_limits, values, of, is_log in sides:
        if not is_log or min(values) <= 0:
            continue
        low, high = min(values) / 1.08, max(values) * 1.08
        ticks = [tick * of for tick in plain_ticks(low / of, high / of, most=4)]
        set_scale("log")
        set_limits(low, high)
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_major_formatter(FixedFormatter([f"{tick / of:g}" for tick in ticks]))
        axis.set_minor_locator(NullLocator())


def _paint_front(axes: "Axes", curves: list[_Curve]) -> None:
    """What no other point beats in cost without losing in quality, as steps: what is to be had for each cost."""
    points = [(cost, mean) for curve in curves for cost, mean, _, _ in curve.points]
    front = [points[place] for place in pareto_front(points)]
    if front:
        costs, means = zip(*front, strict=True)
        right = axes.get_xlim()[1]
        axes.plot([*costs, right], [*means, means[-1]], drawstyle="steps-post", color=FRONT, linewidth=4, alpha=0.35, zorder=1, solid_capstyle="butt")


def _name_ends(axes: "Axes", curves: list[_Curve]) -> None:
    """Each curve's marker and name right of the plot, tied to its last point by a thin line."""
    if not curves:
        return
    to_share = axes.transData + axes.transAxes.inverted()
    ends = [to_share.transform(curve.points[-1][:2]) for curve in curves]
    extent = axes.get_window_extent()
    em_y, em_x = (TEXT * axes.figure.dpi / 72 / side for side in (extent.height, extent.width))
    heights = spread([y for _, y in ends], 1.3 * em_y)
    lift = max(0.0, -min(heights)) - max(0.0, max(heights) - 1.0)
    share = {"transform": axes.transAxes, "clip_on": False, "scalex": False, "scaley": False}
    for curve, (x, y), height in zip(curves, ends, heights, strict=True):
        place = height + lift
        axes.plot([x, 1 + 0.9 * em_x], [y, place], color=curve.colour, linewidth=0.4, zorder=1, **share)
        face = "white" if curve.row.encoder else curve.colour
        axes.plot([1 + 1.4 * em_x], [place], marker=curve.marker, markersize=4.2, color=curve.colour, markerfacecolor=face, **share)
        axes.text(1 + 2.1 * em_x, place, curve.name[:18], transform=axes.transAxes, color=INK, fontsize=SMALL, va="center")


def cost_remarks(study: StudyDocument) -> list[str]:
    front = "Broad steps: the Pareto front, what no other point beats in both." if ranks(study) else f"No front is drawn. {study.informative_words}"
    encoders = "Hollow markers and dashes: methods that use an encoder trained on other images." if any(row.encoder for row in study.rows) else ""
    counted = [(row.label, seeds_of_row(row, study)) for row in _rows(study)]
    rows = [f"{label} ({seeds.text})" for label, seeds in counted if seeds.there < seeds.asked]
    absent = [f"Not all trainings are there: {listed(rows)}."] if rows else []
    lines = ["Lines: means over seeds; bands: from the least seed to the greatest.", encoders, front, *absent]
    return [line for line in [*lines, "Controls and tuned rows are in the table."] if line]


def cost_table(study: StudyDocument) -> DataTable:
    """Every milestone of every row, seed by seed, each value with its receipt."""
    seeds = list(dict.fromkeys([*study.seeds, *(value.seed for row in study.rows for point in row.points for value in point.values)]))
    columns = ["Row", "Milestone", "FLOPs", "Hours", "Mean", *(f"seed {seed}" for seed in seeds)]
    rows, receipts = [], []
    for row in rows_in_order(study):
        for point in row.points:
            values = {value.seed: value for value in point.values}
            flops, hours = f"{point.flops:.3g}", number_text(point.hours, ".2f") if point.hours else ABSENT
            mean = ABSENT if point.mean is None else number_text(point.mean, ".2f")
            rows.append([row_name(row, study), milestone_text(point.milestone), flops, hours, mean])
            for seed in seeds:
                value = values.get(seed)
                rows[-1].append("not run" if value is None else value.status if value.value is None else number_text(value.value, ".2f"))
            receipts.append([None] * 5 + [values[seed].score_sha256 if seed in values else None for seed in seeds])
        if not row.points:
            rows.append([row_name(row, study), *[ABSENT] * 4, *["not run"] * len(seeds)])
            receipts.append([None] * len(columns))
    numbers = [False, False, *[True] * (3 + len(seeds))]
    return DataTable(f"{METRIC_NAMES[study.metric]} at every milestone, seed by seed", columns, numbers, rows, receipts)


def cost_alt(study: StudyDocument) -> str:
    there = [row for row in _rows(study) if seeds_of_row(row, study).there]
    if not there:
        return f"Curves of {METRIC_NAMES[study.metric]} against the cost of training; nothing has been run yet."
    words = [f"{row.label} ends at {number_text(row.points[-1].mean, '.2f')}" for row in there if row.points[-1].mean is not None]
    return f"Curves of {METRIC_NAMES[study.metric]} against the cost of training; {listed(words) or 'none is whole'}."
