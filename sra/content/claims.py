"""What the paper claims (`report/claims.yaml`): sentences of our own, each resting on comparisons of numbers that a table or figure shows."""

from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sra.content.catalogue import Catalogue
from sra.content.figures import CurvesFigure, ProbesFigure
from sra.content.margins import Margin
from sra.content.tables import TableSpec
from sra.core.errors import InputError, unknown
from sra.spec.base import Strict
from sra.spec.load import load
from sra.spec.metric import Metric, ScoreOf

FILE = "report/claims.yaml"


class Side(Strict):
    """One number of a comparison: of a run, of a line in a figure of probes, or the paper's own by its key in report/published.

    milestone: where it differs from the claim's.  released: the run that is shown instead with `weights: released`, as in a table's row.
    line, at: label of the line, and place on the figure's axis (a block of the paper's model, a time or a milestone).
    """

    run: str | None = None
    milestone: str | None = None
    released: str | None = None
    line: str | None = None
    at: int | float | str | None = None
    published: str | None = None

    @model_validator(mode="after")
    def _one_of_three(self):
        if sum(value is not None for value in (self.run, self.line, self.published)) != 1:
            raise ValueError("a side is a run, a line of a figure of probes, or a published number; give one of the three")
        if not self.run and (self.milestone or self.released):
            raise ValueError("milestone and released belong to a run; no other side has them")
        if (self.line is None) != (self.at is None):
            raise ValueError("line and at go together; give both or neither")
        return self


class _Comparison(Strict):
    """What every comparison has. metric: of every side.  margin: a name in the file's `margins`, for the paper's printed numbers alone.

    Ours are compared seed by seed, and judged by the 95 % interval of the differences; each kind says what that supports. "Surely" is by that
    interval, with Holm over all comparisons of the claim. A difference is equivalent where two one-sided tests put it within 5 %.
    """

    metric: Literal[Metric, "probe_accuracy"]
    margin: str


class _WithTheBest(_Comparison):
    """The side beside each of the others. gain: how much better its printed number is than the best of theirs."""

    side: Side
    than: list[Side] = Field(min_length=1)

    @property
    def sides(self) -> list[Side]:
        return [self.side, *self.than]


class Better(_WithTheBest):
    """The side is better than each of the others. Supported: surely so. Contradicted: one is surely better. Equivalent: it is surely better than, or
    equivalent to, each.

    Printed numbers. Supported: gain > margin. Contradicted: gain < -margin.
    """

    kind: Literal["better"]


class AtLeast(_WithTheBest):
    """The side is no worse than each of the others. Supported: surely no more than 5 % worse. Contradicted: surely more than 5 % worse than one.

    Printed numbers. Supported: gain >= 0. Contradicted: gain < -margin.
    """

    kind: Literal["at_least"]


class Alike(_Comparison):
    """The sides do equally well. Supported: each two are equivalent. Contradicted: two surely lie more than 5 % apart.

    Printed numbers, whose spread is largest - smallest, and a margin's share one of the first side. Supported: spread <= margin. Contradicted:
    spread > 2 margins.
    """

    kind: Literal["alike"]
    between: list[Side] = Field(min_length=2)

    @property
    def sides(self) -> list[Side]:
        return self.between


class Closer(_Comparison):
    """The side lies closer to `to` than to `than`. lead: its distance to `than` - its distance to `to`, of ours seed by seed on their scale.

    Supported: surely above 0. Contradicted: surely below. Equivalent: within 5 % of 0.
    Printed numbers. Supported: lead > margin. Contradicted: lead < -margin.
    """

    kind: Literal["closer"]
    side: Side
    to: Side
    than: Side

    @property
    def sides(self) -> list[Side]:
        return [self.side, self.to, self.than]


Comparison = Annotated[Better | AtLeast | Alike | Closer, Field(discriminator="kind")]


class Claim(Strict):
    """One claim. targets: tables or figures that show every number it rests on, and that build it.

    score: of all its sides that are runs, but for a milestone; None where no side is one.
    """

    id: str = Field(pattern=r"^[a-z0-9_]+$")
    sentence: str = Field(min_length=1)
    source: str = Field(min_length=1)
    targets: list[str] = Field(min_length=1)
    score: ScoreOf | None = None
    comparisons: list[Comparison] = Field(min_length=1)
    note: str | None = None

    @model_validator(mode="after")
    def _numbers_of_one_kind(self):
        for comparison in self.comparisons:
            wrong = "run" if comparison.metric == "probe_accuracy" else "line"
            if any(getattr(side, wrong) for side in comparison.sides):
                raise ValueError(f"claim {self.id}: {comparison.metric} has no side that is a {wrong}; compare runs by scores and lines by probes")
        if (self.score is None) == any(side.run for comparison in self.comparisons for side in comparison.sides):
            raise ValueError(f"claim {self.id}: score says how runs were scored; give it where a side is a run, and nowhere else")
        return self


class Claims(Strict):
    """All claims, and the margins within which two printed numbers are the same."""

    margins: dict[str, Margin]
    claims: list[Claim]

    @model_validator(mode="after")
    def _names_fit_together(self):
        doubled = [name for name, count in Counter(claim.id for claim in self.claims).items() if count > 1]
        if doubled:
            raise ValueError(f"claim {doubled[0]} is given twice; give one of them another id")
        used = {comparison.margin: claim.id for claim in self.claims for comparison in claim.comparisons}
        for name, claim in used.items():
            if name not in self.margins:
                raise ValueError(str(unknown("margin", name, self.margins, where=f"claim {claim}")))
        if self.margins.keys() - used.keys():
            raise ValueError(f"margin {min(self.margins.keys() - used.keys())} is used by no claim; remove it")
        return self

    def margin_of(self, comparison: Comparison) -> Margin:
        return self.margins[comparison.margin]


@dataclass(frozen=True)
class ShownNumber:
    """How a table or figure shows a number. published: key of the paper's."""

    better: Literal["lower", "higher"]
    format: str
    published: str | None


ShownNumbers = dict[tuple[str, ScoreOf, Metric], ShownNumber]


def load_claims(registry: Catalogue) -> Claims:
    """The claims of the registry's root that stand on what its preset shows. Refuses what names no run, or a number that its targets do not
    show, with one line.
    """
    path = registry.root / FILE
    claims = load(path, Claims)
    for claim in claims.claims:
        _refuse_wrong(claim, registry, f"{path}: claim {claim.id}")
    shown = {*registry.shown_tables, *registry.shown_figures}
    return claims.model_copy(update={"claims": [claim for claim in claims.claims if shown >= set(claim.targets)]})


def run_of(side: Side, registry: Catalogue) -> str | None:
    return side.released if registry.released and side.released else side.run


def score_of(claim: Claim, side: Side) -> ScoreOf | None:
    return claim.score.model_copy(update={"milestone": side.milestone}) if side.milestone else claim.score


def scores_behind(claims: Claims, registry: Catalogue) -> list[tuple[str, ScoreOf]]:
    """Run and score of every number that is measured, each once."""
    sides = [(claim, side) for claim in claims.claims for comparison in claim.comparisons for side in comparison.sides if side.run]
    return list(dict.fromkeys((run_of(side, registry), score_of(claim, side)) for claim, side in sides))


def shown_numbers(claim: Claim, registry: Catalogue) -> ShownNumbers:
    """Everything that the claim's targets show, by run, score and metric; the first of two targets counts."""
    found: ShownNumbers = {}
    for name in reversed(claim.targets):
        target = registry.tables.get(name) or registry.figures.get(name)
        found |= _of_table(target) if isinstance(target, TableSpec) else _of_curves(target) if isinstance(target, CurvesFigure) else {}
    return found


def probes_shown(claim: Claim, registry: Catalogue) -> list[ProbesFigure]:
    """The claim's targets that are figures of probes."""
    return [figure for name in claim.targets if isinstance(figure := registry.figures.get(name), ProbesFigure)]


def probed_by(claims: Claims, registry: Catalogue) -> list[ProbesFigure]:
    """The figures of probes that some side is a point of, each once."""
    lines = [(side, claim) for claim in claims.claims for comparison in claim.comparisons for side in comparison.sides if side.line]
    found = (figure_of(side, probes_shown(claim, registry)) for side, claim in lines)
    return list({figure.id: figure for figure in found}.values())


def figure_of(side: Side, figures: list[ProbesFigure]) -> ProbesFigure | None:
    """The first figure with the side's line."""
    return next((figure for figure in figures if side.line in [line.label for line in figure.lines]), None)


def _of_table(table: TableSpec) -> ShownNumbers:
    numbers: ShownNumbers = {}
    for row in table.rows:
        for column in table.columns if row.run else ():
            numbers.setdefault((row.run, table.score_of(row), column.metric), ShownNumber(column.better, column.format, row.published))
    return numbers


def _of_curves(figure: CurvesFigure) -> ShownNumbers:
    return {
        (series.run, ScoreOf(milestone=milestone, sampler=panel.sampler, samples=figure.samples), figure.metric_of(panel)): ShownNumber(
            figure.better_of(panel), ".2f", f"{series.published}/{milestone}" if series.published else None
        )
        for panel in figure.panels
        for series in panel.series
        for milestone in figure.milestones_of(panel)
    }


def _refuse_wrong(claim: Claim, registry: Catalogue, where: str) -> None:
    for target in claim.targets:
        if target not in registry.tables and target not in registry.figures:
            raise unknown("table or figure", target, [*registry.tables, *registry.figures], where=where)
    if claim.score and claim.score.sampler not in registry.samplers:
        raise unknown("sampler", claim.score.sampler, registry.samplers, where=where)
    numbers = shown_numbers(claim, registry)
    for comparison in claim.comparisons:
        for side in comparison.sides:
            for name in filter(None, (side.run, side.released)):
                if name not in registry.runs:
                    raise unknown("run", name, registry.runs, where=where)
            if side.run:
                _refuse_not_shown(run_of(side, registry), score_of(claim, side), comparison.metric, numbers, claim.targets, where)
            if side.line:
                _refuse_not_drawn(side, probes_shown(claim, registry), where)


def _refuse_not_drawn(side: Side, figures: list[ProbesFigure], where: str) -> None:
    figure = figure_of(side, figures)
    if figure is None:
        raise unknown("line", side.line, (line.label for figure in figures for line in figure.lines), where=where)
    line = next(line for line in figure.lines if line.label == side.line)
    if side.at not in (places := line.places(figure.x)):
        raise unknown(figure.x, str(side.at), map(str, places), where=f"{where}: line {side.line!r} of {figure.id}")


def _refuse_not_shown(run: str, score: ScoreOf, metric: Metric, numbers: ShownNumbers, targets: list[str], where: str) -> None:
    """A claim stands on what a reader can look up, and costs no run of its own."""
    if (run, score, metric) in numbers:
        return
    names, scores = " and ".join(targets), {shown for name, shown, _ in numbers if name == run}
    if not scores:
        raise InputError(f"{where}: {names} shows no number of run {run}; name a table or figure of scores that does")
    milestones = {shown.milestone for shown in scores}
    if score.milestone not in milestones:
        raise unknown("milestone", score.milestone, milestones, where=f"{where}: run {run} in {names}")
    if score not in scores:
        there = " or ".join(sorted(f"{shown.sampler} with {shown.samples} samples" for shown in scores if shown.milestone == score.milestone))
        raise InputError(f"{where}: {names} shows run {run} by {there}, not by {score.sampler} with {score.samples}; correct the claim's score")
    metrics = sorted(shown for name, of, shown in numbers if (name, of) == (run, score))
    raise InputError(f"{where}: {names} shows no {metric} of run {run}; it shows {', '.join(metrics)}")
