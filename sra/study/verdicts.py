"""What an interval allows to be said: better, worse, equivalent or undecided, and nothing from fewer than three seeds."""

import math
from collections.abc import Mapping
from typing import Literal

from sra.study.intervals import CONFIDENCE, Paired, Scale

# one seed: not judged, for fewer than three seeds too.
Verdict = Literal["better", "worse", "equivalent", "undecided", "one seed"]

CONTRADICTED = "the second distance points the other way"

ALPHA = 1 - CONFIDENCE
EQUIVALENCE = 0.05  # as a share: distances whose ratio surely lies within 1 / 1.05 and 1.05 are called equivalent


def equivalence_of(scale: Scale, reference: float, share: float = EQUIVALENCE) -> float:
    """The margin of equivalence on the scale: the logarithm of a ratio of 1 + share; of differences the share of the value compared with."""
    return math.log1p(share) if scale == "log" else share * abs(reference)


def verdict_of(pair: Paired, lower_is_better: bool, margin: float, p_value: float | None = None) -> Verdict:
    """margin: of equivalence, on the scale of the pair.  p_value: adjusted for a family of comparisons; the pair's own if left out.

    A difference that is told apart from 0 is better or worse, however small; what is not is equivalent where it surely lies within the margin.
    """
    if not pair.judged:
        return "one seed"
    if (pair.p_value if p_value is None else p_value) <= ALPHA:
        return "better" if (pair.mean < 0) == lower_is_better else "worse"
    return "equivalent" if pair.p_equivalent(margin) <= ALPHA else "undecided"


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """p values adjusted so that the chance of any false alarm in the family stays below that of one (Holm 1979)."""
    adjusted, largest = {}, 0.0
    for rank, name in enumerate(sorted(p_values, key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}
