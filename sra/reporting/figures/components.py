"""Principal components of one image's tokens as colours, blocks across and times down: what the figure shows, then the picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from sra.content.figures import FeaturesFigure, InspectedModel
from sra.core.errors import InputError
from sra.core.npz import read_npz
from sra.core.receipts import verify_contents
from sra.reporting.display import heading_of
from sra.reporting.figures.draw.style import MUTED, PAGE_WIDTH, figure_style, save_figure
from sra.reporting.figures.picture import DataTable, InspectionDocument
from sra.reporting.figures.remarks import block_remarks, block_text
from sra.reporting.read.evidence import Evidence
from sra.reporting.write.numbers import ABSENT, milestone_text
from sra.spec.base import Strict
from sra.spec.run import check_place

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KIND = "components"  # of the receipt
RULE = (
    "Each square is a principal component analysis of its own over the tokens of the one image at the left: its first three components, each scaled "
    "to its own range, as red, green and blue. Colours of two squares are therefore not the same directions."
)
CELL = 64  # pixels of a square, or the next multiple of its tokens
GAP = 4  # pixels between squares
EMPTY = 243  # grey of a square that is not run
PAPER_SIDE = 16  # tokens along a square in the paper
LEAST_SIDE = 8  # tokens along a square in which shapes can be seen


class FeaturesPanel(Strict):
    """One model: whether its components exist, of which image of the data set they are, and how many tokens lie along a side of it."""

    run: str
    milestone: str
    status: Literal["ok", "not run", "beyond"]
    reason: str | None
    image: int | None
    label: int | None
    side: int | None = None
    components_sha256: str | None

    @property
    def tells_nothing(self) -> bool:
        """Whether its tokens are too few for what the paper sees."""
        return self.side is not None and self.side < LEAST_SIDE


class FeaturesDocument(InspectionDocument):
    """Components of one image's tokens. blocks: of the paper, each the first that falls on its one of `blocks_here`, where several do."""

    kind: Literal["features"] = "features"
    times: list[float]
    blocks: list[int]
    blocks_here: list[int]
    panels: list[FeaturesPanel]

    def as_table(self) -> DataTable:
        blocks = ", ".join(map(block_text, self.blocks, self.blocks_here))
        times = ", ".join(f"{time:g}" for time in self.times)
        rows = [
            [
                panel.run,
                milestone_text(panel.milestone),
                ABSENT if panel.image is None else f"row {panel.image}, class {panel.label}",
                blocks,
                times,
                panel.reason or ABSENT,
            ]
            for panel in self.panels
        ]
        columns = ["Run", "Milestone", "Image of the train split", "Blocks, from the left", "Times, from the top", "Remark"]
        return DataTable("What the picture shows", columns, [False] * 6, rows)

    def statuses(self) -> list[str]:
        return [panel.status for panel in self.panels]


@dataclass(frozen=True)
class Components:
    """Components of one image.

    colours: (T, K, g, g, 3) uint8 for times and blocks of this preset's model.  image: (S, S, 3) uint8, row `row` of the train split.
    """

    times: list[float]
    blocks: list[int]
    colours: np.ndarray
    image: np.ndarray
    row: int
    label: int
    sha256: str

    def square(self, time: float, block: int) -> np.ndarray:
        """The colours (g, g, 3) of one block at one time."""
        return self.colours[self.times.index(time), self.blocks.index(block)]


def read_components(path: Path) -> Components:
    """Read one file of components. Raises InputError for a file that is not what its receipt says."""
    receipt = verify_contents(path, KIND)
    facts, arrays = receipt.get("facts", {}), read_npz(path)
    missing = [name for name in ("run", "times", "blocks", "image", "label") if name not in facts]
    missing += [name for name in ("colours", "image") if name not in arrays]
    if missing:
        raise InputError(f"{path}: has no {missing[0]} in itself or its receipt; delete it and build it again")
    check_place(path, facts["run"])
    colours, image = arrays["colours"], arrays["image"]
    if colours.dtype != np.uint8 or colours.ndim != 5 or colours.shape[:2] != (len(facts["times"]), len(facts["blocks"])):
        wanted = f"uint8 ({len(facts['times'])}, {len(facts['blocks'])}, g, g, 3)"
        raise InputError(f"{path}: colours are {colours.dtype} {colours.shape}, expected {wanted}; delete it and build it again")
    return Components(facts["times"], facts["blocks"], colours, image, facts["image"], facts["label"], receipt["sha256"])


def build_features(figure: FeaturesFigure, evidence: Evidence) -> FeaturesDocument:
    """What the figure shows. Models of unequal depth, which have no blocks in common, are refused."""
    carriers = [evidence.carriers[model.run] for model in figure.models]
    columns: dict[int, int] = {}
    for block in figure.blocks:
        columns.setdefault(carriers[0].block(block), block)
    for model, carrier in zip(figure.models, carriers, strict=True):
        if carrier.here.depth != carriers[0].here.depth:
            names = f"{model.run} has another number of blocks than {figure.models[0].run}"
            raise InputError(f"{figure.id}: {names}; give models of one size, or two figures")
    panels = [_panel(figure, model, list(columns), evidence) for model in figure.models]
    return FeaturesDocument(
        **heading_of(figure, evidence),
        caption=figure.caption,
        rule=RULE,
        times=figure.times,
        blocks=list(columns.values()),
        blocks_here=list(columns),
        panels=panels,
        remarks=_remarks(figure, panels, evidence),
        alt=_alt(figure, panels, len(columns)),
    )


def _panel(figure: FeaturesFigure, model: InspectedModel, blocks_here: list[int], evidence: Evidence) -> FeaturesPanel:
    milestone = model.milestones[0]
    path, found = evidence.components.get((model.run, milestone)), None
    status, reason = "ok", evidence.beyond(milestone)
    if reason:
        status = "beyond"
    elif path is None or not Path(path).exists():
        status, reason = "not run", "no components yet"
    else:
        found = read_components(Path(path))
        if not set(figure.times) <= set(found.times) or not set(blocks_here) <= set(found.blocks):
            status, reason, found = "not run", "its components are of other times or blocks", None
    return FeaturesPanel(
        run=model.run,
        milestone=milestone,
        status=status,
        reason=reason,
        image=found.row if found else None,
        label=found.label if found else None,
        side=found.colours.shape[2] if found else None,
        components_sha256=found.sha256 if found else None,
    )


def _remarks(figure: FeaturesFigure, panels: list[FeaturesPanel], evidence: Evidence) -> list[str]:
    remarks = [_why_nothing(side) for side in sorted({panel.side for panel in panels if panel.tells_nothing and panel.side})]
    remarks += [f"{panel.run}: not run ({panel.reason})." for panel in panels if panel.status != "ok"]
    remarks += [f"Run: {evidence.run_at(panel.run, panel.milestone)}." for panel in panels]
    for row, label in sorted({(panel.image, panel.label) for panel in panels if panel.status == "ok"}):
        stands = "" if label == figure.image_class else f", which stands for the paper's class {figure.image_class}"
        remarks.append(f"The image is the first of class {label} in the train split (row {row}){stands}.")
    carrier = evidence.carriers[figure.models[0].run]
    return remarks + block_remarks((block, carrier.block(block)) for block in figure.blocks)


def _why_nothing(side: int) -> str:
    return (
        f"Nothing of what the paper sees can be seen here: a square has {side} × {side} tokens, the paper's {PAPER_SIDE} × {PAPER_SIDE}, and three "
        f"components of {side * side} points are colours without shapes. The picture shows that the analysis runs."
    )


def _alt(figure: FeaturesFigure, panels: list[FeaturesPanel], columns: int) -> str:
    shown = [panel.run for panel in panels if panel.status == "ok"]
    if not shown:
        return "No principal components yet."
    return (
        f"Grid of {len(figure.times)} times by {columns} blocks for {', '.join(shown)}: three principal components of one image's tokens as colours."
    )


# The picture

IMAGE, LABEL, TOP = 1.1, 0.52, 0.42  # inches: the image at the left, the times beside it, words over the grid


def draw_features(document: FeaturesDocument, components: Mapping[tuple[str, str], Path], base: Path) -> None:
    """Write `<base>.svg` and `<base>.png`."""
    with figure_style(document.id):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        left = IMAGE + LABEL + 0.2
        grid_width = PAGE_WIDTH - left - 0.05
        grid_height = grid_width * len(document.times) / len(document.blocks)
        block = TOP + grid_height + 0.1
        figure = Figure(figsize=(PAGE_WIDTH, block * len(document.panels)))
        FigureCanvasAgg(figure)
        for place, panel in enumerate(document.panels):
            found = read_components(Path(components[(panel.run, panel.milestone)])) if panel.status == "ok" else None
            _draw_panel(figure, document, panel, found, place * block, (left, grid_width, grid_height))
        save_figure(figure, base)


def _draw_panel(
    figure: "Figure", document: FeaturesDocument, panel: FeaturesPanel, found: Components | None, top: float, grid: tuple[float, float, float]
) -> None:
    """Draw one model. grid: left, width and height of the squares in inches.  top: of the panel, from the top of the figure."""
    left, width, height = grid
    whole_width, whole_height = figure.get_size_inches()
    note = "" if panel.status == "ok" else f": not run ({panel.reason})"
    if panel.tells_nothing and panel.side:
        note = f": {panel.side**2} tokens, too few to see shapes"
    heading = f"{panel.run} at {milestone_text(panel.milestone)}{note}"
    figure.text(0.1 / whole_width, 1 - (top + 0.12) / whole_height, heading, weight="bold", va="center")
    bottom = 1 - (top + TOP + height) / whole_height
    axes = figure.add_axes((left / whole_width, bottom, width / whole_width, height / whole_height))
    mosaic = _mosaic(document, found)
    axes.imshow(mosaic, interpolation="none")
    _name_squares(axes, document, mosaic)
    if found:
        side = min(IMAGE, height)
        low = 1 - (top + TOP + side) / whole_height
        image = figure.add_axes((0.1 / whole_width, low, side / whole_width, side / whole_height))
        image.imshow(found.image if found.image.ndim == 3 else found.image[..., None].repeat(3, 2), interpolation="none")
        image.set_axis_off()


def _name_squares(axes: "Axes", document: FeaturesDocument, mosaic: np.ndarray) -> None:
    axes.set_axis_off()
    height, width = mosaic.shape[:2]
    rows, columns, moved = len(document.times), len(document.blocks), document.blocks != document.blocks_here
    for column, (block, here) in enumerate(zip(document.blocks, document.blocks_here, strict=True)):
        word = f"{block} → {here}" if moved else str(block)
        axes.text((column + 0.5) * width / columns, -0.03 * height / rows, word, ha="center", va="bottom")
    axes.text(-0.04 * width / columns, -0.03 * height / rows, "block → here" if moved else "block", ha="right", va="bottom", color=MUTED)
    for row, time in enumerate(document.times):
        axes.text(-0.04 * width / columns, (row + 0.5) * height / rows, f"t = {time:g}", ha="right", va="center", color=MUTED)


def _mosaic(document: FeaturesDocument, found: Components | None) -> np.ndarray:
    """All squares as one image (H, W, 3) uint8: every square grown by whole pixels, white between them, grey where there is none."""
    tokens = found.colours.shape[2] if found else 1
    grow = max(1, -(-CELL // tokens))
    side = grow * tokens
    rows, columns = len(document.times), len(document.blocks)
    mosaic = np.full((rows * (side + GAP) - GAP, columns * (side + GAP) - GAP, 3), 255, np.uint8)
    for row, time in enumerate(document.times):
        for column, block in enumerate(document.blocks_here):
            y, x = row * (side + GAP), column * (side + GAP)
            square = found.square(time, block).repeat(grow, 0).repeat(grow, 1) if found else np.full((side, side, 3), EMPTY, np.uint8)
            mosaic[y : y + side, x : x + side] = square
    return mosaic
