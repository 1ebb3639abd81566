"""Two of our numbers compared seed by seed: on which scale, why they are not judged, and how that is written."""

from collections.abc import Iterable, Mapping

from sra.reporting.write.numbers import difference_text, number_text
from sra.study.intervals import LEAST_SEEDS, Paired, paired, scale_of

NOT_JUDGED = "not judged"
NO_RATIO = f"a value that is not above 0 has no ratio: {NOT_JUDGED}"
MOST_DECIMALS = 4  # of a ratio


def compared(ours: Mapping[int, float], theirs: Mapping[int, float], metric: str) -> Paired | None:
    """Two numbers by the training seeds that both have; None where they share none, or where a value has no place on the metric's scale."""
    try:
        return paired(ours, theirs, scale_of(metric))
    except ValueError:
        return None


def mean_of(by_seed: Mapping[int, float]) -> float:
    return sum(by_seed.values()) / len(by_seed)


def seeds_words(count: int) -> str:
    """`one seed`, `3 seeds`."""
    return "one seed" if count == 1 else f"{count} seeds"


def too_few(count: int) -> str | None:
    """Why so many training seeds judge nothing: `one seed: not judged`; None for enough of them."""
    return f"{seeds_words(count)}: {NOT_JUDGED}" if count < LEAST_SEEDS else None


def why_not(sides: Iterable[Iterable[int]]) -> str | None:
    """Why a comparison is not judged, from the training seeds of its sides; None where all have three seeds in common."""
    seeds = [set(side) for side in sides]
    few, shared = too_few(min(map(len, seeds))), len(set.intersection(*seeds))
    if few or too_few(shared) is None:
        return few
    return f"{seeds_words(shared) if shared else 'no seed'} in common: {NOT_JUDGED}"


def interval_text(pair: Paired, spec: str) -> str:
    """`0.93 [0.88, 0.99], 3 seeds`: a ratio or a signed difference with its 95 % interval, which fewer than three seeds do not have.

    spec: the format of the metric, in which differences are written.
    """
    ends = [pair.shown(end) for end in (pair.mean, *(pair.interval() if pair.judged else ()))]
    decimals = f".{_decimals(ends[1:])}f"
    texts = [number_text(end, decimals) if pair.scale == "log" else difference_text(end, spec) for end in ends]
    between = f" [{texts[1]}, {texts[2]}]" if pair.judged else ""
    return f"{texts[0]}{between}, {seeds_words(pair.count)}"


def _decimals(ratios: list[float]) -> int:
    """Two, or as many more as keep the end of an interval other than 1 from being written as 1."""
    return next((count for count in range(2, MOST_DECIMALS) if all(round(ratio, count) != 1 for ratio in ratios if ratio != 1)), MOST_DECIMALS)
