"""A table of what training costs: memory, time and parameters as the paper prints them beside those measured here."""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from sra.content.tables import CostColumn, CostName, Row, TableSpec
from sra.reporting.documents import Cell, DocumentColumn, DocumentRow, Note, Notes, TableDocument, table_heading
from sra.reporting.read.files import read_of_preset
from sra.reporting.read.published import UNITS, Published, PublishedNumber
from sra.reporting.read.scores import Outcome
from sra.reporting.write.numbers import ABSENT, METRIC_NAMES, UNDEFINED, difference_text, number_text
from sra.spec.measured import MeasuredCost, read_cost
from sra.spec.scale import Preset

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


@dataclass(frozen=True)
class CostFile:
    cost: MeasuredCost
    sha256: str


class Costs:
    """The cost receipts of one preset that exist, by run."""

    def __init__(self, files: dict[str, CostFile]):
        self._files = files

    def find(self, run: str | None) -> CostFile | None:
        return self._files.get(run)

    def of(self, runs: Iterable[str | None]) -> list[CostFile]:
        return [file for file in map(self.find, dict.fromkeys(runs)) if file]


NO_COSTS = Costs({})
UNSTEADY = 0.25  # spread of a run's blocks from which its time says more of what else ran than of the run


def load_costs(paths: Iterable[Path], preset_id: str) -> Costs:
    """The receipts among `paths` that exist. One of another preset is refused."""
    found = read_of_preset(paths, preset_id, read_cost, "cost receipt")
    return Costs({cost.run: CostFile(cost, sha256) for _, cost, sha256 in found})


def build_costs(table: TableSpec, costs: Costs, published: Published, preset_id: str, preset: Preset) -> TableDocument:
    columns = [_column(table, column, costs, preset) for column in table.costs]
    notes, rows = Notes(), []
    for row in table.rows:
        pairs = zip(table.costs, columns, strict=True)
        cells = [_cell(spec.cost, column, row, table, costs, published, preset.comparable) for spec, column in pairs]
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
        **table_heading(table, preset_id, preset),
        conditions=_conditions(table, costs),
        setting_columns=[],
        columns=columns,
        rows=rows,
        notes=[Note(mark="", text=text) for text in [*table.notes, *_notes(table, costs)]] + notes.collected,
    )


def _column(table: TableSpec, column: CostColumn, costs: Costs, preset: Preset) -> DocumentColumn:
    """With the unit in which ours are readable; at a comparable preset it is the paper's."""
    units, spec = UNITS_OF[column.cost], column.format
    paper = unit = next(iter(units))
    found = [_value(column.cost, row, table, costs).value for row in table.rows]
    values = [value for value in found if value]
    if len(units) > 1 and values and not preset.comparable:
        unit = next((unit for unit, factor in units.items() if min(values) >= factor), list(units)[-1])
        least = min(values) / units[unit]
        spec = f".{(least < 10) + (least < 100)}f"
    name = METRIC_NAMES[column.cost]
    header = f"{name} ({unit})" if unit == paper else f"{name} (paper {paper}, ours {unit})"
    return DocumentColumn(metric=column.cost, header=header, better="lower", format=spec, published_unit=paper, unit=unit)


def _cell(cost: CostName, column: DocumentColumn, row: Row, table: TableSpec, costs: Costs, published: Published, comparable: bool) -> Cell:
    """Its numbers are in the units of its column."""
    number, outcome = _published(cost, column, row, table, published), _value(cost, row, table, costs)
    printed = number and number.value / UNITS_OF[cost][column.published_unit]
    value = None if outcome.value is None else outcome.value / UNITS_OF[cost][column.unit]
    missing = {"not run": "not run", "n/a": UNDEFINED if outcome.reason else ABSENT}
    difference = value - printed if comparable and number and value is not None else None
    return Cell(
        metric=cost,
        published=number.text if number else ABSENT,
        published_value=printed,
        source=number.credit if number else None,
        value=value,
        text=missing[outcome.status] if value is None else number_text(value, column.format),
        difference=difference,
        difference_text=ABSENT if difference is None else difference_text(difference, column.format),
        status="not in the paper" if outcome.status == "ok" and number is None else outcome.status,
        reason=outcome.reason,
    )


def _value(cost: CostName, row: Row, table: TableSpec, costs: Costs) -> Outcome:
    """Of ours, in bytes, seconds, parameters or as a share. A baseline has nothing over itself, and a run without a teacher no extra parameters."""
    file = costs.find(row.run)
    if file is None:
        return Outcome("not run")
    if cost not in SHARE_OF:
        value = OF[cost](file.cost)
        return Outcome("ok", value) if value else Outcome("n/a")
    if row.baseline is None:
        return Outcome("n/a")
    baseline = costs.find(_baseline(row, table).run)
    if baseline is None:
        return Outcome("not run")
    if baseline.cost.words != file.cost.words:
        return Outcome("n/a", reason=f"measured on {file.cost.words}, its baseline on {baseline.cost.words}")
    of = OF[SHARE_OF[cost]]
    return Outcome("ok", of(file.cost) / of(baseline.cost) - 1)


def _published(cost: CostName, column: DocumentColumn, row: Row, table: TableSpec, published: Published) -> PublishedNumber | None:
    """As printed; a share is inferred from the two numbers that are."""
    where = f"{table.id}, row {row.label[:60]!r}"
    if row.published is None:
        return None
    if cost not in SHARE_OF:
        return published.number(row.published, cost, where)
    baseline = _baseline(row, table) if row.baseline else None
    if baseline is None or baseline.published is None:
        return None
    ours, theirs = (published.number(key, SHARE_OF[cost], where) for key in (row.published, baseline.published))
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
    first, places = found[0].cost.steps, dict.fromkeys(file.cost.words for file in found)
    spreads = sorted(file.cost.steps.spread for file in found)
    timed = f"median of {len(first.seconds)} blocks of {first.steps_per_block} steps"
    return (
        f"Ours: {'; '.join(places)}; {timed}, which lay {number_text(statistics.median(spreads), '.1%')} % apart in half of the runs "
        f"and {number_text(spreads[-1], '.1%')} % at most."
    )


def _notes(table: TableSpec, costs: Costs) -> list[str]:
    """What memory is, whose times are not to be trusted, and which receipts are missing."""
    kinds = dict.fromkeys(file.cost.memory.of for file in costs.of(row.run for row in table.rows))
    notes = [f"Memory of ours: {MEMORY_OF[kind]}." for kind in kinds]
    missing = list(dict.fromkeys(row.run for row in table.rows if row.run and not costs.find(row.run)))
    found = costs.of(row.run for row in table.rows)
    return [*notes, *unsteady_notes(found, table.id), *([missing_text(missing, table.id)] if missing else [])]


def unsteady_notes(found: list[CostFile], identity: str) -> list[str]:
    """A sentence about runs whose blocks lay far apart; none where all were steady."""
    runs = [file.cost.run for file in found if file.cost.steps.spread > UNSTEADY]
    if not runs:
        return []
    return [
        f"Measured while something else ran, to judge by blocks over {100 * UNSTEADY:.0f} % apart: {', '.join(runs)}. "
        f"On an idle machine, snakemake --cores all --forcerun measure_cost -- {identity} measures again."
    ]


def missing_text(runs: list[str], identity: str) -> str:
    """Which runs are not measured, and the command that does it. identity: of the table or figure that needs them."""
    return f"Not measured yet: {', '.join(runs)}. snakemake --cores all {identity} does it."
