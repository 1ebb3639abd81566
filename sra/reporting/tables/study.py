"""The table of a study: per row its own numbers, its ratios to the baseline at each budget, and what it costs."""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from sra.content.tables import TableSpec
from sra.reporting.display import heading_of
from sra.reporting.read.evidence import Evidence
from sra.reporting.tables.cells import Grid, GridCell, GridRow, Heading, grouped, padded
from sra.reporting.tables.document import Note, Notes, TableDocument
from sra.reporting.write.numbers import ABSENT, METRIC_NAMES, count_text, listed, metric_header, milestone_text, number_text, size_text
from sra.reporting.write.study import (
    controls_of,
    effect_at,
    effect_name,
    effect_text,
    gap_text,
    headline_point,
    interval_text,
    reached_text,
    reasons_of,
    row_name,
    rows_in_order,
    seeds_of_row,
    told,
    verdict_text,
)
from sra.study.document import BUDGETS, Budget, Effect, PointFound, RowFound, StudyDocument
from sra.study.intervals import scale_of
from sra.study.samplers import GUIDED, OWN, effects_by_sampler, guidance_words, sampler_of, samplers_found

CONTROLS = "The study's own controls"

Page = Literal["outcome", "samplers", "costs"]


def build_study(table: TableSpec, evidence: Evidence, study: StudyDocument) -> TableDocument:
    return TableDocument(
        kind="study", **heading_of(table, evidence), conditions=_conditions(study), setting_columns=[], columns=[], rows=[], study=study,
        notes=_notes(study, table.notes),
    )  # fmt: skip


def _conditions(study: StudyDocument) -> str:
    seeds = f"training seeds {listed([str(seed) for seed in study.seeds])}" if len(study.seeds) > 1 else f"training seed {study.seeds[0]}"
    ranges = ", time a step with the range of its turns" if any(row.hours_a_step_range for row in study.rows) else ""
    measured = f"hours of {study.machine}{ranges}" if study.machine else "hours were not measured"
    return (
        f"{METRIC_NAMES[study.metric]} of {count_text(study.samples)} samples of each training at {milestone_text(study.milestone)}, sampler "
        f"{study.sampler}, {seeds}, data set {study.dataset}; {measured}."
    )


def _notes(study: StudyDocument, general: list[str]) -> list[Note]:
    """Whether the study is informative, what is missing from it, and what must be known of single rows, which bear the same marks in the grid."""
    missing = [f"Not run yet: {count_text(study.missing)} scores of the study."] if study.missing else []
    diverged = [f"Diverged: {listed(study.diverged)}."] if study.diverged else []
    guided = [f"Guided: {guidance_words(study.guidance)}."] if GUIDED in samplers_found(study) else []
    marks = Notes()
    for row in rows_in_order(study):
        _marks(row, study, marks)
    return marks.after([study.informative_words, *general, *guided, *missing, *diverged])


def _marks(row: RowFound, study: StudyDocument, notes: Notes) -> str:
    return " ".join(notes.mark(reason) for reason in dict.fromkeys(reasons_of(row, study)))


@dataclass(frozen=True)
class _Line:
    """One row of the grid. row: None for a control of the study, which has its effect at equal steps alone."""

    study: StudyDocument
    label: str
    group: str
    mark: str
    row: RowFound | None
    control: Effect | None = None

    def effect(self, budget: Budget) -> Effect | None:
        if self.row is None:
            return self.control if budget == "steps" else None
        return effect_at(self.row, self.study, budget)

    @property
    def second(self) -> Effect | None:
        return self.row.effect("steps", self.study.second, self.study.sampler) if self.row and self.study.second else None

    @property
    def point(self) -> PointFound | None:
        """The row's own numbers; of the baseline trained longer, those at its end."""
        if self.row:
            return headline_point(self.row, self.study)
        longer = self.study.longer_milestone if self.control is self.study.longer else None
        return self.study.base.at(longer) if longer else None

    @property
    def is_compared(self) -> bool:
        return self.row is not None and self.row.kind != "baseline"


@dataclass(frozen=True)
class _Column:
    heading: str
    name: str
    cell: Callable[[_Line], GridCell]
    page: Page = "outcome"


def study_grid(study: StudyDocument) -> Grid:
    """Everything side by side."""
    return _grid(study, _columns(study))


def pages_of_study(study: StudyDocument) -> list[Grid]:
    """What came out, the same by further samplers where there are any, and what it costs and was published, each as wide as a page."""
    columns = _columns(study)
    pages = [[column for column in columns if column.page == page] for page in get_args(Page)]
    return [_grid(study, under) for under in pages if under]


def _grid(study: StudyDocument, columns: list[_Column]) -> Grid:
    lines = list(_lines(study))
    headings = list(dict.fromkeys(column.heading for column in columns))
    under = [[column for column in columns if column.heading == heading] for heading in headings]
    filled = [[padded([column.cell(line) for line in lines]) for column in of_heading] for of_heading in under]
    rows = [GridRow(line.label, line.mark, [], [[cells[place] for cells in of_heading] for of_heading in filled]) for place, line in enumerate(lines)]
    named = [Heading(heading, [column.name for column in of_heading]) for heading, of_heading in zip(headings, under, strict=True)]
    return Grid("Row", [], named, grouped(zip([line.group for line in lines], rows, strict=True)), numeric=True)


def _lines(study: StudyDocument) -> Iterator[_Line]:
    notes = Notes()
    for row in rows_in_order(study):
        yield _Line(study, row_name(row, study), row.family, _marks(row, study, notes), row)
    for label, effect in controls_of(study):
        yield _Line(study, label, CONTROLS, notes.mark(effect.reason) if effect.reason else "", None, effect)


def _columns(study: StudyDocument) -> list[_Column]:
    own, steps = METRIC_NAMES[study.metric], f"{effect_name(study)}, equal steps"
    here = metric_header(study.metric, "lower") if scale_of(study.metric) == "log" else own
    columns = [_Column(here, "ours", _mean), _Column(here, "± sd", _sd), _Column(here, "n", _count)]
    columns += [_Column(steps, "ratio", _ratio_of("steps")), _Column(steps, "95 %", _interval_of("steps"))]
    columns += [_Column(steps, "Holm p", _holm), _Column(steps, "verdict", _verdict)]
    for budget in ("flops", "hours"):
        equal = f"Equal {BUDGETS[budget]}"
        columns += [_Column(equal, "ratio", _ratio_of(budget)), _Column(equal, "95 %", _interval_of(budget))]
    if study.second:
        second = f"{METRIC_NAMES[study.second]}, equal steps"
        columns += [_Column(second, "ratio", _second), _Column(second, "95 %", _second_interval)]
    columns += [column for name in samplers_found(study) for column in _sampler_columns(name)]
    if any(row.published for row in study.rows):
        published = f"{own}, published"
        columns += [_Column(published, "paper", _published, page="costs"), _Column(published, "under", _protocol, page="costs")]
    sooner = f"Sooner at the baseline's {own}, reached"
    columns += [_Column(sooner, f"in {BUDGETS[budget]}", _reach_of(budget), page="costs") for budget in BUDGETS]
    of_training = "Over the baseline"
    columns.append(_Column(of_training, "FLOPs", lambda line: _times(line.row and line.row.training_flops), page="costs"))
    if any(row.flops_beside_stored for row in study.rows):
        columns.append(_Column(of_training, "features stored", lambda line: _times(line.row and line.row.flops_beside_stored), page="costs"))
    columns.append(_Column(of_training, "time a step", _step_time, page="costs"))
    columns.append(_Column("Parameters", "kept", _kept, page="costs"))
    if any(row.encoder for row in study.rows):
        columns.append(_Column("Encoder", "name", _encoder, page="costs"))
    return columns


def _sampler_columns(name: str) -> list[_Column]:
    """name: as `effects_by_sampler` has it."""
    heading = {GUIDED: "Guided as trials chose, equal steps", OWN: "By its own sampler, equal steps"}.get(name, f"By {name}, equal steps")

    def effect(line: _Line) -> Effect | None:
        return effects_by_sampler(line.row, line.study).get(name) if line.row else None

    def mean(line: _Line) -> float | None:
        return line.row.means.get(sampler_of(name, line.row, line.study)) if line.row else None

    def sampler(line: _Line) -> GridCell:
        return GridCell(ABSENT if mean(line) is None else sampler_of(name, line.row, line.study))

    def ours(line: _Line) -> GridCell:
        found = mean(line)
        return GridCell(number_text(found, ".2f") if found is not None else "not run" if effect(line) else ABSENT, value=found)

    def ratio(line: _Line) -> GridCell:
        found = effect(line)
        return GridCell(effect_text(found) or ABSENT, value=found.mean if found else None)

    columns = [("ours", ours), ("ratio", ratio), ("95 %", lambda line: _interval(effect(line)))]
    if name in (GUIDED, OWN):
        columns.insert(0, ("sampler", sampler))
    return [_Column(heading, under, cell, "samplers") for under, cell in columns]


def _encoder(line: _Line) -> GridCell:
    return GridCell((line.row and line.row.encoder) or ABSENT)


def _protocol(line: _Line) -> GridCell:
    return GridCell(line.row.published.protocol if line.row and line.row.published else ABSENT, "paper")


def _mean(line: _Line) -> GridCell:
    """The row's own number, which leads to the receipt of its first seed; why there is none, where there is none."""
    point = line.point
    if point is None or point.mean is None:
        return GridCell(seeds_of_row(line.row, line.study).text if line.row else ABSENT)
    first = next((value.score_sha256 for value in point.values if value.score_sha256), None)
    return GridCell(number_text(point.mean, ".2f"), value=point.mean, receipt=first)


def _sd(line: _Line) -> GridCell:
    found = [value.value for value in (line.point.values if line.point else []) if value.value is not None]
    sd = statistics.stdev(found) if len(found) > 1 else None
    return GridCell(ABSENT if sd is None else number_text(sd, ".2f"), value=sd)


def _count(line: _Line) -> GridCell:
    if line.row is None:
        return GridCell(str(len(line.control.seeds)), value=len(line.control.seeds))
    seeds = seeds_of_row(line.row, line.study)
    return GridCell(seeds.text if seeds.there else "0", value=seeds.there)


def _ratio_of(budget: Budget) -> Callable[[_Line], GridCell]:
    def cell(line: _Line) -> GridCell:
        effect = line.effect(budget)
        if effect is None or effect.mean is None:
            if line.row is None and effect:
                return GridCell("not run")
            return GridCell(gap_text(line.row, effect, budget, line.study) if line.is_compared else ABSENT)
        bold = budget == "steps" and line.is_compared and line.row.kind == "method" and told(effect, line.study) == "better"
        return GridCell(effect_text(effect), value=effect.mean, best=bold)

    return cell


def _interval_of(budget: Budget) -> Callable[[_Line], GridCell]:
    return lambda line: _interval(line.effect(budget))


def _interval(effect: Effect | None) -> GridCell:
    return GridCell(interval_text(effect) or ABSENT, value=effect.low if effect else None)


def _holm(line: _Line) -> GridCell:
    p = effect.p_holm if (effect := line.effect("steps")) else None
    return GridCell(ABSENT if p is None else "< 0.001" if p < 0.001 else number_text(p, ".3f"), value=p)


def _verdict(line: _Line) -> GridCell:
    effect = line.effect("steps")
    return GridCell(verdict_text(effect, line.study, control=line.row is None) or ABSENT, value=effect.mean if effect else None)


def _second(line: _Line) -> GridCell:
    effect = line.second
    return GridCell(effect_text(effect) or ABSENT, value=effect.mean if effect else None)


def _second_interval(line: _Line) -> GridCell:
    return _interval(line.second)


def _published(line: _Line) -> GridCell:
    found = line.row.published if line.row else None
    return GridCell(found.text, "paper", found.value) if found else GridCell(ABSENT, "paper")


def _reach_of(budget: Budget) -> Callable[[_Line], GridCell]:
    def cell(line: _Line) -> GridCell:
        reach = line.row.reached(budget) if line.is_compared else None
        return GridCell(reached_text(reach) or ABSENT, value=reach.speed_up if reach else None)

    return cell


def _times(factor: float | None, span: tuple[float, float] | None = None) -> GridCell:
    """span: from where to where it was measured."""
    ends = f" ({number_text(span[0], '.2f')} to {number_text(span[1], '.2f')})" if span else ""
    return GridCell(f"×{number_text(factor, '.2f')}{ends}" if factor else ABSENT, value=factor or None)


def _step_time(line: _Line) -> GridCell:
    """With the range of the turns, which says how quiet the machine was."""
    return _times(line.row.hours_a_step, line.row.hours_a_step_range) if line.row else _times(None)


def _kept(line: _Line) -> GridCell:
    kept = line.row.kept_parameters if line.is_compared else None
    return GridCell(ABSENT if kept is None else size_text(kept), value=kept)
