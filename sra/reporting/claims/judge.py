"""The paper's claims judged by the scores that exist, and the paper's own numbers by the same rules beside them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sra.content.catalogue import Catalogue
from sra.content.claims import (
    Alike,
    AtLeast,
    Claim,
    Claims,
    Closer,
    Comparison,
    ShownNumber,
    Side,
    figure_of,
    probes_shown,
    run_of,
    score_of,
    shown_numbers,
)
from sra.content.figures import ProbesFigure
from sra.content.margins import Margin
from sra.core.errors import InputError
from sra.core.files import write_checked_json, write_text
from sra.reporting.claims.formats import to_csv, to_markdown
from sra.reporting.claims.verdicts import (
    QUANTITIES,
    VERDICTS,
    ClaimDocument,
    ClaimNumber,
    ClaimPart,
    ClaimsDocument,
    Judgement,
    Missing,
    combined,
    judge,
)
from sra.reporting.figures.probes import ProbesDocument, build_probes, key_end
from sra.reporting.read.comparison import Outcome
from sra.reporting.read.evidence import Evidence
from sra.reporting.read.probes import InspectedFiles, load_probes
from sra.reporting.read.published import PublishedNumber, load_published
from sra.reporting.read.scores import load_scores
from sra.reporting.read.spread import Spread, seeds_text
from sra.reporting.write.commands import build_command
from sra.reporting.write.numbers import ABSENT, METRIC_NAMES, count_text, difference_text, listed, metric_header, milestone_text, number_text
from sra.spec.metric import ScoreOf

LEAST_SEEDS = 3  # the standard deviation of two numbers says next to nothing


def render_claims(
    claims: Claims,
    registry: Catalogue,
    score_files: Iterable[Path],
    published_folder: Path,
    output_folder: Path,
    inside: Iterable[tuple[ProbesFigure, InspectedFiles]] = (),
) -> ClaimsDocument:
    """Write `claims.json .csv .md` to the output folder. Files that do not exist leave their claims `not run`.

    inside: the figures of probes that claims rest on, with the runs that they show at this preset, and where their probes lie.
    """
    known = Evidence(registry.preset_id, registry.preset, load_published(published_folder))
    probed = {
        figure.id: build_probes(figure, replace(known, probes=load_probes(files.probes, registry.preset_id), carriers=files.carriers))
        for figure, files in inside
    }
    document = build_claims(claims, registry, replace(known, scores=load_scores(score_files, registry.preset_id, registry.seeds)), probed)
    base = Path(output_folder) / "claims"
    write_checked_json(base.with_suffix(".json"), document.model_dump(mode="json"))
    write_text(base.with_suffix(".csv"), to_csv(document))
    write_text(base.with_suffix(".md"), to_markdown(document))
    return document


def build_claims(claims: Claims, registry: Catalogue, evidence: Evidence, probed: Mapping[str, ProbesDocument] | None = None) -> ClaimsDocument:
    """Judge every claim. probed: what figures of probes show, by their ids; a claim that rests on another is not run."""
    judged = [_Judge(claims, claim, registry, evidence, probed or {}).document() for claim in claims.claims]
    return ClaimsDocument(
        preset=registry.preset_id,
        comparable=registry.preset.comparable,
        scope=_scope(claims, registry, [number.spread for claim in judged for part in claim.parts for number in part.numbers]),
        counts={verdict: sum(claim.verdict == verdict for claim in judged) for verdict in VERDICTS},
        claims=judged,
    )


def _scope(claims: Claims, registry: Catalogue, spreads: list[Spread | None]) -> str:
    """What a verdict means at this preset."""
    preset, number = registry.preset, "Each number is one training run."
    if any(spreads):
        measured = "twice the standard error of the difference is the margin"
        number = f"Numbers: {seeds_text(spreads)}. From {LEAST_SEEDS} training seeds a side on, {measured}."
    if preset.comparable:
        return f"{number} A difference within the margin, which the file of claims names with its reason, decides nothing."
    data, share = listed(preset.datasets), number_text(claims.elsewhere.share, ".0%")
    return (
        f"These verdicts speak of preset {registry.preset_id} alone ({preset.title}; data: {data}): they neither confirm nor refute the paper. "
        f"{number} Differences within {share} %, or within the margin that a claim names, decide nothing."
    )


def claims_sentence(document: ClaimsDocument) -> str:
    """All verdicts in a sentence: `Of 19 claims of the paper: 3 supported, 2 contradicted, 9 inconclusive and 5 not run.`"""
    *counts, last = (f"{document.counts[verdict]} {verdict}" for verdict in VERDICTS)
    where = "" if document.comparable else f" on the data of preset {document.preset}"
    return f"Of {len(document.claims)} claim{'s' if len(document.claims) != 1 else ''} of the paper{where}: {', '.join(counts)} and {last}."


@dataclass(frozen=True)
class _Number:
    """One side with what is known of it. number: the paper's, of the run or point or named by the side."""

    side: Side
    run: str | None
    score: ScoreOf | None
    outcome: Outcome
    number: PublishedNumber | None


class _Judge:
    """One claim against the scores, the probes and the published numbers."""

    def __init__(self, claims: Claims, claim: Claim, registry: Catalogue, evidence: Evidence, probed: Mapping[str, ProbesDocument]):
        self.claims, self.claim, self.registry, self.evidence, self.probed = claims, claim, registry, evidence, probed
        self.shown = shown_numbers(claim, registry)

    def document(self) -> ClaimDocument:
        sides = [[self._number(comparison, side) for side in comparison.sides] for comparison in self.claim.comparisons]
        parts = [self._part(comparison, numbers) for comparison, numbers in zip(self.claim.comparisons, sides, strict=True)]
        missing = _missing(
            {self._full_name(number): number.outcome.reason for numbers in sides for number in numbers if number.outcome.value is None}
        )
        by_paper = [part.paper_verdict for part in parts]
        return ClaimDocument(
            id=self.claim.id,
            sentence=self.claim.sentence,
            source=self.claim.source,
            note=self.claim.note,
            targets=self.claim.targets,
            verdict=combined(part.verdict for part in parts),
            paper_verdict=None if None in by_paper else combined(by_paper),
            parts=parts,
            missing=missing,
            command=self._command(missing),
        )

    def _command(self, missing: list[Missing]) -> str | None:
        if not missing or any(item.reason for item in missing):
            return None
        return build_command(" ".join(self.claim.targets), self.registry.preset_id, "released" if self.registry.released else "trained")

    # Sides

    def _number(self, comparison: Comparison, side: Side) -> _Number:
        if side.line:
            return self._probe(side)
        run, score = run_of(side, self.registry), score_of(self.claim, side)
        if side.published:
            number = self.evidence.published.number(side.published, comparison.metric, self._where)
            if number is None:
                raise InputError(f"{self._where}: {side.published} has no {comparison.metric}; name a metric that report/published has for it")
            other = f"a published number has another scale than preset {self.registry.preset_id}"
            outcome = Outcome("ok", number.value) if self.registry.preset.comparable else Outcome("not run", reason=other)
            return _Number(side, None, score, outcome, number)
        shown = self.shown[run, score, comparison.metric]
        return _Number(side, run, score, self._outcome(run, score, comparison.metric), self._printed(shown.published, comparison.metric))

    def _probe(self, side: Side) -> _Number:
        """A point of a figure of probes, published and ours."""
        figure = figure_of(side, probes_shown(self.claim, self.registry))
        line = next(line for line in figure.lines if line.label == side.line)
        number = self._printed(f"{line.published}/{key_end(figure, side.at)}", "probe_accuracy")
        drawn = next((found for found in self.probed[figure.id].lines if found.label == side.line), None) if figure.id in self.probed else None
        point = next((point for point in drawn.points if getattr(point, figure.x) == side.at), None) if drawn else None
        if point is None or point.value is None:
            return _Number(side, drawn.run if drawn else line.run, None, Outcome("not run", reason=point.reason if point else None), number)
        return _Number(side, drawn.run, None, Outcome("ok", point.value, None, point.spread, (point.probe_sha256,)), number)

    def _outcome(self, run: str, score: ScoreOf, metric: str) -> Outcome:
        if self.registry.is_text_to_image(run) and self.registry.preset.text_to_image is None:
            return Outcome("not run", reason=f"preset {self.registry.preset_id} has no text to image")
        if self.registry.released and self.registry.checkpoint(run) is None:
            return Outcome("not run", reason="no released weights stand for this run")
        return self.evidence.score(run, score, metric)

    def _printed(self, key: str | None, metric: str) -> PublishedNumber | None:
        """What the paper has beside ours; None also for a point that it has not."""
        return self.evidence.published.number(key, metric, self._where) if key in self.evidence.published.keys else None

    @property
    def _where(self) -> str:
        return f"report/claims.yaml: claim {self.claim.id}"

    def _name(self, side: Side) -> str:
        """The side's name, as short as the claim allows: its own milestone goes without saying."""
        if side.published:
            return f"{side.published} as published"
        if side.line:
            at = milestone_text(side.at) if isinstance(side.at, str) else f"{'block' if isinstance(side.at, int) else 'time'} {side.at:g}"
            return f"{side.line}, {at}"
        run = run_of(side, self.registry)
        return f"{run} at {milestone_text(side.milestone)}" if side.milestone else run

    def _full_name(self, number: _Number) -> str:
        if number.score is None or number.run is None:
            return self._name(number.side)
        score = number.score
        return f"{number.run} at {milestone_text(score.milestone)} ({score.sampler}, {count_text(score.samples)} samples)"

    # Comparisons

    def _part(self, comparison: Comparison, numbers: list[_Number]) -> ClaimPart:
        shown = self._how_shown(comparison)
        here, there = self.claims.margin_of(comparison, self.registry.preset.comparable), self.claims.margin_of(comparison, comparable=True)
        errors = _errors(numbers)
        ours = _judged(comparison, [number.outcome.value for number in numbers], shown, here, errors)
        paper = _judged(comparison, [number.number.value if number.number else None for number in numbers], shown, there)
        if len({number.number.key for number in numbers if number.number}) < len(numbers):
            paper = None  # a published number beside itself says nothing
        quantity = QUANTITIES[comparison.kind]
        text = difference_text if quantity != "spread" else number_text
        return ClaimPart(
            kind=comparison.kind,
            metric=comparison.metric,
            header=metric_header(comparison.metric, shown.better),
            rule=self._rule(comparison, shown, None if errors else here),
            numbers=[self._claim_number(number, shown) for number in numbers],
            against=ours.against if ours else None,
            quantity=quantity,
            difference=ours.difference if ours else None,
            difference_text=text(ours.difference, shown.format) if ours else ABSENT,
            margin=ours.margin if ours else None,
            margin_text=number_text(ours.margin, shown.format) if ours else ABSENT,
            margin_why="twice the standard error of the difference over training seeds" if errors else here.why,
            verdict=ours.verdict if ours else "not run",
            paper_against=paper.against if paper else None,
            paper_difference=paper.difference if paper else None,
            paper_margin=paper.margin if paper else None,
            paper_verdict=paper.verdict if paper else None,
        )

    def _how_shown(self, comparison: Comparison) -> ShownNumber:
        if comparison.metric == "probe_accuracy":
            return ShownNumber("higher", ".1%", None)
        side = next(side for side in comparison.sides if side.run)
        return self.shown[run_of(side, self.registry), score_of(self.claim, side), comparison.metric]

    def _claim_number(self, number: _Number, shown: ShownNumber) -> ClaimNumber:
        value, published = number.outcome.value, number.number
        text = number_text(value, shown.format) if value is not None else number.outcome.status
        spread = number.outcome.spread
        if spread and spread.training_sd is not None:
            text += f" ± {number_text(spread.training_sd, shown.format)}"
        return ClaimNumber(
            name=self._name(number.side),
            run=number.run,
            score=number.score if number.side.run else None,
            value=value,
            spread=spread,
            text=published.text if number.side.published else text,
            reason=number.outcome.reason,
            score_sha256=None if number.side.line else number.outcome.sha256,
            probe_sha256=number.outcome.sha256 if number.side.line else None,
            published=published.text if published else ABSENT,
            published_value=published.value if published else None,
            source=published.credit if published else None,
        )

    def _rule(self, comparison: Comparison, shown: ShownNumber, margin: Margin | None) -> str:
        """What supports the part, in words. margin: None where seeds have measured it."""
        metric, (first, *others) = METRIC_NAMES[comparison.metric], [self._name(side) for side in comparison.sides]
        lower = shown.better == "lower"
        than = others[0] if len(others) == 1 else f"the best of {', '.join(others)}"
        if isinstance(comparison, Alike):
            return f"{metric} of {', '.join([first, *others])} within {_words(margin, shown, first)}; contradicted beyond twice that"
        if isinstance(comparison, Closer):
            return f"{metric} of {first} closer to {others[0]} than to {others[1]} by more than {_words(margin, shown, others[1])}"
        if isinstance(comparison, AtLeast):
            return (
                f"{metric} of {first} no {'higher' if lower else 'lower'} than of {than}; contradicted {'above' if lower else 'below'} it "
                f"by more than {_words(margin, shown, 'the latter')}"
            )
        return f"{metric} of {first} {'lower' if lower else 'higher'} than of {than} by more than {_words(margin, shown, 'the latter')}"


def _judged(
    comparison: Comparison, values: list[float | None], shown: ShownNumber, margin: Margin, errors: list[float] | None = None
) -> Judgement | None:
    """The judgement of a comparison; None while a value is missing."""
    return None if None in values else judge(comparison, values, shown.better, margin, errors)


def _errors(numbers: list[_Number]) -> list[float] | None:
    """The standard error of each number, 0 for a published one; None while one that is measured here has too few training seeds."""
    spreads = [number.outcome.spread for number in numbers if number.run]
    if not all(spread and spread.training >= LEAST_SEEDS for spread in spreads):
        return None
    return [number.outcome.spread.standard_error if number.run else 0.0 for number in numbers]


def _missing(reasons: dict[str, str | None]) -> list[Missing]:
    """What is missing, numbers with one reason together."""
    return [Missing(numbers=[name for name in reasons if reasons[name] == reason], reason=reason) for reason in dict.fromkeys(reasons.values())]


def _words(margin: Margin | None, shown: ShownNumber, reference: str) -> str:
    if margin is None:
        return "twice the standard error of the difference"
    return number_text(margin.value, shown.format) if margin.value is not None else f"{number_text(margin.share, '.0%')} % of {reference}"
