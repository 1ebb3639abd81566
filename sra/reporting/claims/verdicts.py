"""The document that holds the verdicts on the paper's claims: on ours by seeds, and on its own printed numbers by margins."""

from typing import Literal, get_args

from sra.reporting.read.spread import Spread
from sra.spec.base import Strict
from sra.spec.metric import ScoreOf
from sra.study.intervals import Scale

# On ours. not judged: for want of three training seeds a side.
Verdict = Literal["supported", "contradicted", "equivalent", "undecided", "not judged", "not run"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
JUDGED: tuple[Verdict, ...] = VERDICTS[:4]
PrintedVerdict = Literal["supported", "contradicted", "inconclusive"]


class ClaimNumber(Strict):
    """One side of a comparison.

    value: measured here, or the paper's own where the side is a published number.  published: what the paper has in its place.
    score_sha256, probe_sha256: of the file that the value was read from, with several seeds the first; seeds_sha256: of the others.
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
    seeds_sha256: list[str] = []
    published: str
    published_value: float | None
    source: str | None


class ClaimPair(Strict):
    """Two sides compared seed by seed; of a `closer` all three, as the side's distance to the last less that to the second.

    places: of the sides among the part's numbers.  differences: one a seed, on the scale; of logarithms on `log`.
    value, low, high: the mean and its 95 % interval as they are told, a ratio on `log`; None below three seeds, the value where no seed is in common.
    margin: of equivalence, as it is told.  p_value: two-sided, by Holm among all pairs of the claim.  reason: why it is not judged.
    """

    places: list[int]
    scale: Scale
    seeds: list[int] = []
    differences: list[float] = []
    value: float | None = None
    low: float | None = None
    high: float | None = None
    margin: float
    p_value: float | None = None
    text: str
    verdict: Verdict
    reason: str | None = None


class ClaimPart(Strict):
    """One comparison of a claim, judged.

    rule, printed_rule: in words, of ours and of printed numbers.  pairs: none while a number is missing.  telling: place of the pair that decides.
    paper_against: place in `numbers` of the best printed one that the first is compared with; None where all count.
    paper_difference: the gain, spread or lead of the printed numbers, in the metric's unit, as is the margin.
    paper_verdict: None where the paper has not all of them.
    """

    kind: Literal["better", "at_least", "alike", "closer"]
    metric: str
    header: str
    rule: str
    numbers: list[ClaimNumber]
    pairs: list[ClaimPair] = []
    telling: int | None = None
    verdict: Verdict
    reason: str | None = None
    printed_rule: str
    margin_why: str
    paper_against: int | None
    paper_difference: float | None
    paper_margin: float | None
    paper_verdict: PrintedVerdict | None

    @property
    def decisive(self) -> ClaimPair | None:
        return None if self.telling is None else self.pairs[self.telling]


class Missing(Strict):
    """Numbers without which there is no verdict, and why this preset or these weights cannot give them; None where it can be run."""

    numbers: list[str]
    reason: str | None


class ClaimDocument(Strict):
    """One claim with its verdict.

    reason: why it is not judged.  command: builds what is missing; None where nothing is, or where no run can give it.
    """

    id: str
    sentence: str
    source: str
    note: str | None
    targets: list[str]
    verdict: Verdict
    reason: str | None = None
    paper_verdict: PrintedVerdict | None
    parts: list[ClaimPart]
    missing: list[Missing]
    command: str | None

    @property
    def words(self) -> str:
        """The verdict, or why there is none: `one seed: not judged`."""
        return self.reason or self.verdict


class ClaimsDocument(Strict):
    """What `claims.json` holds. scope: what the verdicts speak of, and how they are reached.  command: judges the claims from three seeds."""

    schema_version: Literal[2] = 2  # 1 had verdicts from single seeds
    preset: str
    comparable: bool
    scope: str
    command: str
    counts: dict[Verdict, int]
    claims: list[ClaimDocument]

    @property
    def judged(self) -> bool:
        """Whether any claim has a verdict on ours."""
        return any(self.counts[verdict] for verdict in JUDGED)
