"""One plot of ours and one of the paper's side by side, or both in one where they are comparable: probes and targets are drawn on these."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sra.reporting.figures.draw.style import PAGE_WIDTH, PLATE, TEXT, MethodStyle, figure_style, save_figure

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
        """The paper's points, hollow; joined at most by a thin line where ours are elsewhere, so that they never read as a curve of ours."""
        thin = 0.6 if joined and not self.ours else 0.0
        hollow = {"markerfacecolor": "none" if self.ours else self.ground, "markeredgewidth": 1.0, "markersize": 4.5}
        axes.plot(*zip(*points, strict=True), color=style.colour, linewidth=thin, marker=style.marker, zorder=4, **hollow)


@dataclass(frozen=True)
class Plates:
    """published: whether the paper has points.  both: what stands over ours and the paper's together.  header: of the vertical axis.

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


def not_below_zero(axes: "Axes") -> None:
    """Accuracies need no axis below 0, which a margin under small ones would reach."""
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0.0), high)
