"""The paper's claims judged by the scores that exist, and by the paper's own printed numbers beside them."""

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sra.content.catalogue import Catalogue
from sra.content.claims import (
    Claim,
    Claims,
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
from sra.core.errors import InputError
from sra.core.files import write_checked_json, write_text
from sra.reporting.claims import printed
from sra.reporting.claims.formats import to_csv, to_markdown
from sra.reporting.claims.rules import printed_rule_of, rule_of
from sra.reporting.claims.seeds import Compared, Measured, compare, p_value_of, together, verdict_on
from sra.reporting.claims.verdicts import VERDICTS, ClaimDocument, ClaimNumber, ClaimPair, ClaimPart, ClaimsDocument, Missing, Verdict
from sra.reporting.figures.probes import ProbesDocument, build_probes, key_end
from sra.reporting.pairs import NOT_JUDGED, interval_text
from sra.reporting.read.comparison import Outcome
from sra.reporting.read.evidence import Evidence
from sra.reporting.read.probes import InspectedFiles, load_probes
from sra.reporting.read.published import PublishedNumber, load_published
from sra.reporting.read.scores import load_scores
from sra.reporting.read.spread import Spread, seeds_text
from sra.reporting.write.commands import THREE_SEEDS, build_command
from sra.reporting.write.numbers import ABSENT, count_text, listed, metric_header, milestone_text, number_text
from sra.spec.metric import ScoreOf
from sra.study.intervals import LEAST_SEEDS
from sra.study.verdicts import ALPHA, holm

SEVERITY: tuple[Verdict, ...] = (NOT_JUDGED, "contradicted", "undecided", "equivalent", "supported")  # of pairs: the first decides


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
        figure.id: build_probes(figure, replace(known, probes=load_probes(files.probes, registry.preset_id, registry.seeds), carriers=files.carriers))
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
    spreads = [number.spread for claim in judged for part in claim.parts for number in part.numbers]
    return ClaimsDocument(
        preset=registry.preset_id,
        comparable=registry.preset.comparable,
        scope=_scope(registry, spreads),
        command=build_command("claims", registry.preset_id, seeds=THREE_SEEDS),
        counts={verdict: sum(claim.verdict == verdict for claim in judged) for verdict in VERDICTS},
        claims=judged,
    )


def _scope(registry: Catalogue, spreads: list[Spread | None]) -> str:
    """How verdicts are reached, and what they speak of at this preset."""
    preset = registry.preset
    data = f"Verdicts here speak of preset {registry.preset_id} alone ({preset.title}; data: {listed(preset.datasets)}): "
    return (
        f"{'' if preset.comparable else data + 'they neither confirm nor refute the paper. '}A comparison is judged where every side has "
        f"{LEAST_SEEDS} training seeds or more, by the 95 % t interval over seeds of the differences between runs of one seed, which see the same "
        "images, noise and initial weights; sample sets of one training are averaged first. Distances such as FID are compared by their logarithms, "
        "so that a difference is a ratio, everything else as it is. Holm keeps false alarms of all comparisons of a claim together below 5 %. "
        f"Numbers: {seeds_text(spreads)}."
    )


def claims_sentence(document: ClaimsDocument) -> str:
    """All verdicts in a sentence: `Of 19 claims of the paper: 3 supported, 2 contradicted, ... and 5 not run.`, or that nothing is judged."""
    total = f"{len(document.claims)} claim{'s' if len(document.claims) != 1 else ''} of the paper"
    if not document.judged:
        why = Counter(f"{NOT_JUDGED} ({claim.reason.split(':')[0]})" if claim.reason else claim.verdict for claim in document.claims)
        return f"Of {total} none is judged at preset {document.preset}: {listed([f'{count} {words}' for words, count in sorted(why.items())])}."
    where = "" if document.comparable else f" on the data of preset {document.preset}"
    return f"Of {total}{where}: {listed([f'{document.counts[verdict]} {verdict}' for verdict in VERDICTS])}."


_PValues = tuple[float, float]  # of a pair, by itself and by Holm among all of its claim


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
        parts = self._parts(sides)
        missing = _missing(
            {self._full_name(number): number.outcome.reason for numbers in sides for number in numbers if number.outcome.value is None}
        )
        by_paper, verdict = [part.paper_verdict for part in parts], together(part.verdict for part in parts)
        return ClaimDocument(
            id=self.claim.id,
            sentence=self.claim.sentence,
            source=self.claim.source,
            note=self.claim.note,
            targets=self.claim.targets,
            verdict=verdict,
            reason=_joined(part.reason for part in parts) if verdict == NOT_JUDGED else None,
            paper_verdict=None if None in by_paper else printed.combined(by_paper),
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
        found = Outcome("ok", point.value, None, point.spread, (point.probe_sha256, *point.seeds_sha256), point.by_seed)
        return _Number(side, drawn.run, None, found, number)

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

    def _parts(self, sides: list[list[_Number]]) -> list[ClaimPart]:
        """One part a comparison; Holm runs over the pairs of them all."""
        both = zip(self.comparisons, sides, strict=True)
        pairs = [compare(comparison, list(map(_measured, numbers))) if _complete(numbers) else [] for comparison, numbers in both]
        raw = {
            (part, place): p_value_of(self.comparisons[part], pair, self._how_shown(self.comparisons[part]).better)
            for part, found in enumerate(pairs)
            for place, pair in enumerate(found)
            if pair.judged
        }
        adjusted = dict(zip(raw, holm({str(number): value for number, value in enumerate(raw.values())}).values(), strict=True))
        tested = {place: (value, adjusted[place]) for place, value in raw.items()}
        return [
            self._part(comparison, numbers, found, [tested.get((part, place)) for place in range(len(found))])
            for part, (comparison, numbers, found) in enumerate(zip(self.comparisons, sides, pairs, strict=True))
        ]

    @property
    def comparisons(self) -> list[Comparison]:
        return self.claim.comparisons

    def _part(self, comparison: Comparison, numbers: list[_Number], found: list[Compared], p_values: list[_PValues | None]) -> ClaimPart:
        shown, margin = self._how_shown(comparison), self.claims.margin_of(comparison)
        names = [self._name(number.side) for number in numbers]
        pairs = [self._pair(comparison, pair, names, shown, p_value) for pair, p_value in zip(found, p_values, strict=True)]
        values = [number.number.value if number.number else None for number in numbers]
        # A published number beside itself says nothing.
        of_paper = None not in values and len({number.number.key for number in numbers}) == len(numbers)
        paper = printed.judge(comparison, values, shown.better, margin) if of_paper else None
        verdict = together(pair.verdict for pair in pairs) if pairs else "not run"
        return ClaimPart(
            kind=comparison.kind,
            metric=comparison.metric,
            header=metric_header(comparison.metric, shown.better),
            rule=rule_of(comparison, names, shown.better, sum(map(_pairs_in, self.comparisons))),
            numbers=[self._claim_number(number, shown) for number in numbers],
            pairs=pairs,
            telling=_telling(comparison, pairs, shown.better),
            verdict=verdict,
            reason=_joined(pair.reason for pair in pairs) if verdict == NOT_JUDGED else None,
            printed_rule=printed_rule_of(comparison, names, shown.better, margin, shown.format),
            margin_why=margin.why,
            paper_against=paper.against if paper else None,
            paper_difference=paper.difference if paper else None,
            paper_margin=paper.margin if paper else None,
            paper_verdict=paper.verdict if paper else None,
        )

    def _pair(self, comparison: Comparison, found: Compared, names: list[str], shown: ShownNumber, p_values: _PValues | None) -> ClaimPair:
        pair, told, (own, p_value) = found.pair, {}, p_values or (None, None)
        held = f"; by Holm p = {p_value:.2g}" if p_values and own <= ALPHA < p_value else ""  # the interval alone would say more
        what = "lead" if comparison.kind == "closer" else "ratio" if found.scale == "log" else "difference"
        if comparison.kind == "alike" and len(names) > 2:
            what += f" {' / '.join(names[place] for place in found.places)}"
        if pair:
            ends = [pair.shown(end) for end in pair.interval()] if pair.judged else [None, None]
            told = {"seeds": list(pair.seeds), "differences": list(pair.differences), "value": pair.shown(pair.mean), "low": ends[0], "high": ends[1]}
        return ClaimPair(
            places=list(found.places),
            scale=found.scale,
            **told,
            margin=math.exp(found.margin) if found.scale == "log" else found.margin,
            p_value=p_value,
            text=f"{what} {interval_text(pair, shown.format) if pair else ABSENT}{held}",
            verdict=verdict_on(comparison, found, shown.better, p_value),
            reason=found.reason,
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
            seeds_sha256=list(number.outcome.sha256s[1:]),
            published=published.text if published else ABSENT,
            published_value=published.value if published else None,
            source=published.credit if published else None,
        )


def _complete(numbers: list[_Number]) -> bool:
    return all(number.outcome.value is not None for number in numbers)


def _measured(number: _Number) -> Measured:
    return Measured(number.outcome.by_seed, number.outcome.value if number.side.published else None)


def _pairs_in(comparison: Comparison) -> int:
    """How many pairs the comparison is made of."""
    sides = len(comparison.sides)
    return {"alike": math.comb(sides, 2), "closer": 1}.get(comparison.kind, sides - 1)


def _telling(comparison: Comparison, pairs: list[ClaimPair], better: str) -> int | None:
    """Which pair decides: the gravest verdict, and of several the pair that speaks most against the claim."""

    def against(place: int) -> tuple[int, float]:
        pair = pairs[place]
        mean = statistics.fmean(pair.differences) if pair.differences else 0.0
        far = abs(mean) if comparison.kind == "alike" else mean if comparison.kind != "closer" and better == "lower" else -mean
        return SEVERITY.index(pair.verdict), -far

    return min(range(len(pairs)), key=against, default=None)


def _joined(reasons: Iterable[str | None]) -> str | None:
    return "; ".join(dict.fromkeys(filter(None, reasons))) or None


def _missing(reasons: dict[str, str | None]) -> list[Missing]:
    """What is missing, numbers with one reason together."""
    return [Missing(numbers=[name for name in reasons if reasons[name] == reason], reason=reason) for reason in dict.fromkeys(reasons.values())]
