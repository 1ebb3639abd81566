"""How much sooner a method is where the baseline ends: in steps, FLOPs or hours, whichever its curves are over.

The target is the mean of the baseline's log values at its last milestone, over the seeds that both have. A seed that never gets there for good is
censored: it counts as slower than every seed that does. One that is there by its first milestone is censored too: it is at least that fast.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sra.study.curves import Crossing, Curve, first_lasting_crossing
from sra.study.intervals import CONFIDENCE

DRAWS = 10_000
LEAST_SEEDS_TO_RESAMPLE = 5  # fewer seeds have so few resamples that their percentiles are the range under another name


@dataclass(frozen=True)
class SpeedUp:
    """The baseline's last x / the method's crossing. at_least: the method is there by its first milestone, so it may be faster."""

    ratio: float
    at_least: bool


@dataclass(frozen=True)
class Spread:
    """Of the median speed-up.  low, high: None stands for seeds that do not reach the target.

    interval: 95 %, of the percentile bootstrap over seeds (Efron 1979).  range: from the slowest seed to the fastest.
    """

    kind: Literal["interval", "range"]
    low: SpeedUp | None
    high: SpeedUp | None


@dataclass(frozen=True)
class Reach:
    """A method on its way to the baseline's end; x is in steps, FLOPs or hours.

    target: the geometric mean of the baseline's last values.  last: the baseline's last x.  trained_to: the method's; None if all its runs failed.
    seeds: that both have, in rising order.  crossings: one a seed, None where the target is not reached.  failed: those of the seeds whose run of the
    method failed, which counts as not reached.  baseline_alone, method_alone: seeds that the other lacks, which count for nothing.
    spread: None with the reason in no_spread.
    """

    target: float
    last: float
    trained_to: float | None
    seeds: tuple[int, ...]
    crossings: tuple[Crossing | None, ...]
    failed: tuple[int, ...]
    baseline_alone: tuple[int, ...]
    method_alone: tuple[int, ...]
    spread: Spread | None
    no_spread: str | None

    @property
    def count(self) -> int:
        return len(self.seeds)

    @property
    def reached(self) -> int:
        return sum(crossing is not None for crossing in self.crossings)

    @property
    def speed_ups(self) -> tuple[SpeedUp | None, ...]:
        """One a seed."""
        return tuple(_speed_up(self.last, crossing) for crossing in self.crossings)

    @property
    def median(self) -> SpeedUp | None:
        """Of all seeds, those that do not reach the target as the slowest; None unless more than half do.

        With an even number of seeds the geometric mean of the middle two, so that it is the baseline's last x / `median_crossing`.
        """
        return _median(self.speed_ups)

    @property
    def median_crossing(self) -> Crossing | None:
        """The x of the median speed-up."""
        median = self.median
        return None if median is None else Crossing(self.last / median.ratio, median.at_least)


def reach(baseline: Mapping[int, Curve], method: Mapping[int, Curve], failed: Collection[int] = ()) -> Reach | None:
    """The curves by training seed, each over its own x; None where the two share no seed.

    failed: seeds whose run of the method diverged or stopped for good, which never reach the target; none of them has a curve in `method`.
    Raises ValueError where the seeds of one side begin or end at different milestones, since then none can be called the slower.
    """
    if both := method.keys() & set(failed):
        raise ValueError(f"seeds {sorted(both)} failed and have a curve; leave the curve out")
    ours, theirs = method.keys() | set(failed), baseline.keys()
    seeds = tuple(sorted(ours & theirs))
    if not seeds:
        return None
    ends = {seed: baseline[seed] for seed in seeds}
    curves = {seed: method[seed] for seed in seeds if seed in method}
    last = _shared("baseline", "ends", [curve.last for curve in ends.values()])
    trained_to = _shared("method", "ends", [curve.last for curve in curves.values()]) if curves else None
    if curves:
        _shared("method", "begins", [curve.first for curve in curves.values()])
    target = math.exp(sum(math.log(curve.values[-1]) for curve in ends.values()) / len(ends))
    crossings = tuple(first_lasting_crossing(curves[seed], target) if seed in curves else None for seed in seeds)
    spread = _spread([ends[seed] for seed in seeds], [curves.get(seed) for seed in seeds], last, crossings)
    return Reach(
        target=target,
        last=last,
        trained_to=trained_to,
        seeds=seeds,
        crossings=crossings,
        failed=tuple(seed for seed in seeds if seed not in curves),
        baseline_alone=tuple(sorted(theirs - ours)),
        method_alone=tuple(sorted(ours - theirs)),
        spread=spread if isinstance(spread, Spread) else None,
        no_spread=spread if isinstance(spread, str) else None,
    )


def _shared(side: str, verb: str, places: list[float]) -> float:
    if not all(math.isclose(place, places[0]) for place in places):
        raise ValueError(
            f"the {side} {verb} at different milestones ({', '.join(f'{place:g}' for place in sorted(set(places)))}); cut its curves alike"
        )
    return places[0]


def _speed_up(last: float, crossing: Crossing | None) -> SpeedUp | None:
    return None if crossing is None else SpeedUp(last / crossing.x, crossing.by_first)


def _median(speed_ups: tuple[SpeedUp | None, ...]) -> SpeedUp | None:
    ranked = _slowest_first(speed_ups)
    low, high = ranked[(len(ranked) - 1) // 2], ranked[len(ranked) // 2]
    return None if low is None else SpeedUp(low.ratio if low == high else math.sqrt(low.ratio * high.ratio), low.at_least or high.at_least)


def _slowest_first(speed_ups: tuple[SpeedUp | None, ...]) -> list[SpeedUp | None]:
    return sorted(speed_ups, key=lambda speed_up: -math.inf if speed_up is None else speed_up.ratio)


def _spread(baseline: list[Curve], method: list[Curve | None], last: float, crossings: tuple[Crossing | None, ...]) -> Spread | str:
    """The spread, or why there is none."""
    count, speed_ups = len(crossings), tuple(_speed_up(last, crossing) for crossing in crossings)
    if count == 1:
        return "one seed has no spread"
    if _median(speed_ups) is None:
        return f"reached in {count - crossings.count(None)} of {count} seeds, and a median needs more than half"
    if count < LEAST_SEEDS_TO_RESAMPLE:
        ranked = _slowest_first(speed_ups)
        return Spread("range", ranked[0], ranked[-1])
    return _resampled(baseline, method, last)


def _resampled(baseline: list[Curve], method: list[Curve | None], last: float) -> Spread:
    """Seeds are drawn with replacement, the two runs of a seed together; each draw has its own target. The same draws every time."""
    count = len(baseline)
    drawn = np.random.default_rng(0).integers(count, size=(DRAWS, count))
    targets = np.exp(np.log([curve.values[-1] for curve in baseline])[drawn].mean(axis=1))
    nowhere = np.full(DRAWS, math.inf)
    crossings = np.stack([nowhere if curve is None else curve.lasting_crossings(targets) for curve in method])[drawn.T, np.arange(DRAWS)]
    fastest_first = np.sort(crossings, axis=0)
    middle = fastest_first[[(count - 1) // 2, count // 2]]
    medians = np.sqrt(middle[0]) * np.sqrt(middle[1])  # inf where half of them or more do not reach it
    first = next(curve.first for curve in method if curve is not None)
    order = np.argsort(medians, kind="stable")

    def at(share: float) -> SpeedUp | None:
        place = order[math.ceil(share * DRAWS) - 1]
        return None if math.isinf(medians[place]) else SpeedUp(float(last / medians[place]), bool(middle[0, place] == first))

    tail = (1 - CONFIDENCE) / 2
    return Spread("interval", low=at(1 - tail), high=at(tail))
