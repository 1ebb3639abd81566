"""The paper's printed numbers, judged: each is of one training, so only a margin decides between two. The kinds are in `sra/content/claims.py`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from sra.content.claims import Alike, AtLeast, Closer, Comparison
from sra.content.margins import Margin
from sra.reporting.claims.verdicts import PrintedVerdict


@dataclass(frozen=True)
class Judgement:
    """The verdict on one comparison. difference: the gain, spread or lead of the comparison's kind, in the metric's unit, as is the margin.

    against: place of the best that the first is compared with; None where all count.
    """

    verdict: PrintedVerdict
    difference: float
    margin: float
    against: int | None = None


def judge(comparison: Comparison, values: Sequence[float], better: Literal["lower", "higher"], margin: Margin) -> Judgement:
    """Judge a comparison of printed values, which are in the order of the comparison's sides."""
    if isinstance(comparison, Alike):
        spread, noise = max(values) - min(values), margin.at(values[0])
        # Of several runs the largest gap outgrows that of two, so only twice the margin contradicts.
        return Judgement(_verdict(spread <= noise, spread > 2 * noise), spread, noise)
    if isinstance(comparison, Closer):
        side, near, far = values
        lead, noise = abs(side - far) - abs(side - near), margin.at(far)
        return Judgement(_verdict(lead > noise, lead < -noise), lead, noise)
    side, *others = values
    best = min(others) if better == "lower" else max(others)
    gain, noise = best - side if better == "lower" else side - best, margin.at(best)
    supported = gain >= 0 if isinstance(comparison, AtLeast) else gain > noise
    return Judgement(_verdict(supported, gain < -noise), gain, noise, 1 + others.index(best))


def _verdict(supported: bool, contradicted: bool) -> PrintedVerdict:
    return "supported" if supported else "contradicted" if contradicted else "inconclusive"


def combined(verdicts: Iterable[PrintedVerdict]) -> PrintedVerdict:
    """The verdict on a claim, from those on its parts: supported by all; contradicted by one and supported by none; else inconclusive."""
    found = set(verdicts)
    if found == {"supported"}:
        return "supported"
    return "contradicted" if "contradicted" in found and "supported" not in found else "inconclusive"
