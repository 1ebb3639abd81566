"""What a table is to the PDF's template: rows of cells that know how they are set, whatever the table shows."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Literal
from unicodedata import category

import matplotlib
from matplotlib.ft2font import FT2Font

from sra.reporting.tables.document import Note
from sra.reporting.write.numbers import FIGURE_SPACE, PUNCTUATION_SPACE, one_line
from sra.spec.base import Strict

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
UNKNOWN = "□"  # for a character that no font at hand has


def plain(text: str) -> str:
    """One line of what the PDF's fonts can show. PDF/UA refuses a character without a glyph, and text of others may hold any."""
    known = _characters()
    return "".join(character if ord(character) in known and category(character) != "Co" else UNKNOWN for character in one_line(text))


@cache
def _characters() -> frozenset[int]:
    """The characters of DejaVu Sans, which stands in where typst's own serif has no glyph."""
    return frozenset(FT2Font(FONTS / "DejaVuSans.ttf").get_charmap())


# name, text: may wrap.  number: stays on one line, to the right.  code: stays on one line, to the left.
Column = Literal["name", "text", "number", "code"]
Tone = Literal["", "muted", "supported", "contradicted", "equivalent", "undecided", "inconclusive", "not judged", "not run"]


class PdfCell(Strict):
    """One line of a cell.

    pad: digits that are not shown, which put the points of a column on one line.  mark: of a note.  to: label of what it links to.
    """

    text: str
    bold: bool = False
    tone: Tone = ""
    pad: str = ""
    mark: str = ""
    to: str = ""
    span: int = 1
    rows: int = 1


class PdfBody(Strict):
    group: str | None = None
    rows: list[list[list[PdfCell]]]  # a cell is one or more lines


class PdfGrid(Strict):
    """Head and rows of a table. groups: first columns of those that stand apart from what is left of them."""

    columns: list[Column]
    head: list[list[PdfCell]]
    bodies: list[PdfBody]
    groups: list[int] = []


class PdfTable(Strict):
    """A table with its caption and notes. label: as the paper names it; empty for what it does not have.  cites: numbers of references."""

    id: str
    label: str
    caption: str
    grid: PdfGrid
    notes: list[Note] = []
    cites: list[int] = []


Item = str | PdfCell | list[PdfCell]  # a cell of one line, as text alone where nothing is special about it, or of several


def lines_of(items: Iterable[Item]) -> list[list[PdfCell]]:
    """A row of cells, each a list of lines."""
    cells = (item if isinstance(item, list) else [item] for item in items)
    return [[PdfCell(text=line) if isinstance(line, str) else line for line in cell] for cell in cells]


def simple_table(identity: str, caption: str, columns: dict[str, Column], *bodies: Iterable[Iterable[Item]]) -> PdfTable:
    """A table with one head row. columns: by heading, how each is set."""
    grid = PdfGrid(
        columns=list(columns.values()),
        head=[[PdfCell(text=name) for name in columns]],
        bodies=[PdfBody(rows=[lines_of(row) for row in rows]) for rows in bodies],
    )
    return PdfTable(id=identity, label="", caption=caption, grid=grid)


def phantom(padding: str) -> str:
    """Padding spaces as the digits and points that they are as wide as."""
    return padding.replace(PUNCTUATION_SPACE, ".").replace(FIGURE_SPACE, "0")
