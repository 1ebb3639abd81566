"""A sheet of images as SVG and PNG: words over each column, one row a run under the run's name. Grids and captioned figures are sheets."""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sra.core.files import write_text, written_whole
from sra.reporting.figures.draw.style import INK, METHOD_STYLES
from sra.reporting.figures.samples import SampleBlock

TEXT_SIZE, LINE = 12, 15  # pixels of the SVG, which the page shows as they are
GAP = 2  # between images of a column, and around the sheet
NAME = 24  # height of a run's name
EMPTY = 243  # grey of a place without an image


@dataclass(frozen=True)
class Heading:
    """Words over a column, as drawn line by line, and in whole where they were cut."""

    lines: list[str]
    whole: str | None = None


@dataclass(frozen=True)
class SheetRow:
    """One run's row of a sheet. columns: its images (H, W, 3) uint8 by column, from the top; a column that is missing or short leaves grey places."""

    block: SampleBlock
    columns: list[list[np.ndarray]]

    @property
    def name(self) -> str:
        note = "" if self.block.status == "ok" else f": not run ({self.block.reason})"
        return f"{self.block.label or METHOD_STYLES[self.block.method].name}, {self.block.run}{note}"

    @property
    def colour(self) -> str:
        return METHOD_STYLES[self.block.method].label_colour


@dataclass(frozen=True)
class Sheet:
    """Everything that is drawn.

    columns, depth: images across and down in each run's row.  cell: pixels of one image in the SVG.  gap: pixels between columns.
    headings: one a column, or none.  centred: whether they stand over the middle of their column or begin at its left.
    """

    columns: int
    depth: int
    headings: list[Heading]
    rows: list[SheetRow]
    cell: int
    gap: int
    centred: bool

    @property
    def head_lines(self) -> int:
        return max((len(heading.lines) for heading in self.headings), default=0)


def draw_sheet(sheet: Sheet, base: Path) -> None:
    """Write `<base>.svg` (images `cell` pixels wide, text as text) and `<base>.png` (images at full size)."""
    full = max((image.shape[0] for row in sheet.rows for column in row.columns for image in column), default=sheet.cell)
    write_text(base.with_suffix(".svg"), _svg(_Layout(sheet, sheet.cell)))
    with written_whole(base.with_suffix(".png")) as path:
        path.write_bytes(_png(_page(_Layout(sheet, max(sheet.cell, full)))))


def wrapped(text: str, width: float, lines: int) -> list[str]:
    """The text in at most `lines` lines, none wider than `width` pixels in the text's font; where more would follow, the last ends in an ellipsis."""
    measure = font(TEXT_SIZE).getlength
    made, line = [], ""
    for word in text.split():
        if line and measure(f"{line} {word}") <= width:
            line = f"{line} {word}"
            continue
        made += [line] if line else []
        line = word
        while measure(line) > width and len(line) > 1 and len(made) <= lines:
            head = _fitting(line, width, measure) or line[0]
            made.append(head)
            line = line.removeprefix(head)
    made += [line] if line else []
    if len(made) <= lines:
        return made
    last = _fitting(made[lines - 1], width - measure("…"), measure)
    return [*made[: lines - 1], f"{last.rstrip()}…"]


def _fitting(text: str, width: float, measure: Callable[[str], float]) -> str:
    """The longest beginning that is no wider than `width`."""
    kept = ""
    for character in text:
        if measure(kept + character) > width:
            break
        kept += character
    return kept


@cache
def font(pixels: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans as matplotlib ships it: the same on every machine, and as wide as any font that may take its place in an SVG."""
    import matplotlib  # only for the file

    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(file), pixels, layout_engine=ImageFont.Layout.BASIC)


@dataclass(frozen=True)
class _Layout:
    """Places in pixels when images are `cell` wide; all distances grow alike."""

    sheet: Sheet
    cell: int

    def px(self, length: float) -> int:
        return round(length * self.cell / self.sheet.cell)

    @property
    def block_width(self) -> int:
        return self.sheet.columns * self.cell + (self.sheet.columns - 1) * self.px(self.sheet.gap)

    @property
    def block_height(self) -> int:
        return self.sheet.depth * self.cell + (self.sheet.depth - 1) * self.px(GAP)

    @property
    def width(self) -> int:
        return self.block_width + 2 * self.px(GAP)

    @property
    def head(self) -> int:
        return self.px(LINE * self.sheet.head_lines + 7)

    @property
    def height(self) -> int:
        return self.head + len(self.sheet.rows) * (self.px(NAME) + self.block_height) + self.px(GAP)

    def block_top(self, index: int) -> int:
        return self.head + index * (self.px(NAME) + self.block_height) + self.px(NAME)

    def column(self, place: int) -> int:
        """Where a column begins, from the left of the block."""
        return place * (self.cell + self.px(self.sheet.gap))

    def row(self, place: int) -> int:
        """Where a row begins, from the top of the block."""
        return place * (self.cell + self.px(GAP))

    def heading(self, place: int) -> float:
        """Where the words over a column begin, or their middle where they are centred."""
        return self.px(GAP) + self.column(place) + (self.cell / 2 if self.sheet.centred else 0)


def _mosaic(layout: _Layout, columns: list[list[np.ndarray]]) -> Image.Image:
    """The images of one run on white. Small ones grow by whole pixels, so their edges stay sharp; large ones shrink smoothly."""
    canvas = Image.new("RGB", (layout.block_width, layout.block_height), "white")
    for x in range(layout.sheet.columns):
        for y in range(layout.sheet.depth):
            place = (layout.column(x), layout.row(y))
            if x < len(columns) and y < len(columns[x]):
                image = Image.fromarray(columns[x][y])
                grows = image.width <= layout.cell
                canvas.paste(image.resize((layout.cell, layout.cell), Image.Resampling.NEAREST if grows else Image.Resampling.LANCZOS), place)
            else:
                canvas.paste((EMPTY, EMPTY, EMPTY), (*place, place[0] + layout.cell, place[1] + layout.cell))
    return canvas


def _svg(layout: _Layout) -> str:
    """The sheet as SVG: text as text in the page's fonts, each run's images as one embedded picture."""
    fonts = f'font-family="DejaVu Sans, Arial, Helvetica, sans-serif" font-size="{TEXT_SIZE}"'
    anchor = ' text-anchor="middle"' if layout.sheet.centred else ""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{layout.width}" height="{layout.height}" viewBox="0 0 {layout.width} {layout.height}">',
        f'<rect width="{layout.width}" height="{layout.height}" fill="white"/>',
    ]
    for place, heading in enumerate(layout.sheet.headings):
        x = f"{layout.heading(place):g}"
        title = f"<title>{escape(heading.whole)}</title>" if heading.whole else ""
        lines = "".join(f'<tspan x="{x}" y="{LINE * (number + 1)}">{escape(line)}</tspan>' for number, line in enumerate(heading.lines))
        parts.append(f'<text{anchor} {fonts} fill="{INK}">{title}{lines}</text>')
    for index, row in enumerate(layout.sheet.rows):
        top = layout.block_top(index)
        parts.append(f'<text x="{GAP}" y="{top - 8}" {fonts} fill="{row.colour}">{escape(row.name)}</text>')
        data = base64.b64encode(_png(_mosaic(layout, row.columns))).decode()
        size = f'width="{layout.block_width}" height="{layout.block_height}" image-rendering="pixelated"'
        parts.append(f'<image x="{GAP}" y="{top}" {size} href="data:image/png;base64,{data}"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _page(layout: _Layout) -> Image.Image:
    """The same picture as the SVG, with its text drawn."""
    page = Image.new("RGB", (layout.width, layout.height), "white")
    draw, face = ImageDraw.Draw(page), font(layout.px(TEXT_SIZE))
    for place, heading in enumerate(layout.sheet.headings):
        for number, line in enumerate(heading.lines):
            start = (layout.heading(place), layout.px(LINE * (number + 1)))
            draw.text(start, line, fill=INK, font=face, anchor="ms" if layout.sheet.centred else "ls")
    for index, row in enumerate(layout.sheet.rows):
        top = layout.block_top(index)
        draw.text((layout.px(GAP), top - layout.px(8)), row.name, fill=row.colour, font=face, anchor="ls")
        page.paste(_mosaic(layout, row.columns), (layout.px(GAP), top))
    return page


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
