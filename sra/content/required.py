"""Which scores, sample sets and measurements a table or figure needs at a preset, with every seed, and where a run's training stops on the way."""

from dataclasses import dataclass

from sra.content.catalogue import Catalogue
from sra.content.claims import Claims, scores_behind
from sra.content.figures import CurvesFigure, FigureSpec, SampleFigure, TargetsFigure
from sra.content.inspected import available, trained_points
from sra.content.tables import TableSpec
from sra.core.errors import InputError, unknown
from sra.spec.metric import ScoreOf


@dataclass(frozen=True)
class RequiredScore:
    """One score of one run, which some table, figure or claim needs."""

    run: str
    score: ScoreOf


def required_by_table(table: TableSpec, registry: Catalogue) -> list[RequiredScore]:
    """The scores behind the table's cells, each once, without those whose milestone the preset does not reach."""
    wanted = [RequiredScore(row.run, table.score_of(row)) for row in table.rows if row.run and table.kind == "scores"]
    return _with_seeds(reachable(wanted, registry, f"table {table.id}"), registry)


def required_by_figure(figure: FigureSpec, registry: Catalogue) -> list[RequiredScore]:
    if isinstance(figure, SampleFigure):
        return [item for item in packs_of_figure(figure, registry) if registry.sampler(item.score.sampler).classes is None]
    if isinstance(figure, TargetsFigure):
        score = ScoreOf(milestone=figure.milestone, sampler=figure.sampler, samples=figure.samples)
        runs = [figure.baseline, *(point.run for point in trained_points(figure, registry))]
        return _with_seeds(reachable([RequiredScore(run, score) for run in runs], registry, f"figure {figure.id}"), registry)
    if not isinstance(figure, CurvesFigure):
        return []  # probes and components are no scores
    wanted = [
        RequiredScore(series.run, ScoreOf(milestone=milestone, sampler=panel.sampler, samples=figure.samples))
        for panel in figure.panels
        for series in panel.series
        for milestone in figure.milestones_of(panel)
    ]
    return _with_seeds(reachable(wanted, registry, f"figure {figure.id}"), registry)


def packs_of_figure(figure: FigureSpec, registry: Catalogue) -> list[RequiredScore]:
    """The sample packs whose images the figure shows, of each run's own seed; none for a figure of another kind."""
    if not isinstance(figure, SampleFigure):
        return []
    return reachable([RequiredScore(series.run, figure.score) for series in figure.runs], registry, f"figure {figure.id}")


def required_by_all(registry: Catalogue) -> list[RequiredScore]:
    """Every score that some table or figure of the report shows, each once: a baseline shared by many is trained once."""
    tables = (wanted for name in registry.shown_tables for wanted in required_by_table(registry.tables[name], registry))
    figures = (wanted for name in registry.shown_figures for wanted in required_by_figure(registry.figures[name], registry))
    return list(dict.fromkeys([*tables, *figures]))


def required_by_claims(claims: Claims, registry: Catalogue) -> list[RequiredScore]:
    """The scores that claims compare: a part of what tables and figures show, so that no claim trains anything of its own."""
    wanted = [RequiredScore(run, score) for run, score in scores_behind(claims, registry)]
    return _with_seeds(reachable(wanted, registry, "report/claims.yaml"), registry)


def measured_by_table(table: TableSpec, registry: Catalogue) -> list[str]:
    """The runs whose cost a table of costs shows, without those that are not trained here."""
    return _trained([row.run for row in table.rows if row.run] if table.kind == "costs" else [], registry)


def measured_by_figure(figure: FigureSpec, registry: Catalogue) -> list[str]:
    """The runs whose seconds a step a figure against hours needs."""
    if not (isinstance(figure, CurvesFigure) and figure.against == "hours"):
        return []
    return _trained([series.run for panel in figure.panels for series in panel.series], registry)


def _trained(runs: list[str], registry: Catalogue) -> list[str]:
    for run in runs:
        registry.spec(run)  # refuses one that is not there
    return [run for run in dict.fromkeys(runs) if registry.checkpoint(run) is None and available(registry, run)]


def _with_seeds(wanted: list[RequiredScore], registry: Catalogue) -> list[RequiredScore]:
    return [RequiredScore(run, score) for item in wanted for run, score in registry.with_seeds(item.run, item.score)]


def reachable(wanted: list[RequiredScore], registry: Catalogue, where: str) -> list[RequiredScore]:
    kept = []
    for item in dict.fromkeys(wanted):
        if not registry.has_part_of(item.run):
            continue
        registry.refuse_unfit(item.score.sampler, item.run)
        registry.sample_count(item.score.samples)
        if item.score.milestone not in registry.preset_of(item.run).milestones or not available(registry, item.run):
            continue
        if item.score.milestone not in registry.milestones(item.run):
            raise InputError(
                f"{where}: run {item.run} has no milestone {item.score.milestone}; add it to the run's experiment "
                f"(it has {', '.join(registry.milestones(item.run))})"
            )
        kept.append(item)
    return kept


@dataclass(frozen=True)
class Point:
    """A step at which one training job ends and the next begins: a milestone, or a boundary between two (`s0100000`)."""

    name: str
    step: int


def training_points(registry: Catalogue, run: str) -> list[Point]:
    """Milestones and multiples of the preset's segment length up to the last milestone, in order of steps."""
    steps = registry.preset_of(run).milestones
    milestones = {steps[name]: name for name in registry.milestones(run)}
    length = registry.preset.segment_steps
    boundaries = range(length, max(milestones), length) if length else ()
    names = {step: f"s{step:07d}" for step in boundaries} | milestones
    return [Point(names[step], step) for step in sorted(names)]


def point_named(registry: Catalogue, run: str, name: str) -> Point:
    points = training_points(registry, run)
    for point in points:
        if point.name == name:
            return point
    raise unknown("milestone", name, (point.name for point in points), where=f"run {run}")


def point_before(registry: Catalogue, run: str, name: str) -> Point | None:
    """The point that training to `name` continues from; None at the start."""
    step = point_named(registry, run, name).step
    return max((point for point in training_points(registry, run) if point.step < step), key=lambda point: point.step, default=None)
