"""A table of what training costs: memory, time and parameters as the paper prints them beside those measured here."""

import dataclasses
import statistics
from collections.abc import Callable

from sra.content.tables import CostColumn, CostName, Row, TableSpec
from sra.reporting.display import heading_of
from sra.reporting.read.comparison import Outcome
from sra.reporting.read.costs import Costs
from sra.reporting.read.evidence import Evidence
from sra.reporting.read.published import UNITS, PublishedNumber
from sra.reporting.tables.document import AT_MOST, Cell, DocumentColumn, DocumentRow, Notes, TableDocument
from sra.reporting.tables.scores import place_of, status_in_table
from sra.reporting.write.numbers import ABSENT, METRIC_NAMES, UNDEFINED, difference_text, number_text
from sra.spec.measured import MeasuredCost

# The paper's unit first, and smaller ones for smaller presets.
UNITS_OF: dict[CostName, dict[str, float]] = {
    "memory": {"GB": UNITS["GB"], "MB": 1e6},
    "epoch_time": {"h": UNITS["h"], "min": 60.0, "s": 1.0},
    "extra_parameters": {"M": UNITS["M"], "K": 1e3},
    "memory_over_baseline": {"%": UNITS["%"]},
    "time_over_baseline": {"%": UNITS["%"]},
}
OF: dict[CostName, Callable[[MeasuredCost], float]] = {
    "memory": lambda cost: cost.memory.of_training,
    "epoch_time": lambda cost: cost.seconds_per_epoch,
    "extra_parameters": lambda cost: cost.parameters.extra_forward,
}
SHARE_OF: dict[CostName, CostName] = {"memory_over_baseline": "memory", "time_over_baseline": "epoch_time"}
MEMORY_OF = {
    "gpu": "what torch allocated on one GPU at most",
    "process": "the most that the training process held, less what it held before it opened its data and built its models (Python, libraries)",
}


def build_costs(table: TableSpec, evidence: Evidence) -> TableDocument:
    costs, notes, rows = evidence.costs, Notes(), []
    columns = [_column(table, column, evidence) for column in table.costs]
    for row in table.rows:
        cells = [_cell(spec.cost, column, row, table, evidence) for spec, column in zip(table.costs, columns, strict=True)]
        marks = [notes.mark(text) for text in (row.note, *(cell.reason for cell in cells)) if text]
        found = costs.find(row.run)
        rows.append(
            DocumentRow(
                label=row.label,
                mark=" ".join(dict.fromkeys(marks)),
                group=row.group,
                settings=[],
                run=row.run,
                score=None,
                score_sha256=None,
                cost_sha256=found.sha256 if found else None,
                cells=cells,
            )
        )
    return TableDocument(
        kind="costs",
        **heading_of(table, evidence),
        conditions=_conditions(table, costs),
        setting_columns=[],
        columns=columns,
        rows=rows,
        notes=notes.after([*table.notes, *_memory_notes(table, costs), *costs.remarks((row.run for row in table.rows), table.id)]),
    )


def _column(table: TableSpec, column: CostColumn, evidence: Evidence) -> DocumentColumn:
    """A column with the unit in which ours are readable; at a comparable preset it is the paper's."""
    units, spec = UNITS_OF[column.cost], column.format
    paper = unit = next(iter(units))
    found = [_measured(column.cost, row, table, evidence.costs).value for row in table.rows]
    values = [value for value in found if value]
    if len(units) > 1 and values and not evidence.preset.comparable:
        unit = next((unit for unit, factor in units.items() if min(values) >= factor), list(units)[-1])
        least = min(values) / units[unit]
        spec = f".{(least < 10) + (least < 100)}f"
    name = METRIC_NAMES[column.cost]
    header = f"{name} ({unit})" if unit == paper else f"{name} (paper {paper}, ours {unit})"
    return DocumentColumn(metric=column.cost, header=header, better="lower", format=spec, published_unit=paper, unit=unit)


def _cell(cost: CostName, column: DocumentColumn, row: Row, table: TableSpec, evidence: Evidence) -> Cell:
    """One cell; the numbers of both sides are in the units of the column."""
    number, outcome = _published(cost, column, row, table, evidence), _measured(cost, row, table, evidence.costs)
    if number:
        number = dataclasses.replace(number, value=number.value / UNITS_OF[cost][column.published_unit])
    if outcome.value is not None:
        outcome = dataclasses.replace(outcome, value=outcome.value / UNITS_OF[cost][column.unit])
    missing = {"not run": "not run", "n/a": UNDEFINED if outcome.reason else ABSENT}
    steady = outcome.value is not None and not outcome.reason
    difference = outcome.value - number.value if evidence.preset.comparable and number and outcome.value is not None and steady else None
    text = missing[outcome.status] if outcome.value is None else number_text(outcome.value, column.format)
    return Cell.of(
        number,
        outcome,
        metric=cost,
        text=text if outcome.value is None or steady else f"{AT_MOST} {text}",
        difference=difference,
        difference_text=ABSENT if difference is None else difference_text(difference, column.format),
        status=status_in_table(number, outcome),
    )


def _measured(cost: CostName, row: Row, table: TableSpec, costs: Costs) -> Outcome:
    """Our number, in bytes, seconds, parameters or as a share.

    A baseline has nothing over itself, and a run without a teacher no extra parameters. Other work can only add to a time, which is then an upper
    bound and says nothing of another.
    """
    file = costs.find(row.run)
    if file is None:
        return Outcome("not run")
    if cost not in SHARE_OF:
        value = OF[cost](file.record)
        return Outcome("ok", value, _disturbed(cost, file.record)) if value else Outcome("n/a")
    if row.baseline is None:
        return Outcome("n/a")
    baseline = costs.find(_baseline(row, table).run)
    if baseline is None:
        return Outcome("not run")
    if baseline.record.words != file.record.words:
        return Outcome("n/a", reason=f"measured on {file.record.words}, its baseline on {baseline.record.words}")
    of = OF[SHARE_OF[cost]]
    if reason := _disturbed(SHARE_OF[cost], file.record) or _disturbed(SHARE_OF[cost], baseline.record):
        return Outcome("n/a", reason=reason)
    return Outcome("ok", of(file.record) / of(baseline.record) - 1)


def _disturbed(cost: CostName, record: MeasuredCost) -> str | None:
    """Why a time is no more than an upper bound; None for every other cost."""
    return f"measured beside other work: {record.steps.disturbed}" if cost == "epoch_time" and record.steps.disturbed else None


def _published(cost: CostName, column: DocumentColumn, row: Row, table: TableSpec, evidence: Evidence) -> PublishedNumber | None:
    """The paper's number as printed; a share is inferred from the two numbers that are."""
    where = place_of(table, row)
    if cost not in SHARE_OF:
        return evidence.published.number(row.published, cost, where)
    keys = (row.published, row.baseline and _baseline(row, table).published)
    ours, theirs = (evidence.published.number(key, SHARE_OF[cost], where) for key in keys)
    if ours is None or theirs is None:
        return None
    share = ours.value / theirs.value - 1
    text = number_text(share / UNITS["%"], column.format)
    return PublishedNumber(row.published, cost, text, share, f"{ours.text} over {theirs.text}; {ours.source}", "inferred")


def _baseline(row: Row, table: TableSpec) -> Row:
    return next(other for other in table.rows if other.label == row.baseline)


def _conditions(table: TableSpec, costs: Costs) -> str:
    """Where ours were measured, and how far the blocks of one run lay apart."""
    found = costs.of(row.run for row in table.rows)
    if not found:
        return "Ours: not measured yet."
    first, places = found[0].record.steps, dict.fromkeys(file.record.words for file in found)
    spreads = sorted(file.record.steps.spread for file in found)
    timed = f"median of {len(first.seconds)} blocks of {first.steps_per_block} steps"
    return (
        f"Ours: {'; '.join(places)}; {timed}, which lay {number_text(statistics.median(spreads), '.1%')} % apart in half of the runs "
        f"and {number_text(spreads[-1], '.1%')} % at most."
    )


def _memory_notes(table: TableSpec, costs: Costs) -> list[str]:
    """What is counted as the memory of ours."""
    kinds = dict.fromkeys(file.record.memory.of for file in costs.of(row.run for row in table.rows))
    return [f"Memory of ours: {MEMORY_OF[kind]}." for kind in kinds]
