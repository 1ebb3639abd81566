"""The trials of tuning: a strip a method, the distance with each factor of its weight over that with the published one."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from sra.reporting.figures.draw.axes import ratio_ticks
from sra.reporting.figures.draw.sheets import TEXT_SIZE, wrapped
from sra.reporting.figures.draw.style import GRID, INK, MUTED, PAGE_WIDTH, TEXT, figure_style, save_figure
from sra.reporting.figures.picture import DataTable
from sra.reporting.figures.study.frame import NARROW_WIDTH, SMALL
from sra.reporting.write.numbers import ABSENT, METRIC_NAMES, number_text
from sra.reporting.write.study import factor_text
from sra.study.document import StudyDocument, Sweep, Trial
from sra.study.intervals import scale_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TOP, PLOT, BOTTOM, LEFT, GAP = 0.42, 0.85, 0.3, 0.56, 0.16  # inches
WHAT = {"weight": "weight", "rate": "learning rate"}


def draw_sweep(study: StudyDocument, identity: str, base: Path, narrow: bool = False) -> None:
    with figure_style(identity):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        across, width = (2, NARROW_WIDTH) if narrow else (4, PAGE_WIDTH)
        rows, each = max(1, math.ceil(len(study.sweeps) / across)), TOP + PLOT + BOTTOM
        figure = Figure(figsize=(width, rows * each))
        FigureCanvasAgg(figure)
        if not study.sweeps:
            figure.text(0.05, 0.5, "no trials", color=MUTED)
        limits = _limits(study)
        strip = (width - LEFT) / across
        for number, sweep in enumerate(study.sweeps):
            line, column = divmod(number, across)
            bottom = (rows - line - 1) * each + BOTTOM
            place = ((LEFT + column * strip) / width, bottom / (rows * each), (strip - GAP) / width, PLOT / (rows * each))
            _paint(figure.add_axes(place, facecolor="none"), study, sweep, limits, strip - GAP, named=column == 0)
        save_figure(figure, base)


def ratio_of(trial: Trial, sweep: Sweep, study: StudyDocument) -> float | None:
    """Over the trial of what is published, or less it on a natural scale; None where either is missing."""
    published = next((other.value for other in sweep.trials if other.factor == 1), None)
    if trial.value is None or published is None:
        return None
    return trial.value / published if scale_of(study.metric) == "log" else trial.value - published


def _limits(study: StudyDocument) -> tuple[float, float]:
    neutral = 1.0 if scale_of(study.metric) == "log" else 0.0
    found = [ratio for sweep in study.sweeps for trial in sweep.trials if (ratio := ratio_of(trial, sweep, study)) is not None]
    low, high = min([neutral, *found]), max([neutral, *found])
    if neutral:
        return min(low, 0.97) / 1.03, max(high, 1.03) * 1.03
    margin = 0.1 * (high - low) or 1.0
    return low - margin, high + margin


def _paint(axes: "Axes", study: StudyDocument, sweep: Sweep, limits: tuple[float, float], width: float, named: bool) -> None:
    ratio_scale = scale_of(study.metric) == "log"
    _set_axes(axes, sweep, limits, ratio_scale, named)
    lines = wrapped(sweep.label, width * 72 * TEXT_SIZE / TEXT, 1)
    axes.text(0, 1.24, lines[0] if lines else "", transform=axes.transAxes, color=INK, weight="bold", va="bottom")
    axes.text(0, 1.08, f"{WHAT[sweep.what]}: {_choice(sweep)}", transform=axes.transAxes, fontsize=SMALL, color=MUTED, va="bottom")
    axes.axhline(1.0 if ratio_scale else 0.0, color=INK, linewidth=0.8, zorder=1)
    drawn = [(place, ratio, trial) for place, trial in enumerate(sweep.trials) if (ratio := ratio_of(trial, sweep, study)) is not None]
    if drawn:
        places, ratios, _ = zip(*drawn, strict=True)
        axes.plot(places, ratios, color="#0072B2", marker="o", markersize=4.2, linewidth=1.0, zorder=3)
        for place, ratio, trial in drawn:
            if trial.factor == sweep.chosen:
                axes.plot([place], [ratio], marker="o", markersize=8.5, markerfacecolor="none", color=INK, markeredgewidth=0.9, zorder=4)
    for place, trial in enumerate(sweep.trials):
        if ratio_of(trial, sweep, study) is None:
            upright = {"rotation": 90, "ha": "center", "va": "center", "fontsize": SMALL, "color": MUTED}
            axes.text(place, 0.5, _value_text(trial, study), transform=axes.get_xaxis_transform(), **upright)


def _set_axes(axes: "Axes", sweep: Sweep, limits: tuple[float, float], ratio_scale: bool, named: bool) -> None:
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    axes.set_xlim(-0.45, len(sweep.trials) - 0.55)
    axes.set_xticks(range(len(sweep.trials)), [factor_text(trial.factor) for trial in sweep.trials], fontsize=SMALL)
    if ratio_scale:
        axes.set_yscale("log")
    axes.set_ylim(limits)
    if ratio_scale:
        ticks = ratio_ticks(*limits)
        axes.yaxis.set_major_locator(FixedLocator(ticks))
        axes.yaxis.set_major_formatter(FixedFormatter([f"{tick:g}" if named else "" for tick in ticks]))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.tick_params(length=2.5, width=0.6, labelsize=SMALL, labelleft=named)
    if named:
        axes.set_ylabel("/ published" if ratio_scale else "− published", fontsize=SMALL, color=MUTED, labelpad=3)
    axes.grid(axis="y", color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)


def _value_text(trial: Trial, study: StudyDocument) -> str:
    """Its own number where it cannot be drawn over the published one's; else why it has none."""
    if trial.value is not None:
        return f"{METRIC_NAMES[study.metric]} {number_text(trial.value, '.2f')}"
    return "diverged" if trial.status == "diverged" else "not run"


def _choice(sweep: Sweep) -> str:
    if sweep.chosen is None:
        return "none chosen"
    return "published stays" if sweep.chosen == 1 else f"{factor_text(sweep.chosen)} chosen"


def sweep_remarks(study: StudyDocument) -> list[str]:
    at = f"{METRIC_NAMES[study.metric]} over that of the published value"
    missing = sum(trial.value is None for sweep in study.sweeps for trial in sweep.trials)
    remarks = [
        f"Up: {at}, lower is better. One training a point, on a seed that no result is read from, so no trial is told from another; ringed: chosen."
    ]
    return remarks + ([f"{missing} trials have no value."] if missing else [])


def sweep_table(study: StudyDocument) -> DataTable:
    rows, receipts = [], []
    for sweep in study.sweeps:
        for trial in sweep.trials:
            ratio = ratio_of(trial, sweep, study)
            own = _value_text(trial, study) if trial.value is None else number_text(trial.value, ".2f")
            is_told = trial.factor == (sweep.trials[0].factor if sweep.chosen is None else sweep.chosen)
            remark = sweep.words if is_told else trial.reason or ABSENT
            rows.append(
                [sweep.label, WHAT[sweep.what], factor_text(trial.factor), own, ABSENT if ratio is None else number_text(ratio, ".3f"), remark]
            )
            receipts.append([None, None, None, trial.score_sha256 if trial.value is not None else None, None, None])
    columns = ["Row", "Varied", "Factor", METRIC_NAMES[study.metric], "over published", "Remark"]
    return DataTable("The trials, as drawn", columns, [False, False, False, True, True, False], rows, receipts)


def sweep_alt(study: StudyDocument) -> str:
    if not study.sweeps:
        return "Strips of the trials of tuning; there are none yet."
    changed = sum(sweep.chosen not in (None, 1) for sweep in study.sweeps)
    return f"Strips of the trials of {len(study.sweeps)} rows; {changed} of them chose another value than the published one."
