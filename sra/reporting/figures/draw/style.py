"""How figures look: one colour and one marker a method, everywhere. Text stays text in SVG, and equal figures are equal bytes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sra.core.files import written_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, MUTED, GRID, PLATE = "#1a1d21", "#5b626c", "#d5d9df", "#f6f7f9"
PAGE_WIDTH = 6.75  # inches
TEXT = 8  # points
PNG_DPI = 200


@dataclass(frozen=True)
class MethodStyle:
    """How one method or line is drawn. `label_colour` is dark enough for text on white where `colour` is not."""

    name: str
    colour: str
    marker: str
    line: str
    label_colour: str


# Okabe-Ito with a grey baseline: told apart under every common colour blindness, and by marker without colour.
METHOD_STYLES = {
    "none": MethodStyle("baseline", "#5F6670", "o", "-", "#5F6670"),
    "sra": MethodStyle("SRA", "#0072B2", "s", "-", "#0072B2"),
    "repa": MethodStyle("REPA", "#D55E00", "^", "--", "#A63C00"),
}

# From dark to light for lines in an order, such as times in which noise grows; told apart by marker without colour.
ORDERED_STYLES = (
    MethodStyle("", "#3B0F70", "o", "-", "#3B0F70"),
    MethodStyle("", "#2C6FA6", "s", "-", "#25628F"),
    MethodStyle("", "#1F9A8A", "^", "-", "#14705F"),
    MethodStyle("", "#B08900", "D", "-", "#7A5F00"),
    MethodStyle("", "#8B8F98", "v", "-", "#5F6670"),
)


def line_styles(methods: Sequence[str], labels: Sequence[str]) -> list[MethodStyle]:
    """A style for each line of a plot under its own name: its method's where the methods differ, else one of an ordered scale."""
    if len(set(methods)) == len(methods):
        styles = [METHOD_STYLES[method] for method in methods]
    else:
        styles = [ORDERED_STYLES[place % len(ORDERED_STYLES)] for place in range(len(methods))]
    return [replace(style, name=label) for style, label in zip(styles, labels, strict=True)]


@contextmanager
def figure_style(identity: str) -> Iterator[None]:
    """Matplotlib settings for one figure; `identity` salts the ids in its SVG, so that two figures on a page never share one."""
    import matplotlib  # here, because tables and published numbers are read without drawing anything

    settings = {
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"],  # the first ships with matplotlib
        "font.size": TEXT,
        "axes.linewidth": 0.6,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.unicode_minus": True,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "text.color": INK,
        "text.parse_math": False,  # a title with dollars is shown as it is
        "lines.linewidth": 1.5,
        "lines.markersize": 4,
        "svg.fonttype": "none",
        "svg.hashsalt": identity,
        "figure.dpi": 100,
        "savefig.facecolor": "white",
    }
    with matplotlib.rc_context(settings):
        yield


def save_figure(figure: "Figure", base: Path) -> None:
    """Write `<base>.svg` and `<base>.png` without date or version of the drawing library."""
    with written_whole(base.with_suffix(".svg")) as path:
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    with written_whole(base.with_suffix(".png")) as path:
        figure.savefig(path, format="png", dpi=PNG_DPI, metadata={"Software": None})
