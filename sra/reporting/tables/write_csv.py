"""A table as CSV: one line a number or setting, with every digit of the score file and the source of what is printed.

The paper's numbers stay as printed. A missing number is empty, and `status` says why.
"""

from collections.abc import Iterator

from sra.reporting.tables.document import Cell, DocumentRow, TableDocument
from sra.reporting.tables.study_records import study_records
from sra.reporting.write.delimited import delimited, digits

YES = {True: "yes", False: "no", None: ""}


def to_csv(document: TableDocument) -> str:
    records = {"settings": _setting_records, "costs": _cost_records, "scores": _score_records, "study": study_records}[document.kind]
    return delimited(records(document))


def _score_records(document: TableDocument) -> Iterator[list[str | int]]:
    settings = [column.key for column in document.setting_columns]
    seeds = ["training_seeds", "training_sd", "sampling_seeds", "sampling_sd"]
    yield ["table", "preset", "group", "label", *settings, "run", "milestone", "sampler", "samples", "metric", "published", "reproduced", *seeds,
           "difference", "agrees", "status", "source", "score_sha256"]  # fmt: skip
    for row in document.rows:
        of_row = [*_beginning(document, row), *row.settings, row.run or "", row.score.milestone, row.score.sampler, row.score.samples]
        hashes = " ".join([row.score_sha256 or "", *row.seeds_sha256])
        for cell in row.cells:
            numbers = [_printed(cell), digits(cell.value), *_seeds(cell), digits(cell.difference), YES[cell.agrees]]
            yield [*of_row, cell.metric, *numbers, cell.status, cell.source or "", hashes]


def _cost_records(document: TableDocument) -> Iterator[list[str]]:
    yield ["table", "preset", "group", "label", "run", "cost", "published", "published_unit", "reproduced", "unit", "difference", "status", "source",
           "cost_sha256"]  # fmt: skip
    for row in document.rows:
        for column, cell in zip(document.columns, row.cells, strict=True):
            numbers = [_printed(cell), column.published_unit, digits(cell.value), column.unit, digits(cell.difference)]
            yield [*_beginning(document, row), row.run or "", cell.metric, *numbers, cell.status, cell.source or "", row.cost_sha256 or ""]


def _setting_records(document: TableDocument) -> Iterator[list[str]]:
    reasons = {note.mark: note.text for note in document.notes if note.mark}
    yield ["table", "group", "setting", "label", "model", "run", "published", "ours", "same", "reason", "source"]
    for line in document.settings.lines:
        for model, cell in zip(document.settings.models, line.cells, strict=True):
            of_cell = [model.label, model.run, cell.published, cell.ours, YES[cell.same], reasons.get(cell.mark, ""), cell.source]
            yield [document.id, line.group or "", line.setting, line.label, *of_cell]


def _beginning(document: TableDocument, row: DocumentRow) -> list[str]:
    return [document.id, document.preset, row.group or "", row.label]


def _printed(cell: Cell) -> str:
    return "" if cell.published_value is None else cell.published


def _seeds(cell: Cell) -> list[str | int]:
    """How many seeds of each kind stand behind a number, and their standard deviations."""
    if cell.value is None:
        return ["", "", "", ""]
    if cell.spread is None:
        return [1, "", 1, ""]
    return [cell.spread.training, digits(cell.spread.training_sd), cell.spread.sampling, digits(cell.spread.sampling_sd)]
