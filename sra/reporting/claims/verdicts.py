"""How a comparison of numbers becomes a verdict, and the document that holds the verdicts. The kinds are defined in `sra/content/claims.py`."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from sra.content.claims import Alike, AtLeast, Closer, Comparison
from sra.content.margins import Margin
from sra.reporting.read.spread import Spread
from sra.spec.base import Strict
from sra.spec.metric import ScoreOf

Verdict = Literal["supported", "contradicted", "inconclusive", "not run"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
QUANTITIES = {"better": "gain", "at_least": "gain", "alike": "spread", "closer": "lead"}  # what `difference` is, by kind of comparison


class ClaimNumber(Strict):
    """One side of a comparison.

    value: measured here, or the paper's own where the side is a published number.  published: what the paper has in its place.
    score_sha256, probe_sha256: of the file that the value was read from.
    """

    name: str
    run: str | None
    score: ScoreOf | None
    value: float | None
    spread: Spread | None = None
    text: str
    reason: str | None
    score_sha256: str | None
    probe_sha256: str | None = None
    published: str
    published_value: float | None
    source: str | None


class ClaimPart(Strict):
    """One comparison of a claim, judged.

    rule: in words.  against, paper_against: place in `numbers` of the best that the first is compared with; None where all count.
    paper_verdict: of the paper's numbers under its own scale's margin; None where it has not all of them.
    """

    kind: Literal["better", "at_least", "alike", "closer"]
    metric: str
    header: str
    rule: str
    numbers: list[ClaimNumber]
    against: int | None
    quantity: Literal["gain", "spread", "lead"]
    difference: float | None
    difference_text: str
    margin: float | None
    margin_text: str
    margin_why: str
    verdict: Verdict
    paper_against: int | None
    paper_difference: float | None
    paper_margin: float | None
    paper_verdict: Verdict | None


class Missing(Strict):
    """Numbers without which there is no verdict, and why this preset or these weights cannot give them; None where it can be run."""

    numbers: list[str]
    reason: str | None


class ClaimDocument(Strict):
    """One claim with its verdict. command: builds what is missing; None where nothing is, or where no run can give it."""

    id: str
    sentence: str
    source: str
    note: str | None
    targets: list[str]
    verdict: Verdict
    paper_verdict: Verdict | None
    parts: list[ClaimPart]
    missing: list[Missing]
    command: str | None


class ClaimsDocument(Strict):
    """What `claims.json` holds. scope: what the verdicts speak of."""

    schema_version: Literal[1] = 1
    preset: str
    comparable: bool
    scope: str
    counts: dict[Verdict, int]
    claims: list[ClaimDocument]


@dataclass(frozen=True)
class Judgement:
    """The verdict on one comparison. difference: the gain, spread or lead of the comparison's kind, in the metric's unit, as is the margin."""

    verdict: Verdict
    difference: float
    margin: float
    against: int | None = None


def judge(
    comparison: Comparison, values: Sequence[float], better: Literal["lower", "higher"], margin: Margin, errors: Sequence[float] | None = None
) -> Judgement:
    """Judge a comparison of values, which are in the order of the comparison's sides.

    errors: their standard errors, where training seeds have measured them; then twice that of the difference decides in place of the margin.
    """

    def allowed(reference: float, *places: int) -> float:
        """What noise alone may do to a difference in which the values at `places` count once each time they are named."""
        return 2 * math.hypot(*(places.count(place) * errors[place] for place in set(places))) if errors else margin.at(reference)

    if isinstance(comparison, Alike):
        low, high = min(values), max(values)
        spread, noise = high - low, allowed(values[0], values.index(low), values.index(high))
        # Of several runs the largest gap outgrows that of two, so only twice the noise contradicts.
        return Judgement(_verdict(spread <= noise, spread > 2 * noise), spread, noise)
    if isinstance(comparison, Closer):
        side, near, far = values
        # Between the two, the side enters the lead twice.
        lead, noise = abs(side - far) - abs(side - near), allowed(far, 0, 0, 1, 2)
        return Judgement(_verdict(lead > noise, lead < -noise), lead, noise)
    side, *others = values
    best = min(others) if better == "lower" else max(others)
    against = 1 + others.index(best)
    gain, noise = best - side if better == "lower" else side - best, allowed(best, 0, against)
    supported = gain >= 0 if isinstance(comparison, AtLeast) else gain > noise
    return Judgement(_verdict(supported, gain < -noise), gain, noise, against)


def _verdict(supported: bool, contradicted: bool) -> Verdict:
    return "supported" if supported else "contradicted" if contradicted else "inconclusive"


def combined(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict on a claim, from those on its parts.

    Supported by all; contradicted by one and supported by none; not run while one is missing; else inconclusive.
    """
    found = set(verdicts)
    if "not run" in found:
        return "not run"
    if found == {"supported"}:
        return "supported"
    return "contradicted" if "contradicted" in found and "supported" not in found else "inconclusive"
