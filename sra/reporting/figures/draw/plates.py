"""One plot of ours and one of the paper's side by side, or both in one where they are comparable: probes and targets are drawn on these."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sra.reporting.figures.draw.axes import draw_band, label_ends
from sra.reporting.figures.draw.style import MUTED, PAGE_WIDTH, PLATE, TEXT, MethodStyle, figure_style, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TOP, BOTTOM, LEFT = 0.42, 0.5, 0.55  # inches around each plot
PLOT, ALONE = 1.75, 2.3  # inches of height, beside another plot and alone
WORD = 0.6 * TEXT / 72  # inches of one character of a line's name


@dataclass(frozen=True)
class Plate:
    """One plot. ours, paper: which of the two it shows."""

    heading: str
    ours: bool
    paper: bool
    ground: str

    def draw_paper(self, axes: "Axes", points: list[tuple[float, float]], style: MethodStyle, joined: bool = True) -> None:
        """Draw the paper's points, hollow; joined at most by a thin line where ours are elsewhere, so that they never read as a curve of ours."""
        thin = 0.6 if joined and not self.ours else 0.0
        hollow = {"markerfacecolor": "none" if self.ours else self.ground, "markeredgewidth": 1.0, "markersize": 4.5}
        axes.plot(*zip(*points, strict=True), color=style.colour, linewidth=thin, marker=style.marker, zorder=4, **hollow)


@dataclass(frozen=True)
class DrawnLine:
    """One line of a plot. ours: place, value and half the height of the band around it, None where one seed stands behind it.

    paper: places and values of the paper's points.  missing: why there is nothing of ours, where that is so.
    """

    style: MethodStyle
    ours: list[tuple[float, float, float | None]]
    paper: list[tuple[float, float]]
    missing: Literal["not run", "not measured"] = "not run"

    @property
    def places(self) -> list[float]:
        return [place for place, *_ in (*self.ours, *self.paper)]

    @property
    def values(self) -> list[float]:
        """Everything that the vertical axis must reach, with the edges of the band."""
        edges = [value + sign * half for _, value, half in self.ours if half is not None for sign in (-1, 1)]
        return [value for _, value, _ in self.ours] + edges + [value for _, value in self.paper]


def draw_lines(axes: "Axes", plate: Plate, lines: list[DrawnLine]) -> None:
    """Draw ours as lines under their bands and the paper's points, each line's name at its end, and what is missing in words."""
    ends = []
    for line in lines:
        style = line.style
        if line.ours:
            places, values, _ = zip(*line.ours, strict=True)
            axes.plot(places, values, color=style.colour, linestyle=style.line, marker=style.marker, zorder=3)
            draw_band(axes, [point for point in line.ours if point[2] is not None], style.colour)
        if line.paper:
            plate.draw_paper(axes, line.paper, style)
        if line.places:
            ends.append((max(line.places), (line.ours or line.paper)[-1][1], style))
    absent = {why: [line.style.name for line in lines if not line.ours and line.missing == why] for why in ("not run", "not measured")}
    words = "; ".join(f"{', '.join(names)}: {why}" for why, names in absent.items() if names)
    if words and plate.ours:
        axes.text(0.04, 0.05, words, transform=axes.transAxes, color=MUTED)
    if ends:
        label_ends(axes, ends)


@dataclass(frozen=True)
class Plates:
    """The plots of one figure.

    published: whether the paper has points.  both: what stands over ours and the paper's together.  header: of the vertical axis.
    longest: characters of the longest name at a line's end.
    """

    identity: str
    comparable: bool
    preset: str
    published: bool
    both: str
    header: str
    longest: int

    def all(self) -> list[Plate]:
        if self.comparable:
            return [Plate(self.both if self.published else "Ours", True, self.published, "white")]
        ours = Plate(f"Ours at preset {self.preset}", True, False, "white")
        return [ours, Plate("The paper: not the same scale", False, True, PLATE)] if self.published else [ours]


def draw_plates(plates: Plates, paint: Callable[["Axes", Plate], None], base: Path) -> None:
    """Write `<base>.svg` and `<base>.png`; `paint` fills the axes of one plate."""
    with figure_style(plates.identity):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.patches import Rectangle

        shown = plates.all()
        plot = PLOT if len(shown) > 1 else ALONE
        height, width = TOP + plot + BOTTOM, PAGE_WIDTH / len(shown)
        figure = Figure(figsize=(PAGE_WIDTH, height))
        FigureCanvasAgg(figure)
        for place, plate in enumerate(shown):
            left = place * width
            if plate.ground != "white":
                figure.add_artist(
                    Rectangle((left / PAGE_WIDTH, 0), width / PAGE_WIDTH, 1, transform=figure.transFigure, color=plate.ground, zorder=-1)
                )
            figure.text((left + 0.1) / PAGE_WIDTH, 1 - 0.17 / height, plate.heading, weight="bold", va="center")
            room = width - LEFT - 0.2 - plates.longest * WORD
            place_of_plot = ((left + LEFT) / PAGE_WIDTH, BOTTOM / height, room / PAGE_WIDTH, plot / height)
            axes = figure.add_axes(place_of_plot, facecolor="none")
            axes.set_ylabel(plates.header)
            paint(axes, plate)
        save_figure(figure, base)
