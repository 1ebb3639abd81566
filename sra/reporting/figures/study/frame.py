"""Rows of a study beside one another: their names at the left, one plot for each budget, words at the right of each.

On a wide page the plots share the names; on a narrow one they stand under each other, each with the names of its rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from sra.reporting.figures.draw.sheets import TEXT_SIZE, wrapped
from sra.reporting.figures.draw.style import GRID, INK, MUTED, PAGE_WIDTH, TEXT, figure_style, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NARROW_WIDTH = 3.6  # inches, as wide as the text of a page on a phone
NAMES, NARROW_NAMES = 1.4, 1.2  # inches
TOP, BOTTOM, GAP = 0.48, 0.46, 0.1
HEADING, LINE, TEXT_LINE = 0.25, 0.13, 0.135  # heights of a family's name, of one mark and of one line of a name
SMALL = TEXT - 1
GOOD, BAD = "#00664a", "#a63c00"  # of words too; each stands beside its sign


@dataclass(frozen=True)
class FrameRow:
    """One row. note: what is missing from it, small under its name.  lines: marks under each other.  heading: whether it names a family."""

    name: str
    note: str = ""
    lines: int = 1
    heading: bool = False


@dataclass(frozen=True)
class FramePanel:
    """One plot. paint: fills its axes, given the height of each line of each row, in inches from the top.  words: inches right of the plot."""

    title: str
    axis: str
    paint: Callable[["Axes", list[list[float]]], None]
    words: float = 0.78


def draw_frame(identity: str, rows: list[FrameRow], panels: list[FramePanel], base: Path, narrow: bool) -> None:
    """Write `<base>.svg` and `<base>.png`."""
    with figure_style(identity):
        names = NARROW_NAMES if narrow else NAMES
        placed = [_Placed(row, names) for row in rows]
        height = max(sum(one.height for one in placed), 2 * LINE)
        figure, places = _new_figure(height, len(panels), narrow)
        for number, (panel, (left, width, top)) in enumerate(zip(panels, places, strict=True)):
            axes = _axes(figure, (left + GAP, top, width - GAP - panel.words, height))
            axes.set_ylim(height, 0)
            axes.set_title(panel.title, loc="left", fontsize=TEXT, fontweight="bold", pad=5)
            axes.set_xlabel(panel.axis, fontsize=SMALL, color=MUTED)
            named = narrow or number == 0
            _rule_rows(axes, placed, names + GAP if named else GAP, panel.words, width - GAP - panel.words)
            if named:
                _write_names(axes, placed)
            panel.paint(axes, [one.lines(top) for one, top in zip(placed, _tops(placed), strict=True)])
        save_figure(figure, base)


def say(axes: "Axes", place: float, text: str, colour: str = MUTED) -> None:
    """Words right of the plot: a verdict, a number, or why there is no mark."""
    axes.text(1.0, place, f" {text}", transform=axes.get_yaxis_transform(), fontsize=SMALL, color=colour, va="center")


@dataclass(frozen=True)
class _Placed:
    """A row as it is written. room: inches for its name."""

    row: FrameRow
    room: float

    @property
    def name(self) -> list[str]:
        room = NARROW_WIDTH - NARROW_NAMES if self.row.heading else self.room  # no mark stands beside a heading
        return wrapped(self.row.name, _pixels(room, TEXT), 1 if self.row.heading else 2)

    @property
    def note(self) -> list[str]:
        return wrapped(self.row.note, _pixels(self.room, SMALL), 2) if self.row.note else []

    @property
    def height(self) -> float:
        if self.row.heading:
            return HEADING
        return max(self.row.lines * LINE, (len(self.name) + len(self.note)) * TEXT_LINE) + 0.07

    def lines(self, top: float) -> list[float]:
        """Heights of its marks, which stand in its middle together."""
        first = top + (self.height - (self.row.lines - 1) * LINE) / 2
        return [first + number * LINE for number in range(self.row.lines)]


def _pixels(room: float, size: float) -> float:
    """Room for text of that size (points), in pixels of the text that is measured."""
    return (room - 0.06) * 72 * TEXT_SIZE / size


def _tops(placed: list[_Placed]) -> list[float]:
    return list(accumulate((one.height for one in placed[:-1]), initial=0.0))[: len(placed)]


def _new_figure(height: float, panels: int, narrow: bool) -> tuple["Figure", list[tuple[float, float, float]]]:
    """A figure, and left, width and top (inches from the figure's top) of each panel without the names."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    each = TOP + height + BOTTOM
    if narrow:
        figure = Figure(figsize=(NARROW_WIDTH, each * panels))
        places = [(NARROW_NAMES, NARROW_WIDTH - NARROW_NAMES, number * each + TOP) for number in range(panels)]
    else:
        figure, width = Figure(figsize=(PAGE_WIDTH, each)), (PAGE_WIDTH - NAMES) / panels
        places = [(NAMES + number * width, width, TOP) for number in range(panels)]
    FigureCanvasAgg(figure)
    return figure, places


def _axes(figure: "Figure", place: tuple[float, float, float, float]) -> "Axes":
    """Axes at left, top, width and height in inches, with nothing on the vertical side."""
    left, top, width, height = place
    whole_width, whole_height = figure.get_size_inches()
    axes = figure.add_axes((left / whole_width, 1 - (top + height) / whole_height, width / whole_width, height / whole_height), facecolor="none")
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(length=2.5, width=0.6, labelsize=SMALL, labeltop=True)  # a study has more rows than a screen: its scale stands at both ends
    axes.grid(axis="x", color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    return axes


def _rule_rows(axes: "Axes", placed: list[_Placed], before: float, after: float, plot: float) -> None:
    """A hair line over each row that follows another, from its name to its words; lengths in inches."""
    tops = _tops(placed)
    for above, one, top in zip(placed, placed[1:], tops[1:], strict=False):
        if not above.row.heading and not one.row.heading:
            ends, share = [-before / plot, 1 + after / plot], {"transform": axes.get_yaxis_transform(), "scalex": False, "scaley": False}
            axes.plot(ends, [top, top], color=GRID, linewidth=0.4, clip_on=False, zorder=0, **share)


def _write_names(axes: "Axes", placed: list[_Placed]) -> None:
    from matplotlib.transforms import ScaledTranslation

    for one, top in zip(placed, _tops(placed), strict=True):
        left = axes.get_yaxis_transform() + ScaledTranslation(-one.room - GAP + 0.02, 0, axes.figure.dpi_scale_trans)
        if one.row.heading:
            axes.text(0, top + one.height - 0.08, one.name[0] if one.name else "", transform=left, color=INK, weight="bold", va="center")
            continue
        for text, size, colour, place in _written(one, top):
            axes.text(0, place, text, transform=left, fontsize=size, color=colour, va="center")


def _written(one: _Placed, top: float) -> Iterator[tuple[str, float, str, float]]:
    """Text, size, colour and height of each line of a name and of its note."""
    lines = [(text, TEXT, INK) for text in one.name] + [(text, SMALL, MUTED) for text in one.note]
    first = top + (one.height - (len(lines) - 1) * TEXT_LINE) / 2
    for number, (text, size, colour) in enumerate(lines):
        yield text, size, colour, first + number * TEXT_LINE
