"""How many seeds tell two methods apart: power of the paired t test on logarithms, where a method that is a share better differs by log(1 - share).

The test is two-sided. With n seeds, true difference d and sd of the differences s, its statistic has the noncentral t distribution with n - 1 degrees
of freedom and noncentrality d sqrt(n) / s (Johnson & Welch 1940).
"""

import math

from sra.study.intervals import LEAST_SEEDS
from sra.study.verdicts import ALPHA

POWER = 0.8
SHARES = (0.05, 0.10, 0.20)  # better by, which a study is asked whether it would see
MOST_SEEDS = 100_000


def sd_of_differences(run_sd: float, correlation: float) -> float:
    """Of pairs of runs that each have the sd and are correlated so: s sqrt(2 (1 - r))."""
    if not -1 <= correlation <= 1:
        raise ValueError(f"a correlation is within -1 and 1, which {correlation} is not")
    return run_sd * math.sqrt(2 * (1 - correlation))


def log_difference(share: float) -> float:
    """Of a distance that is the share lower: 0.1 is 10 % better."""
    if not 0 < share < 1:
        raise ValueError(f"better by a share between 0 and 1, which {share} is not")
    return math.log(1 - share)


def power(seeds: int, sd: float, difference: float, alpha: float = ALPHA) -> float:
    """The chance that a true mean difference is told from none. sd: of the differences, on the scale of the difference."""
    if seeds < 2 or not 0 <= sd < math.inf or not math.isfinite(difference) or not 0 < alpha < 1:
        raise ValueError(f"no power of {seeds} seeds, sd {sd}, difference {difference}, alpha {alpha}: two seeds at least, and finite numbers")
    if difference == 0 or sd == 0:
        return 0.0 if sd == 0 and difference == 0 else 1.0 if sd == 0 else alpha
    return _beyond(seeds - 1, abs(difference) / sd * math.sqrt(seeds), alpha)


def _beyond(freedom: int, noncentrality: float, alpha: float) -> float:
    """Chance that noncentral t lies beyond the central one's two-sided bound.

    t is (z + noncentrality) / s, z standard normal and freedom s² chi-squared, so for each z the chance is that of s being small enough; integrated
    over z. scipy's own noncentral t gives NaN for some arguments that studies have (1.17: freedom 2, noncentrality 8).
    """
    from scipy.integrate import quad
    from scipy.special import gammainc, stdtrit

    bound = float(stdtrit(freedom, 1 - alpha / 2))

    def chance(z: float) -> float:
        return math.exp(-z * z / 2) / math.sqrt(2 * math.pi) * float(gammainc(freedom / 2, freedom / 2 * ((z + noncentrality) / bound) ** 2))

    # where it bends: at z + noncentrality = 0, and around ± bound, the steeper the more degrees of freedom
    width, furthest = 4 * bound / math.sqrt(2 * freedom), 10
    bends = [side - noncentrality for middle in (-bound, bound) for side in (middle - width, middle, middle + width)] + [-noncentrality]
    points = sorted(bend for bend in bends if -furthest < bend < furthest)
    return min(1.0, quad(chance, -furthest, furthest, points=points or None, limit=200, epsabs=1e-11)[0])


def seeds_needed(share: float, sd: float, alpha: float = ALPHA, wanted: float = POWER) -> int | None:
    """The fewest seeds, three at least, that see a method the share better with the power wanted; None where 100,000 do not."""
    difference = log_difference(share)

    def enough(seeds: int) -> bool:
        return power(seeds, sd, difference, alpha) >= wanted

    high = LEAST_SEEDS
    while not enough(high):
        high *= 2
        if high > MOST_SEEDS:
            return None
    low = LEAST_SEEDS - 1 if high == LEAST_SEEDS else high // 2  # not enough, or fewer than judged
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def smallest_share_seen(seeds: int, sd: float, alpha: float = ALPHA, wanted: float = POWER) -> float:
    """The share by which a method must be better for so many seeds to see it with the power wanted."""
    if seeds < 2 or not 0 <= sd < math.inf or not alpha < wanted < 1:
        raise ValueError(f"no share is seen with {seeds} seeds, sd {sd} and power {wanted}: two seeds at least, and power above alpha")
    from scipy.optimize import brentq

    high = 1.0
    while _beyond(seeds - 1, high, alpha) < wanted:
        high *= 2
    noncentrality = brentq(lambda tried: _beyond(seeds - 1, tried, alpha) - wanted, 0, high, xtol=1e-10)
    return 1 - math.exp(-noncentrality * sd / math.sqrt(seeds))
