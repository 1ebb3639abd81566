"""A pilot: the noise of training seeds before methods are compared, how far pairing runs by seed takes it away, and how many seeds that asks for.

All of it on the scale of logarithms, where an sd of 0.03 is a noise of 3 %.
"""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from sra.study.intervals import CONFIDENCE, LEAST_SEEDS, paired
from sra.study.power import SHARES, sd_of_differences, seeds_needed, smallest_share_seen
from sra.study.verdicts import ALPHA

SEEDS, SEEDS_OF_CLOSE_PAIRS, CLOSE = 5, 8, 0.10  # of every row; of rows within 10 % of each other, once that is seen
FAMILY = 8  # methods against one baseline: the first step of Holm's tests is at ALPHA / 8


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval; low and high are None for a correlation of three pairs, which has none."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Pilot:
    """seeds: of the baseline, in rising order.  pairs: those that the other run has too.

    run_sd: of the log values of the baseline; None for one seed.  difference_sd: of the paired differences; None for fewer than two pairs.
    correlation: of the paired log values; None for fewer than three pairs, or where a run does not vary.
    """

    seeds: tuple[int, ...]
    pairs: tuple[int, ...]
    run_sd: Estimate | None
    difference_sd: Estimate | None
    correlation: Estimate | None

    @property
    def noise(self) -> Estimate | None:
        """The sd of differences that a study should count on: the measured one from three pairs on, else that of runs without any correlation.

        None for fewer than three seeds.
        """
        if len(self.pairs) >= LEAST_SEEDS:
            return self.difference_sd
        if len(self.seeds) < LEAST_SEEDS:
            return None
        return Estimate(*(sd_of_differences(sd, 0) for sd in (self.run_sd.value, self.run_sd.low, self.run_sd.high)))


def pilot(baseline: Mapping[int, float], other: Mapping[int, float] | None = None) -> Pilot:
    """Values above 0 by training seed, of the baseline and of a second run that shares its draws.

    Raises ValueError for a value that has no logarithm, and for no seed.
    """
    if not baseline:
        raise ValueError("a pilot takes the baseline's value of one seed at least")
    # against 1, whose logarithm is 0, a run's differences are its logarithms
    logs = paired(baseline, dict.fromkeys(baseline, 1.0), "log")
    pair = paired(baseline, other, "log") if other else None
    return Pilot(
        seeds=logs.seeds,
        pairs=pair.seeds if pair else (),
        run_sd=_sd(logs.differences),
        difference_sd=_sd(pair.differences) if pair else None,
        correlation=_correlation([math.log(baseline[seed]) for seed in pair.seeds], [math.log(other[seed]) for seed in pair.seeds]) if pair else None,
    )


def _sd(values: tuple[float, ...]) -> Estimate | None:
    """With its interval by the chi-squared distribution of (n - 1) sd² / sd0²."""
    if len(values) < 2:
        return None
    from scipy.special import chdtri

    sd, freedom, tail = statistics.stdev(values), len(values) - 1, (1 - CONFIDENCE) / 2
    low, high = (sd * math.sqrt(freedom / float(chdtri(freedom, share))) for share in (tail, 1 - tail))
    return Estimate(sd, low, high)


def _correlation(ours: list[float], theirs: list[float]) -> Estimate | None:
    """Pearson's, with the interval of Fisher 1921 from four pairs on."""
    if len(ours) < LEAST_SEEDS or len(set(ours)) == 1 or len(set(theirs)) == 1:
        return None
    value = statistics.correlation(ours, theirs)
    if len(ours) < 4:
        return Estimate(value, None, None)
    if abs(value) >= 1:
        return Estimate(value, value, value)
    half = statistics.NormalDist().inv_cdf((1 + CONFIDENCE) / 2) / math.sqrt(len(ours) - 3)
    return Estimate(value, math.tanh(math.atanh(value) - half), math.tanh(math.atanh(value) + half))


def advice(found: Pilot) -> list[str]:
    """What the pilot measured and how many seeds it asks for, in plain sentences."""
    sentences = [_noise_of_runs(found), _pairing(found)]
    return sentences if found.noise is None else [*sentences, _needs(found.noise), *_rule(found.noise)]


def _noise_of_runs(found: Pilot) -> str:
    count = len(found.seeds)
    if found.run_sd is None:
        return f"One seed of the baseline says nothing of its noise: train {LEAST_SEEDS - 1} more at least."
    few = f": too few to plan by, train {LEAST_SEEDS - count} more at least" if count < LEAST_SEEDS else ""
    return f"{count} seeds of the baseline differ with an sd of {_percent(found.run_sd)}{few}."


def _pairing(found: Pilot) -> str:
    if len(found.pairs) < LEAST_SEEDS:
        counted = f"; runs are taken as uncorrelated, whose differences have an sd of {_percent(found.noise)}" if found.noise else ""
        return f"What pairing runs by seed takes away is not measured: it takes {LEAST_SEEDS} pairs, there are {len(found.pairs)}{counted}."
    correlated = (
        "" if found.correlation is None else f"; the runs' correlation is {found.correlation.value:.2f}{_between(found.correlation, '{:.2f}')}"
    )
    return f"Differences of {len(found.pairs)} pairs of runs have an sd of {_percent(found.difference_sd)}{correlated}."


def _needs(noise: Estimate) -> str:
    alone, first = ([_seeds(seeds_needed(share, noise.value, alpha)) for share in SHARES] for alpha in (ALPHA, ALPHA / FAMILY))
    shares = _listed([f"{100 * share:.0f} %" for share in SHARES])
    return (
        f"To see, in four studies of five, that one method is {shares} better takes {_listed(alone)} seeds; "
        f"{_listed(first)} where it is one of {FAMILY} methods."
    )


def _rule(noise: Estimate) -> list[str]:
    """Five seeds of all, eight of close pairs, and what the two cannot see here."""
    close, needed = f"{100 * CLOSE:.0f} %", seeds_needed(CLOSE, noise.value, ALPHA / FAMILY)
    sentences = [
        f"Train {SEEDS} seeds of every row: they see that one method is {_seen(SEEDS, noise.value)} better. "
        f"Of rows within {close} of each other train {SEEDS_OF_CLOSE_PAIRS}: they see {_seen(SEEDS_OF_CLOSE_PAIRS, noise.value)}."
    ]
    if needed is None or needed > SEEDS:
        sentences.append(
            f"{SEEDS} seeds are too few here to see {close} where {FAMILY} methods are compared: train {_seeds(needed)}, "
            f"or say beforehand that a gap below {_seen(SEEDS, noise.value, ALPHA / FAMILY)} may go unseen."
        )
    if noise.high > 0:
        sentences.append(f"A pilot knows the noise roughly: at the upper end of its interval {SEEDS} seeds see {_seen(SEEDS, noise.high)}.")
    return sentences


def _seen(seeds: int, sd: float, alpha: float = ALPHA) -> str:
    return f"{100 * smallest_share_seen(seeds, sd, alpha):.1f} %"


def _seeds(count: int | None) -> str:
    return "more than 100,000" if count is None else f"{count:,}"


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _percent(sd: Estimate) -> str:
    return f"{100 * sd.value:.1f} %{_between(Estimate(100 * sd.value, 100 * sd.low, 100 * sd.high), '{:.1f}')}"


def _between(estimate: Estimate, form: str) -> str:
    if estimate.low is None:
        return ""
    return f" (95 % interval {form.format(estimate.low)} to {form.format(estimate.high)})"
