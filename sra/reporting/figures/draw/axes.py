"""What plots share: the words at the ends of lines, ticks that have room, and the range of the values."""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from sra.reporting.figures.draw.style import GRID, MUTED, TEXT, MethodStyle

if TYPE_CHECKING:
    from matplotlib.axes import Axes

APART = 1.35  # times the text's size, from the middle of a name to that of the next
LOG_FROM_SPAN = 4.0  # largest over smallest value from which the axis is logarithmic
# From fine to coarse, with 1 among them; the first that is neither too many nor too close is taken.
RATIO_TICKS = (
    (0.94, 0.96, 0.98, 1, 1.02, 1.04, 1.06),
    (0.8, 0.85, 0.9, 0.95, 1, 1.05, 1.1, 1.15, 1.2),
    (0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3),
    (0.6, 0.8, 1, 1.2, 1.4),
    (0.5, 0.65, 0.8, 1, 1.25, 1.6, 2),
    (0.5, 0.7, 1, 1.5, 2, 3),
    (0.25, 0.5, 1, 2, 4),
    (0.1, 0.3, 1, 3, 10),
    (0.01, 0.1, 1, 10, 100),
)
MOST_RATIO_TICKS = 4
RATIO_TICKS_APART = 0.23  # of the axis at least, so that their labels do not touch where it is as wide as that of Figure B1


def label_ends(axes: "Axes", ends: list[tuple[float, float, MethodStyle]]) -> None:
    """Write each line's name right of the plot in its colour, at the height of its last point (step, value); names that overlap are moved apart.

    A thin line leads from the point to a name that is moved, or to one that other lines end nearer to.
    """
    to_share = axes.transData + axes.transAxes.inverted()
    places = [to_share.transform((step, value)) for step, value, _ in ends]
    right = max(x for x, _ in places)
    em_y, em_x = (TEXT * axes.figure.dpi / 72 / extent for extent in (axes.get_window_extent().height, axes.get_window_extent().width))
    names = max(right + 1.3 * em_x, 1 + 0.4 * em_x)  # beyond the axis, which they would lie on
    heights = spread([y for _, y in places], APART * em_y)
    lift = max(0.0, 0.75 * em_y - min(heights))  # no name stands on the axis below
    heights = [height + lift for height in heights]
    for (x, y), moved, (_, _, style) in zip(places, heights, ends, strict=True):
        axes.text(names, moved, style.name, transform=axes.transAxes, color=style.label_colour, va="center")
        if abs(moved - y) > 0.3 * em_y or x < right - em_x:
            leader = [x + 0.5 * em_x, names - 0.1 * em_x], [y, moved]
            axes.plot(*leader, transform=axes.transAxes, color=MUTED, linewidth=0.5, clip_on=False, scalex=False, scaley=False)


def draw_band(axes: "Axes", banded: list[tuple[float, float, float]], colour: str) -> None:
    """Shade a band around points (place, mean, half the height): one standard deviation over seeds to each side. None where there is one seed."""
    if banded:
        places, means, halves = zip(*banded, strict=True)
        low, high = ([mean + sign * half for mean, half in zip(means, halves, strict=True)] for sign in (-1, 1))
        axes.fill_between(places, low, high, color=colour, alpha=0.2, linewidth=0, zorder=2)


def spread(places: list[float], gap: float) -> list[float]:
    """The same places moved as little as needed so that neighbours in order are at least `gap` apart, around the same centre."""
    order = sorted(range(len(places)), key=lambda index: places[index])
    groups: list[list[int]] = []
    centres: list[float] = []
    for index in order:
        groups.append([index])
        centres.append(places[index])
        while len(groups) > 1 and centres[-1] - centres[-2] < gap * (len(groups[-1]) + len(groups[-2])) / 2 - 1e-12:
            groups[-2:] = [groups[-2] + groups[-1]]
            centres[-2:] = [sum(places[i] for i in groups[-1]) / len(groups[-1])]
    moved = list(places)
    for members, centre in zip(groups, centres, strict=True):
        for rank, index in enumerate(members):
            moved[index] = centre + gap * (rank - (len(members) - 1) / 2)
    return moved


def spaced(planned: list[int], others: list[int], least: float) -> list[int]:
    """Steps at least `least` apart: planned ones first, from the smallest on, then others where there is room."""
    kept: list[int] = []
    for step in [*planned, *others]:
        if all(abs(step - taken) >= least for taken in kept):
            kept.append(step)
    return sorted(kept)


def steps_text(step: int) -> str:
    """A step of the paper as an axis names it: 400000 -> 400K, 4000000 -> 4M."""
    return f"{step // 1_000_000}M" if step % 1_000_000 == 0 and step else f"{step // 1000}K"


def time_unit(longest: float) -> tuple[str, float]:
    """The unit that times up to so many seconds are shown in, and the seconds of one."""
    return next(((unit, seconds) for unit, seconds in (("hours", 3600.0), ("minutes", 60.0)) if longest >= 2 * seconds), ("seconds", 1.0))


def set_times(axes: "Axes", latest: float) -> None:
    """Let the horizontal axis run from 0 to beyond `latest`, with a few round numbers."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(0, 1.08 * latest)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))


def set_values(axes: "Axes", values: list[float], logarithmic: bool = True) -> None:
    """Make the vertical axis fit values that may stand in several panels, with plain numbers as ticks, grid lines across only.

    logarithmic: whether it becomes so where the values span much.
    """
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    axes.grid(axis="y", color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    if not values:
        axes.yaxis.set_major_locator(NullLocator())
        return
    low, high = min(values), max(values)
    if logarithmic and low > 0 and high / low > LOG_FROM_SPAN:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.15, high * 1.15)
        ticks = plain_ticks(low / 1.15, high * 1.15)
        axes.yaxis.set_major_locator(FixedLocator(ticks))
        axes.yaxis.set_major_formatter(FixedFormatter([f"{tick:g}" for tick in ticks]))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        margin = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
        axes.set_ylim(low - margin, high + margin)
        axes.locator_params(axis="y", nbins=5)


def not_below_zero(axes: "Axes") -> None:
    """End the axis of accuracies at 0, which a margin under small ones would pass."""
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0.0), high)


def plain_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers for a logarithmic axis, as many as there is room for, at least the powers of ten in the range."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 1.5, 2, 3, 4, 6), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,)):
        ticks = [digit * 10.0**decade for decade in decades for digit in digits if low <= digit * 10.0**decade <= high]
        if len(ticks) <= most:
            return ticks
    return ticks


def ratio_ticks(low: float, high: float, apart: float = RATIO_TICKS_APART) -> list[float]:
    """Of an axis of ratios, on which they stand by their logarithms: three or four if they can be had, else two, or 1 alone.

    apart: the least share of the axis between two of them.
    """
    inside = [(ticks, [tick for tick in ticks if low <= tick <= high]) for ticks in RATIO_TICKS]
    found = [shown for ticks, shown in inside if low >= 0.9 * ticks[0] and high <= 1.1 * ticks[-1]] + [shown for _, shown in inside]
    gap = apart * math.log(high / low)
    readable = [shown for shown in found if all(math.log(more / less) >= gap for less, more in pairwise(shown))]
    return next((shown for least in (3, 2) for shown in readable if least <= len(shown) <= MOST_RATIO_TICKS), [1.0])
