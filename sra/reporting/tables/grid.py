"""A table as rows of cells under headings, whatever it shows: made once from its document, and what Markdown, TeX, HTML and the PDF walk over."""

from dataclasses import replace

from sra.reporting.tables.cells import DIFFERENT, Grid, GridCell, GridRow, Heading, grouped, padded
from sra.reporting.tables.document import DocumentRow, SettingsBody, TableDocument
from sra.reporting.tables.study import pages_of_study, study_grid

AGREES = {True: " ≈", False: f" {DIFFERENT}", None: ""}  # after a difference


def grid_of(document: TableDocument) -> Grid:
    """The whole table."""
    if document.study:
        return study_grid(document.study)
    return _of_settings(document.settings) if document.settings else _of_numbers(document)


def pages_of(document: TableDocument) -> list[Grid]:
    """The same as paper has room for it: one grid, or several that continue it to the right."""
    return pages_of_study(document.study) if document.study else [grid_of(document)]


def _of_settings(body: SettingsBody) -> Grid:
    rows = []
    for line in body.lines:
        pairs = [[GridCell(cell.published, "paper"), GridCell(cell.ours, same=cell.same, mark=cell.mark)] for cell in line.cells]
        rows.append((line.group, GridRow(line.label, "", [], pairs)))
    return Grid("Setting", [], [Heading(model.label, ["paper", "ours"]) for model in body.models], grouped(rows), numeric=False)


def _of_numbers(document: TableDocument) -> Grid:
    columns = [_columns(document.rows, metric, document.comparable) for metric in range(len(document.columns))]
    rows = [
        (row.group, GridRow(row.label, row.mark, row.settings, [[cells[place] for cells in under.values()] for under in columns]))
        for place, row in enumerate(document.rows)
    ]
    headings = [Heading(column.header, list(under), column.better) for column, under in zip(document.columns, columns, strict=True)]
    return Grid("Row", [column.label for column in document.setting_columns], headings, grouped(rows), numeric=True)


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
    return {name: padded(column) for name, column in columns.items() if shown[name]}
