"""The curve of a distance over training, a seed at a time: its value at a budget, and where it reaches a target for good.

Between milestones a curve is a straight line in (log x, log value), as losses and distances nearly are over training (Hestness et al. 2017); outside
them it says nothing. x is a number of steps, or what the steps cost: FLOPs or hours.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

ROUNDING = 1e-9  # relative: two costs summed in different orders are the same budget, and a value this near a target has reached it


@dataclass(frozen=True)
class Cost:
    """What training has cost by a step: straight lines through knots of (step, cost so far), step and cost both rising.

    The first knot is at step 0, where the cost may be above 0 (a first stage, a teacher). A method that stops has a knot at its stop.
    """

    knots: tuple[tuple[float, float], ...]

    def __post_init__(self):
        steps, costs = zip(*self.knots, strict=True)
        if steps[0] != 0 or costs[0] < 0 or not _rising(steps) or not _rising(costs):
            raise ValueError(f"a cost starts at step 0 and rises from knot to knot, which {list(self.knots)} does not")

    def __call__(self, step: float) -> float:
        """The cost by the step. Raises ValueError beyond the last knot."""
        steps, costs = zip(*self.knots, strict=True)
        if not 0 <= step <= steps[-1]:
            raise ValueError(f"the cost is known from step 0 to {steps[-1]:g}, not at {step:g}")
        return float(np.interp(step, steps, costs))


@dataclass(frozen=True)
class Crossing:
    """Where a curve reaches a target for good. by_first: it is there at its first milestone, so x is the latest that it can be."""

    x: float
    by_first: bool


@dataclass(frozen=True)
class Curve:
    """One training: values above 0, lower is better, at milestones x above 0, which rise; at least one."""

    xs: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self):
        if len(self.xs) != len(self.values) or not self.xs:
            raise ValueError(f"a curve has a value at each of its milestones, one at least: {len(self.xs)} milestones, {len(self.values)} values")
        if not _rising(self.xs) or self.xs[0] <= 0:
            raise ValueError(f"milestones are above 0 and rise, which {list(self.xs)} do not")
        for x, value in zip(self.xs, self.values, strict=True):
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{value} at milestone {x:g} has no logarithm; leave the milestone out and say so")

    @property
    def first(self) -> float:
        return self.xs[0]

    @property
    def last(self) -> float:
        return self.xs[-1]

    def over(self, cost: Callable[[float], float]) -> "Curve":
        """The same milestones at what training had cost by then; from one to the next the line is straight in the log of the cost."""
        return Curve(tuple(float(cost(x)) for x in self.xs), self.values)

    def until(self, x: float) -> "Curve | None":
        """The milestones up to x; None if there is none."""
        kept = sum(milestone <= x * (1 + ROUNDING) for milestone in self.xs)
        return Curve(self.xs[:kept], self.values[:kept]) if kept else None

    def at(self, x: float) -> float | None:
        """The value at a budget; None before the first milestone and beyond the last: not trained that far."""
        if not self.first * (1 - ROUNDING) <= x <= self.last * (1 + ROUNDING):
            return None
        x = min(max(x, self.first), self.last)
        after = bisect_left(self.xs, x)
        if self.xs[after] == x:
            return self.values[after]
        share = math.log(x / self.xs[after - 1]) / math.log(self.xs[after] / self.xs[after - 1])
        return self.values[after - 1] * (self.values[after] / self.values[after - 1]) ** share

    def lasting_crossings(self, targets: np.ndarray) -> np.ndarray:
        """For each target the first x from which on every milestone is at it or below; inf where there is none.

        The first milestone where the curve is there from the start.
        """
        xs, logs, targets = np.array(self.xs), np.log(self.values), np.log(targets)
        worst_to_come = np.maximum.accumulate(logs[::-1])[::-1]
        # worst_to_come falls, so the milestones at which the target is reached for good are the last ones
        after = (worst_to_come[None, :] > targets[:, None] + ROUNDING).sum(axis=1)
        crossings = np.where(after == 0, xs[0], math.inf)
        inside = (after > 0) & (after < len(xs))
        right, left = after[inside], after[inside] - 1
        share = np.clip((logs[left] - targets[inside]) / (logs[left] - logs[right]), 0, 1)
        crossings[inside] = np.where(share == 1, xs[right], xs[left] * (xs[right] / xs[left]) ** share)
        return crossings


def first_lasting_crossing(curve: Curve, target: float) -> Crossing | None:
    """Where the curve reaches the target and no later milestone undoes it; None where it does not by its last milestone."""
    if not (math.isfinite(target) and target > 0):
        raise ValueError(f"a target is above 0, which {target} is not")
    x = float(curve.lasting_crossings(np.array([target]))[0])
    return None if math.isinf(x) else Crossing(x, by_first=x == curve.first)


def _rising(numbers: Sequence[float]) -> bool:
    return all(map(math.isfinite, numbers)) and all(before < after for before, after in pairwise(numbers))
