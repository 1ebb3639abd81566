"""Runs that share their training seed, compared seed by seed: their differences, the t interval of the mean, and tests of it.

Two runs of one seed see the same images, noise, times, label drops and initial weights, so their difference is the method's and what chaos makes
of it. Distances are compared on the scale of logarithms, where a difference is a ratio; everything else on its natural scale.
"""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from sra.spec.metric import Metric

Scale = Literal["log", "natural"]

CONFIDENCE = 0.95
LEAST_SEEDS = 3  # below, an interval says next to nothing: with two seeds its half width is nine standard errors

# Distances that are above 0 and whose differences are told as ratios. KID is unbiased and may be below 0.
RATIO_METRICS: frozenset[str] = frozenset({"fid", "sfid", "fid_pytorch", "fid_infinity", "fd_dinov2", "fd_selfsup", "cmmd"})


def scale_of(metric: Metric) -> Scale:
    """The scale on which two values of the metric are compared."""
    return "log" if metric in RATIO_METRICS else "natural"


@dataclass(frozen=True)
class Paired:
    """Differences of one run and another, ours - theirs, on their scale; at least one.

    seeds: of training, in rising order.  differences: one a seed, of logarithms on the scale `log`.
    """

    scale: Scale
    seeds: tuple[int, ...]
    differences: tuple[float, ...]

    @property
    def count(self) -> int:
        return len(self.differences)

    @property
    def judged(self) -> bool:
        """Whether there are seeds enough for an interval to decide anything."""
        return self.count >= LEAST_SEEDS

    @cached_property
    def mean(self) -> float:
        return statistics.fmean(self.differences)

    @cached_property
    def sd(self) -> float | None:
        """Standard deviation (n - 1) of the differences; None for one seed."""
        return statistics.stdev(self.differences) if self.count > 1 else None

    @property
    def standard_error(self) -> float | None:
        return None if self.sd is None else self.sd / math.sqrt(self.count)

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
        """The t interval of the mean difference, n - 1 degrees of freedom; None for one seed."""
        error = self.standard_error
        if error is None:
            return None
        from scipy.special import stdtrit  # scipy takes time to import, and a page without seeds needs none of it

        half = float(stdtrit(self.count - 1, (1 + confidence) / 2)) * error
        return self.mean - half, self.mean + half

    @property
    def p_value(self) -> float | None:
        """Of no difference, two-sided; None for one seed."""
        error = self.standard_error
        if error is None:
            return None
        if error == 0:
            return float(self.mean == 0)
        from scipy.special import stdtr

        return 2 * float(stdtr(self.count - 1, -abs(self.mean) / error))  # the tail itself: 1 - a number near 1 would round it away

    def p_below(self, bound: float) -> float | None:
        """One-sided p value against a true mean of `bound` or more: small where the mean is surely below it. None for one seed."""
        error = self.standard_error
        if error is None:
            return None
        if error == 0:
            return 0.0 if self.mean < bound else 1.0
        from scipy.special import stdtr

        return float(stdtr(self.count - 1, (self.mean - bound) / error))

    @property
    def flipped(self) -> "Paired":
        """theirs - ours."""
        return Paired(self.scale, self.seeds, tuple(-difference for difference in self.differences))

    def p_above(self, bound: float) -> float | None:
        """The same against a true mean of `bound` or less: small where the mean is surely above it."""
        return self.flipped.p_below(-bound)

    def p_equivalent(self, margin: float) -> float | None:
        """Two one-sided tests (Schuirmann 1987): small where the mean surely lies within ± margin. None for one seed."""
        below = self.p_below(margin)
        if below is None:
            return None
        return max(below, self.p_above(-margin))

    def shown(self, difference: float) -> float:
        """A difference as it is told: a ratio, ours / theirs, on the scale `log`; itself on the natural one."""
        return math.exp(difference) if self.scale == "log" else difference


def paired(ours: Mapping[int, float], theirs: Mapping[int, float], scale: Scale) -> Paired | None:
    """The runs' values by training seed, compared where both have one; None where they share no seed.

    Raises ValueError for a value that is not finite, or on the scale `log` not above 0.
    """
    seeds = tuple(sorted(ours.keys() & theirs.keys()))
    return Paired(scale, seeds, tuple(_on(scale, ours[seed]) - _on(scale, theirs[seed]) for seed in seeds)) if seeds else None


def _on(scale: Scale, value: float) -> float:
    if not math.isfinite(value) or (scale == "log" and value <= 0):
        raise ValueError(f"{value} has no place on the scale {scale}; leave it out and say so")
    return math.log(value) if scale == "log" else value
