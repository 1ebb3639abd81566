"""A table as rows of cells under headings, whatever it shows: made once from its document, and what Markdown, TeX, HTML and the PDF walk over."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from sra.reporting.tables.document import DocumentRow, SettingsBody, TableDocument
from sra.reporting.write.numbers import decimal_padding

SAME, DIFFERENT = "=", "\u2260"
AGREES = {True: " ≈", False: f" {DIFFERENT}", None: ""}  # after a difference


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


def grid_of(document: TableDocument) -> Grid:
    return _of_settings(document.settings) if document.settings else _of_numbers(document)


def _of_settings(body: SettingsBody) -> Grid:
    rows = []
    for line in body.lines:
        pairs = [[GridCell(cell.published, "paper"), GridCell(cell.ours, same=cell.same, mark=cell.mark)] for cell in line.cells]
        rows.append((line.group, GridRow(line.label, "", [], pairs)))
    return Grid("Setting", [], [Heading(model.label, ["paper", "ours"]) for model in body.models], _grouped(rows), numeric=False)


def _of_numbers(document: TableDocument) -> Grid:
    columns = [_columns(document.rows, metric, document.comparable) for metric in range(len(document.columns))]
    rows = [
        (row.group, GridRow(row.label, row.mark, row.settings, [[cells[place] for cells in under.values()] for under in columns]))
        for place, row in enumerate(document.rows)
    ]
    headings = [Heading(column.header, list(under), column.better) for column, under in zip(document.columns, columns, strict=True)]
    return Grid("Row", [column.label for column in document.setting_columns], headings, _grouped(rows), numeric=True)


def _columns(rows: list[DocumentRow], metric: int, comparable: bool) -> dict[str, list[GridCell]]:
    """The columns of a metric by name: the paper's where it prints the metric, the spread where there are several seeds, a difference where the
    two are comparable.
    """
    cells = [row.cells[metric] for row in rows]
    spreads = [(cell.spread.training_sd, cell.spread.sampling_sd) if cell.spread else (None, None) for cell in cells]
    columns = {
        "paper": [GridCell(cell.published, "paper", cell.published_value, cell.published_best) for cell in cells],
        "ours": [GridCell(cell.text, "ours", cell.value, cell.best) for cell in cells],
        "±": [GridCell(cell.sd_text, value=sd) for cell, (sd, _) in zip(cells, spreads, strict=True)],
        "± sampling": [GridCell(cell.sampling_sd_text, value=sd) for cell, (_, sd) in zip(cells, spreads, strict=True)],
        "Δ": [GridCell(f"{cell.difference_text}{AGREES[cell.agrees]}", value=cell.difference) for cell in cells],
    }
    columns["ours"] = [
        replace(cell, receipt=row.score_sha256 if cell.value is not None else None) for cell, row in zip(columns["ours"], rows, strict=True)
    ]
    filled = {name: any(cell.value is not None for cell in column) for name, column in columns.items()}
    shown = filled | {"ours": True, "Δ": filled["paper"] and comparable}
    return {name: _padded(column) for name, column in columns.items() if shown[name]}


def _padded(column: list[GridCell]) -> list[GridCell]:
    paddings = decimal_padding([cell.text for cell in column])
    return [replace(cell, padding=padding) for cell, padding in zip(column, paddings, strict=True)]


def _grouped(rows: Iterable[tuple[str | None, GridRow]]) -> list[tuple[str | None, list[GridRow]]]:
    return [(name, [row for _, row in found]) for name, found in groupby(rows, key=lambda pair: pair[0])]
