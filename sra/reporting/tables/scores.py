"""A table of scores: the paper's rows with the metrics that it prints and those measured here."""

from itertools import groupby
from typing import get_args

from sra.content.margins import Margin, Tolerances
from sra.content.tables import Column, Row, TableSpec
from sra.reporting.display import heading_of
from sra.reporting.read.comparison import Outcome
from sra.reporting.read.evidence import Evidence
from sra.reporting.read.published import PublishedNumber
from sra.reporting.read.spread import seeds_text
from sra.reporting.tables.document import Cell, DocumentColumn, DocumentRow, Notes, TableDocument
from sra.reporting.write.commands import missing_remark
from sra.reporting.write.numbers import ABSENT, METRIC_NAMES, UNDEFINED, count_text, difference_text, metric_header, milestone_text, number_text
from sra.spec.metric import ScoreOf
from sra.spec.scale import Preset, SecondaryMetric
from sra.study.intervals import paired, scale_of
from sra.study.ranking import surely_best


def build_scores(table: TableSpec, evidence: Evidence, tolerances: Tolerances = Tolerances()) -> TableDocument:
    preset_id, preset = evidence.preset_id, evidence.preset
    table, left_out = _measured(table, evidence)
    notes = Notes()
    rows = [_row(table, row, evidence, notes, tolerances) for row in table.rows]
    asked = [row for row in rows if row.run and row.score.milestone in preset.milestones]
    missing = sum(all(cell.status == "not run" for cell in row.cells) for row in asked)
    left_out += missing_remark(missing, len(asked), "rows", table.id, preset_id)
    judged = {cell.metric for row in rows for cell in row.cells if cell.agrees is not None}
    about = [_tolerance_text(column, tolerances.tolerances[column.metric]) for column in table.columns if column.metric in judged]
    return TableDocument(
        **heading_of(table, evidence),
        conditions=_conditions(table, preset, seeds_text(cell.spread for row in rows for cell in row.cells)),
        setting_columns=table.setting_columns,
        columns=[
            DocumentColumn(metric=column.metric, header=_header(column), better=column.better, format=column.format) for column in table.columns
        ],
        rows=_with_best(rows, table),
        best_of=table.best_of,
        notes=notes.after([*table.notes, *left_out, *about]),
    )


def place_of(table: TableSpec, row: Row) -> str:
    """Where the row is, for an error."""
    return f"{table.id}, row {row.label[:60]!r}"


def _measured(table: TableSpec, evidence: Evidence) -> tuple[TableSpec, list[str]]:
    """The table without the secondary metrics that neither the preset measures nor the paper prints, and a note that names them."""

    def shown(column: Column) -> bool:
        printed = (evidence.published.number(row.published, column.metric, place_of(table, row)) for row in table.rows)
        return column.metric not in get_args(SecondaryMetric) or column.metric in evidence.preset.secondary or any(printed)

    columns = [column for column in table.columns if shown(column)]
    names = [METRIC_NAMES[column.metric] for column in table.columns if column not in columns]
    return table.model_copy(update={"columns": columns}), [f"Not measured at preset {evidence.preset_id}: {', '.join(names)}."] if names else []


def _tolerance_text(column: Column, margin: Margin) -> str:
    size = f"{number_text(margin.share, '.0%')} % of the printed number" if margin.share else number_text(margin.value, column.format)
    return f"Tolerance of {METRIC_NAMES[column.metric]}: {size} ({margin.why})."


def _row(table: TableSpec, row: Row, evidence: Evidence, notes: Notes, tolerances: Tolerances) -> DocumentRow:
    score = table.score_of(row)
    marks = [notes.mark(row.note)] if row.note else []
    if row.other_protocol:
        marks.append(notes.mark(f"published under another protocol ({', '.join(row.settings.values())}), so no difference is taken"))
    if row.score and row.run:
        marks.append(notes.mark(f"scored at {_score_text(score)}"))
    cells = []
    for column in table.columns:
        number = evidence.published.number(row.published, column.metric, place_of(table, row))
        outcome = evidence.score(row.run, score, column.metric)
        cells.append(_cell(column, number, outcome, row.run, tolerances if evidence.preset.comparable and not row.other_protocol else None))
    marks += [notes.mark(cell.reason if cell.value is not None else f"{cell.status}: {cell.reason}") for cell in cells if cell.reason]
    found = evidence.scores.find(row.run, score)
    return DocumentRow(
        label=row.label,
        mark=" ".join(dict.fromkeys(marks)),
        group=row.group,
        settings=[row.settings.get(column.key, ABSENT) for column in table.setting_columns],
        run=row.run,
        score=score,
        score_sha256=found.first.sha256 if found else None,
        seeds_sha256=[file.sha256 for file in found.files[1:]] if found else [],
        cells=cells,
    )


def _cell(column: Column, number: PublishedNumber | None, outcome: Outcome, run: str | None, tolerances: Tolerances | None) -> Cell:
    """One cell. tolerances: None where ours and the published number have no common scale, or no common protocol."""
    value, spread = outcome.value, outcome.spread
    missing = outcome.status if run else ABSENT  # the paper's row alone
    difference = value - number.value if tolerances is not None and number and value is not None else None
    return Cell.of(
        number,
        outcome,
        metric=column.metric,
        text=number_text(value, column.format) if value is not None else missing,
        sd_text=_sd_text(spread and spread.training_sd, column),
        sampling_sd_text=_sd_text(spread and spread.sampling_sd, column),
        difference=difference,
        difference_text=difference_text(difference, column.format) if difference is not None else UNDEFINED if run else ABSENT,
        agrees=None if difference is None else _agrees(column, outcome, number, tolerances),
        status=status_in_table(number, outcome),
    )


def _agrees(column: Column, outcome: Outcome, number: PublishedNumber, tolerances: Tolerances) -> bool | None:
    """Whether the 95 % interval of ours over training seeds lies within the tolerance of the printed number; None below three seeds."""
    pair = paired(outcome.by_seed, dict.fromkeys(outcome.by_seed, 0.0), "natural")
    return tolerances.agrees(column.metric, *pair.interval(), number.value) if pair and pair.judged else None


def status_in_table(number: PublishedNumber | None, outcome: Outcome) -> str:
    """The status of our number in a table, which says of a number that only we have that the paper has none."""
    return "not in the paper" if outcome.status == "ok" and number is None else outcome.status


def _sd_text(sd: float | None, column: Column) -> str:
    return ABSENT if sd is None else number_text(sd, column.format)


def _with_best(rows: list[DocumentRow], table: TableSpec) -> list[DocumentRow]:
    """Mark the best of each column, in the whole table or in each group of neighbouring rows; none where nothing is ranked.

    Of ours it is the one that is surely better than every other, by the paired intervals over training seeds; of the paper's the best printed number.
    """
    if table.best_of == "none":
        return rows
    parts = [list(part) for _, part in groupby(rows, key=lambda row: row.group if table.best_of == "group" else None)]
    return [row for part in parts for row in _best_marked(part, table.columns)]


def _best_marked(rows: list[DocumentRow], columns: list[Column]) -> list[DocumentRow]:
    """The same rows with ours and the paper's best marked. Printed values that are equal are equally good."""
    cells = [list(row.cells) for row in rows]
    for place, column in enumerate(columns):
        choose, lower = min if column.better == "lower" else max, column.better == "lower"
        ours = {(row.run, row.score): row.cells[place].by_seed for row in rows if row.cells[place].value is not None}
        best = surely_best(ours, scale_of(column.metric), lower)
        theirs = [row.cells[place].published_value for row in rows if row.cells[place].published_value is not None]
        best_published = choose(theirs) if len(set(theirs)) > 1 else None
        for row, line in zip(rows, cells, strict=True):
            cell = line[place]
            marks = {
                "best": best is not None and cell.value is not None and (row.run, row.score) == best,
                "published_best": cell.published_value is not None and cell.published_value == best_published,
            }
            line[place] = cell.model_copy(update=marks)
    return [row.model_copy(update={"cells": line}) for row, line in zip(rows, cells, strict=True)]


def _header(column: Column) -> str:
    return metric_header(column.metric, column.better, " (%)" if column.format.endswith("%") else "")


def _score_text(score: ScoreOf) -> str:
    return f"{milestone_text(score.milestone)} steps, {count_text(score.samples)} samples, sampler {score.sampler}"


def _conditions(table: TableSpec, preset: Preset, seeds: str) -> str:
    """What holds for the whole table, in the paper's units and in ours."""
    score = table.score
    unless = ", unless a row or its group says otherwise" if any(row.score or row.other_protocol for row in table.rows) else ""
    if preset.comparable:
        return f"Paper and ours{unless}: {_score_text(score)}. Ours: {seeds}."
    step, count = preset.milestones.get(score.milestone), preset.samples.get(score.samples)
    here = [f"step {count_text(step)}" if step else f"{milestone_text(score.milestone)} is not reached"]
    here.append(f"{count_text(count)} samples" if count else "no such sample count")
    return f"Paper{unless}: {_score_text(score)}. Ours: {', '.join(here)}, {preset.title}, data set {preset.dataset}, {seeds}."
