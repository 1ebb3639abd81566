"""What every table is to the formats that walk over it: rows of cells under headings, in groups."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from sra.reporting.write.numbers import decimal_padding

SAME, DIFFERENT = "=", "\u2260"


@dataclass(frozen=True)
class GridCell:
    """One cell under a heading. value: the number behind its text; None for words, and where there is no number.

    best: of its column.  same: of a setting, whether ours is what is printed.  mark: of the note that says why not.
    padding: spaces as wide as the digits that put the points of its column on one line.  receipt: SHA-256 of the score that it was read from.
    """

    text: str
    side: Literal["paper", "ours"] = "ours"
    value: float | None = None
    best: bool = False
    same: bool | None = None
    mark: str = ""
    padding: str = ""
    receipt: str | None = None

    @property
    def sign(self) -> str:
        return "" if self.same is None else SAME if self.same else DIFFERENT

    @property
    def signed_text(self) -> str:
        return f"{self.sign} {self.text}" if self.sign else self.text

    @property
    def stands_out(self) -> bool:
        """Whether a page sets it in bold: the best number, and a setting of ours that is not the printed one."""
        return self.best or self.same is False


@dataclass(frozen=True)
class Heading:
    """What stands over neighbouring columns, a metric or a model, and the name of each of them."""

    text: str
    names: list[str]
    better: Literal["lower", "higher"] | None = None


@dataclass(frozen=True)
class GridRow:
    """One row. settings: words between label and numbers.  cells: by heading, in the order of its names."""

    label: str
    mark: str
    settings: list[str]
    cells: list[list[GridCell]]

    def __iter__(self) -> Iterator[GridCell]:
        return (cell for cells in self.cells for cell in cells)


@dataclass(frozen=True)
class Grid:
    """The whole table.

    corner: what the labels are of.  settings: headings of the words between label and numbers.  numeric: whether the cells are numbers.
    groups: neighbouring rows under their common name, None without one.
    """

    corner: str
    settings: list[str]
    headings: list[Heading]
    groups: list[tuple[str | None, list[GridRow]]]
    numeric: bool

    @property
    def width(self) -> int:
        """How many columns there are in all."""
        return 1 + len(self.settings) + sum(len(heading.names) for heading in self.headings)


def padded(column: list[GridCell]) -> list[GridCell]:
    paddings = decimal_padding([cell.text for cell in column])
    return [replace(cell, padding=padding) for cell, padding in zip(column, paddings, strict=True)]


def grouped(rows: Iterable[tuple[str | None, GridRow]]) -> list[tuple[str | None, list[GridRow]]]:
    return [(name, [row for _, row in found]) for name, found in groupby(rows, key=lambda pair: pair[0])]
