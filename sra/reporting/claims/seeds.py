"""Ours, judged: each comparison of a claim by the paired interval over training seeds, from three seeds a side on. The kinds are defined in
`sra/content/claims.py`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from sra.content.claims import Alike, AtLeast, Better, Closer, Comparison
from sra.reporting.claims.verdicts import Verdict
from sra.reporting.pairs import NO_RATIO, NOT_JUDGED, mean_of, why_not
from sra.study.intervals import Paired, Scale, paired, scale_of
from sra.study.verdicts import ALPHA, equivalence_of, verdict_of

PRINTED = f"a printed number is one training: {NOT_JUDGED}"
SAID = {"better": "supported", "worse": "contradicted", "equivalent": "equivalent", "undecided": "undecided", "one seed": NOT_JUDGED}


@dataclass(frozen=True)
class Measured:
    """One side. by_seed: its values by training seed, each the mean over sample sets.  printed: the paper's number, which is no training of ours."""

    by_seed: Mapping[int, float]
    printed: float | None = None

    def at(self, seed: int) -> float:
        return self.by_seed[seed] if self.printed is None else self.printed

    @property
    def mean(self) -> float:
        return mean_of(self.by_seed) if self.printed is None else self.printed


@dataclass(frozen=True)
class Compared:
    """Two sides of a comparison, or the three of a `closer`, by their places among its sides.

    pair: first - second on the metric's scale; of a `closer`, its leads. None where no seed is in common or a value has no place on the scale.
    margin: of equivalence, on that scale.  reason: why it is not judged.
    """

    places: tuple[int, ...]
    scale: Scale
    pair: Paired | None
    margin: float
    reason: str | None

    @property
    def judged(self) -> bool:
        return self.reason is None


def compare(comparison: Comparison, sides: Sequence[Measured]) -> list[Compared]:
    """Everything that must hold, side by side. sides: in the order of the comparison's, each with a value."""
    scale = scale_of(comparison.metric)

    def found(places: tuple[int, ...], reference: int, differences: Callable[[], Paired | None]) -> Compared:
        asked = [sides[place] for place in places]
        try:
            pair, reason = differences(), None
        except ValueError:
            pair, reason = None, NO_RATIO
        return Compared(places, scale, pair, equivalence_of(scale, sides[reference].mean), reason or _why_not(asked))

    def two(first: int, second: int) -> Paired | None:
        return paired(*_by_seed([sides[first], sides[second]]), scale)

    if isinstance(comparison, Closer):
        return [found((0, 1, 2), 2, lambda: _leads(*_by_seed(sides), scale))]
    places = combinations(range(len(sides)), 2) if isinstance(comparison, Alike) else [(0, other) for other in range(1, len(sides))]
    # A share is one of what is compared with: the first where all are alike, else the other.
    return [found(pair, 0 if isinstance(comparison, Alike) else pair[1], lambda pair=pair: two(*pair)) for pair in places]


def _by_seed(sides: Sequence[Measured]) -> list[dict[int, float]]:
    """The values of each side by the seeds that all measured ones have; a printed number stands beside each of them."""
    measured = [side.by_seed.keys() for side in sides if side.printed is None]
    shared = set.intersection(*map(set, measured)) if measured else set()
    return [{seed: side.at(seed) for seed in shared} for side in sides]


def _leads(side: Mapping[int, float], near: Mapping[int, float], far: Mapping[int, float], scale: Scale) -> Paired | None:
    to_near, to_far = paired(side, near, scale), paired(side, far, scale)
    if to_near is None or to_far is None:
        return None
    leads = (abs(beyond) - abs(short) for beyond, short in zip(to_far.differences, to_near.differences, strict=True))
    return Paired(scale, to_near.seeds, tuple(leads))


def _why_not(sides: Sequence[Measured]) -> str | None:
    return PRINTED if any(side.printed is not None for side in sides) else why_not(side.by_seed for side in sides)


def p_value_of(comparison: Comparison, compared: Compared, better: Literal["lower", "higher"]) -> float:
    """Two-sided, of what the comparison tests: no difference, or of `at_least` and `alike` one of the margin. It must be judged."""
    if isinstance(comparison, Better | Closer):
        return compared.pair.p_value
    if isinstance(comparison, AtLeast):
        worse = _worse(compared.pair, better)
        return min(1.0, 2 * min(worse.p_below(compared.margin), worse.p_above(compared.margin)))
    return min(1.0, 2 * min(compared.pair.p_below(-compared.margin), compared.pair.p_above(compared.margin)))


def verdict_on(comparison: Comparison, compared: Compared, better: Literal["lower", "higher"], p_value: float | None) -> Verdict:
    """p_value: that of `p_value_of`, adjusted for the comparisons of the claim; None where it is not judged."""
    if not compared.judged:
        return NOT_JUDGED
    pair, margin = compared.pair, compared.margin
    if isinstance(comparison, Better | Closer):
        lower_is_better = isinstance(comparison, Better) and better == "lower"  # a lead is good where it is high
        return SAID[verdict_of(pair, lower_is_better, margin, p_value)]
    if isinstance(comparison, AtLeast):
        return "undecided" if p_value > ALPHA else "supported" if _worse(pair, better).mean < margin else "contradicted"
    return "supported" if pair.p_equivalent(margin) <= ALPHA else "contradicted" if p_value <= ALPHA else "undecided"


def _worse(pair: Paired, better: Literal["lower", "higher"]) -> Paired:
    """How much worse the first is, seed by seed."""
    return pair if better == "lower" else pair.flipped


def together(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict on what all must hold for: the pairs of a comparison, and the comparisons of a claim.

    Not run, or not judged, while one is that; contradicted by one; supported by all; equivalent where some are that and the others supported.
    """
    found = set(verdicts)
    for verdict in ("not run", NOT_JUDGED, "contradicted"):
        if verdict in found:
            return verdict
    if found == {"supported"}:
        return "supported"
    return "equivalent" if found <= {"supported", "equivalent"} else "undecided"
