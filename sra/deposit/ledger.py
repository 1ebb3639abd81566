"""`registry.tsv`: one line for every number that the tables and figures show, with the file that it was read from and what that rests on."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Literal, get_args

from sra.reporting.documents import CurvesDocument, Document, FeaturesDocument, ProbesDocument, TableDocument, TargetsDocument
from sra.reporting.figures.samples import SamplesDocument
from sra.reporting.write.delimited import delimited
from sra.reporting.write.numbers import steps_of_milestone
from sra.spec.metric import ScoreOf

Kind = Literal["score", "probe", "cost", "images", "components"]
State = Literal["done", "not run", "not reached", "not measured"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NOT_DRAWN = ("same", "not asked")  # points that stand for another, or for the paper alone


@dataclass(frozen=True)
class Shown:
    """What a document shows of one run: a metric of a score, the accuracy of a probe, a cost of training, images of a sample set, or components.

    milestone: empty for a cost.  time, block: of a probe; the block is this preset's.  value: of a cost, in the unit that `metric` names.
    """

    kind: Kind
    run: str
    milestone: str
    score: ScoreOf | None = None
    metric: str = ""
    time: float | None = None
    block: int | None = None
    value: float | None = None


@dataclass(frozen=True)
class Line:
    """One number, or one set of images or components, which have no value of their own. An empty cell is what does not apply or is not known yet.

    training_seed: none for weights that were not trained here.  step: of this preset.  paper_samples, samples: as the paper has it, and drawn here.
    fingerprint: of the run's configuration, of the file where it is there.  shown_in: tables and figures, by name.
    state: not reached at this preset or with these weights; not measured when the samples are scored without the metric.
    """

    kind: Kind
    run: str
    training_seed: int | None
    milestone: str
    step: int | None
    sampler: str
    sampling_seed: int | None
    paper_samples: int | None
    samples: int | None
    time: float | None
    block: int | None
    metric: str
    value: float | None
    state: State
    shown_in: str
    file: str
    file_sha256: str
    samples_sha256: str
    weights_sha256: str
    fingerprint: str


def shown_by(document: Document) -> list[Shown]:
    """Everything measured here that the document has a place for, each once; numbers of the paper alone are not among it.

    Not of a study, whose scores and seeds its own file names.
    """
    if isinstance(document, TableDocument) and document.kind == "costs":
        cells = [(row.run, cell, column) for row in document.rows if row.run for cell, column in zip(row.cells, document.columns, strict=True)]
        found = [Shown("cost", run, "", metric=f"{cell.metric} ({column.unit})", value=cell.value) for run, cell, column in cells]
    elif isinstance(document, TableDocument):
        found = [Shown("score", run, score.milestone, score, column.metric) for run, score in document.scores() for column in document.columns]
    elif isinstance(document, CurvesDocument):
        found = [Shown("score", run, score.milestone, score, metric) for run, score, metric in document.scored()]
        if document.against == "hours":
            lines = [line for panel in document.panels for line in panel.lines]
            found += [Shown("cost", line.run, "", metric="seconds_per_step (s)", value=line.seconds_per_step) for line in lines]
    elif isinstance(document, SamplesDocument):
        found = [Shown("images", run, score.milestone, score) for run, score in document.packs()]
    elif isinstance(document, TargetsDocument):
        found = [Shown("score", run, score.milestone, score, "fid") for run, score in document.scores()]
        found += [
            _probe(document.probed_run, document.probed_milestone, document.time, point.block_here)
            for point in document.points
            if point.accuracy.status not in NOT_DRAWN
        ]
    elif isinstance(document, ProbesDocument):
        found = [
            _probe(line.run, point.milestone, point.time, point.block_here)
            for line in document.lines
            for point in line.points
            if point.status not in NOT_DRAWN
        ]
    elif isinstance(document, FeaturesDocument):
        found = [Shown("components", panel.run, panel.milestone) for panel in document.panels]
    else:
        raise TypeError(f"{document.id}: what a {type(document).__name__} shows is not known")
    return list(dict.fromkeys(found))


def _probe(run: str, milestone: str, time: float, block: int) -> Shown:
    return Shown("probe", run, milestone, metric="probe_accuracy", time=time, block=block)


def to_tsv(lines: Iterable[Line]) -> str:
    """The lines as text, sorted by kind, run, milestone, sampler, place inside the model and metric.

    Numbers in full precision, None as an empty cell.
    """
    names = [field.name for field in fields(Line)]
    rows = [[_cell(getattr(line, name)) for name in names] for line in sorted(lines, key=_place)]
    return delimited([names, *rows], "\t")


def _place(line: Line) -> tuple:
    measured = (line.sampler, line.paper_samples or 0, line.time or 0, line.block or 0, line.metric)
    return KINDS.index(line.kind), line.run, steps_of_milestone(line.milestone) if line.milestone else 0, *measured


def _cell(value: str | float | None) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)
