"""A table as one typed document: the paper's rows with published and reproduced numbers, or its settings beside ours.

Every output format is drawn from it.
"""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import get_args

from sra.content.catalogue import Catalogue
from sra.content.margins import Margin, Tolerances
from sra.content.tables import Column, Row, TableSpec
from sra.core.files import write_checked_json, write_text
from sra.reporting.documents import Cell, DocumentColumn, DocumentRow, Note, Notes, TableDocument, table_heading
from sra.reporting.read.published import Published, PublishedNumber, load_published
from sra.reporting.read.scores import Outcome, Scores, load_scores, outcome_of
from sra.reporting.read.spread import seeds_text
from sra.reporting.tables.costs import build_costs, load_costs
from sra.reporting.tables.formats import to_csv, to_markdown, to_tex
from sra.reporting.tables.html import table_fragment
from sra.reporting.tables.settings import PAPER, build_settings
from sra.reporting.write.commands import missing_remark
from sra.reporting.write.numbers import (
    ABSENT,
    ARROWS,
    METRIC_NAMES,
    UNDEFINED,
    count_text,
    difference_text,
    milestone_text,
    number_text,
)
from sra.spec.metric import ScoreOf
from sra.spec.scale import Preset, SecondaryMetric
from sra.spec.seeds import Seeds


def render_table(
    table: TableSpec,
    score_files: Iterable[Path],
    published_folder: Path,
    preset_id: str,
    preset: Preset,
    output_folder: Path,
    templates: Path,
    seeds: Seeds = Seeds(),
    cost_files: Iterable[Path] = (),
    tolerances: Tolerances = Tolerances(),
) -> TableDocument:
    """Write `<id>.json .csv .html .tex .md` to the output folder. Score files and cost receipts that do not exist print as `not run`.

    published_folder: `report/published` of the folder that holds `config`, whose recipes a table of settings reads.
    """
    published = load_published(published_folder)
    if table.kind == "settings":
        root = Path(published_folder).resolve().parents[1]
        document = build_settings(table, published, Catalogue(root, PAPER), Catalogue(root, preset_id))
    elif table.kind == "costs":
        document = build_costs(table, load_costs(cost_files, preset_id), published, preset_id, preset)
    else:
        document = build_table(table, load_scores(score_files, preset_id, seeds), published, preset_id, preset, tolerances)
    base = Path(output_folder) / table.id
    write_checked_json(base.with_suffix(".json"), document.model_dump(mode="json"))
    write_text(base.with_suffix(".csv"), to_csv(document))
    write_text(base.with_suffix(".tex"), to_tex(document))
    write_text(base.with_suffix(".md"), to_markdown(document))
    write_text(base.with_suffix(".html"), table_fragment(document, templates))
    return document


def build_table(
    table: TableSpec, scores: Scores, published: Published, preset_id: str, preset: Preset, tolerances: Tolerances = Tolerances()
) -> TableDocument:
    """tolerances: of differences from the printed numbers, where the preset is comparable."""
    table, left_out = _measured(table, published, preset_id, preset)
    notes = Notes()
    rows = [_row(table, row, scores, published, preset_id, preset, notes, tolerances) for row in table.rows]
    asked = [row for row in rows if row.run and row.score.milestone in preset.milestones]
    missing = sum(all(cell.status == "not run" for cell in row.cells) for row in asked)
    left_out += missing_remark(missing, len(asked), "rows", table.id, preset_id)
    judged = {cell.metric for row in rows for cell in row.cells if cell.agrees is not None}
    about = [_tolerance_text(column, tolerances.tolerances[column.metric]) for column in table.columns if column.metric in judged]
    return TableDocument(
        **table_heading(table, preset_id, preset),
        conditions=_conditions(table, preset, seeds_text(cell.spread for row in rows for cell in row.cells)),
        setting_columns=table.setting_columns,
        columns=[
            DocumentColumn(metric=column.metric, header=_header(column), better=column.better, format=column.format) for column in table.columns
        ],
        rows=_with_best(rows, table),
        best_of=table.best_of,
        notes=[Note(mark="", text=text) for text in [*table.notes, *left_out, *about]] + notes.collected,
    )


def _measured(table: TableSpec, published: Published, preset_id: str, preset: Preset) -> tuple[TableSpec, list[str]]:
    """The table without the secondary metrics that neither the preset measures nor the paper prints, and a note that names them."""

    def shown(column: Column) -> bool:
        printed = (published.number(row.published, column.metric, f"{table.id}, row {row.label[:60]!r}") for row in table.rows if row.published)
        return column.metric not in get_args(SecondaryMetric) or column.metric in preset.secondary or any(printed)

    columns = [column for column in table.columns if shown(column)]
    names = [METRIC_NAMES[column.metric] for column in table.columns if column not in columns]
    return table.model_copy(update={"columns": columns}), [f"Not measured at preset {preset_id}: {', '.join(names)}."] if names else []


def _tolerance_text(column: Column, margin: Margin) -> str:
    size = f"{number_text(margin.share, '.0%')} % of the printed number" if margin.share else number_text(margin.value, column.format)
    return f"Tolerance of {METRIC_NAMES[column.metric]}: {size} ({margin.why})."


def _row(
    table: TableSpec,
    row: Row,
    scores: Scores,
    published: Published,
    preset_id: str,
    preset: Preset,
    notes: Notes,
    tolerances: Tolerances,
) -> DocumentRow:
    score = table.score_of(row)
    where = f"{table.id}, row {row.label[:60]!r}"
    marks = [notes.mark(row.note)] if row.note else []
    if row.score and row.run:
        marks.append(notes.mark(f"scored at {_score_text(score)}"))
    cells = []
    for column in table.columns:
        number = published.number(row.published, column.metric, where) if row.published else None
        outcome = outcome_of(scores, row.run, score, column.metric, preset_id, preset)
        cells.append(_cell(column, number, outcome, row.run, tolerances if preset.comparable else None))
    marks += [notes.mark(cell.reason if cell.value is not None else f"{cell.status}: {cell.reason}") for cell in cells if cell.reason]
    found = scores.find(row.run, score) if row.run else None
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
    """tolerances: None where ours and the paper's have no common scale."""
    value, spread = outcome.value, outcome.spread
    missing = outcome.status if run else ABSENT  # the paper's row alone
    text = number_text(value, column.format) if value is not None else missing
    difference = value - number.value if tolerances is not None and number and value is not None else None
    return Cell(
        metric=column.metric,
        published=number.text if number else ABSENT,
        published_value=number.value if number else None,
        source=number.credit if number else None,
        value=value,
        text=text,
        spread=spread,
        sd_text=_sd_text(spread and spread.training_sd, column),
        sampling_sd_text=_sd_text(spread and spread.sampling_sd, column),
        difference=difference,
        difference_text=difference_text(difference, column.format) if difference is not None else UNDEFINED if run else ABSENT,
        agrees=None if difference is None else tolerances.agrees(column.metric, value, number.value),
        status="not in the paper" if outcome.status == "ok" and number is None else outcome.status,
        reason=outcome.reason,
    )


def _sd_text(sd: float | None, column: Column) -> str:
    return ABSENT if sd is None else number_text(sd, column.format)


def _with_best(rows: list[DocumentRow], table: TableSpec) -> list[DocumentRow]:
    """Mark the best of each column, in the whole table or in each group of neighbouring rows."""
    parts = [list(part) for _, part in groupby(rows, key=lambda row: row.group if table.best_of == "group" else None)]
    return [row for part in parts for row in _best_marked(part, table.columns)]


def _best_marked(rows: list[DocumentRow], columns: list[Column]) -> list[DocumentRow]:
    """Ours and the paper's apart. Values that print alike are equally good; one run alone is never best."""
    cells = [list(row.cells) for row in rows]
    for place, column in enumerate(columns):
        choose = min if column.better == "lower" else max
        ours = {(row.run, row.score): row.cells[place] for row in rows if row.cells[place].value is not None}
        best_text = choose(ours.values(), key=lambda cell: cell.value).text if len(ours) > 1 else None
        theirs = [row.cells[place].published_value for row in rows if row.cells[place].published_value is not None]
        best_published = choose(theirs) if len(set(theirs)) > 1 else None
        for line in cells:
            cell = line[place]
            marks = {
                "best": cell.value is not None and cell.text == best_text,
                "published_best": cell.published_value is not None and cell.published_value == best_published,
            }
            line[place] = cell.model_copy(update=marks)
    return [row.model_copy(update={"cells": line}) for row, line in zip(rows, cells, strict=True)]


def _header(column: Column) -> str:
    unit = " (%)" if column.format.endswith("%") else ""
    return f"{METRIC_NAMES[column.metric]}{unit} {ARROWS[column.better]}"


def _score_text(score: ScoreOf) -> str:
    return f"{milestone_text(score.milestone)} steps, {count_text(score.samples)} samples, sampler {score.sampler}"


def _conditions(table: TableSpec, preset: Preset, seeds: str) -> str:
    """What holds for the whole table, in the paper's units and in ours."""
    score = table.score
    unless = ", unless a row or its group says otherwise" if any(row.score for row in table.rows) else ""
    if preset.comparable:
        return f"Paper and ours{unless}: {_score_text(score)}. Ours: {seeds}."
    step, count = preset.milestones.get(score.milestone), preset.samples.get(score.samples)
    here = [f"step {count_text(step)}" if step else f"{milestone_text(score.milestone)} is not reached"]
    here.append(f"{count_text(count)} samples" if count else "no such sample count")
    return f"Paper{unless}: {_score_text(score)}. Ours: {', '.join(here)}, {preset.title}, data set {preset.dataset}, {seeds}."
