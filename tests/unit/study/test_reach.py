"""How much sooner a method is where the baseline ends: hand-made curves, censoring on either side, few seeds, and the bootstrap."""

import itertools
import math

import numpy as np
import pytest

from sra.study.curves import Crossing, Curve
from sra.study.reach import SpeedUp, reach

XS = (100, 200, 400, 800, 1600)


def law(scale: float, xs: tuple[float, ...] = XS) -> Curve:
    """value = scale / x, so it is at the end of law(b) a factor b / scale sooner."""
    return Curve(xs, tuple(scale / x for x in xs))


def side(*scales: float) -> dict[int, Curve]:
    return {seed: law(scale) for seed, scale in enumerate(scales)}


def ratios(found) -> list[float | None]:
    return [None if speed_up is None else pytest.approx(speed_up.ratio) for speed_up in found.speed_ups]


def test_three_seeds_by_hand():
    found = reach(side(1600, 3200, 6400), side(800, 1600, 3200))
    assert found.target == pytest.approx(2)  # geometric mean of 1, 2 and 4, which 800 / x is at 400
    assert (found.last, found.trained_to, found.seeds, found.count, found.reached) == (1600, 1600, (0, 1, 2), 3, 3)
    assert [crossing.x for crossing in found.crossings] == pytest.approx([400, 800, 1600])
    assert ratios(found) == [4, 2, 1]
    assert found.median.ratio == pytest.approx(2)
    assert found.median_crossing.x == pytest.approx(800)
    assert (found.spread.kind, found.spread.low.ratio, found.spread.high.ratio) == ("range", pytest.approx(1), pytest.approx(4))
    assert found.no_spread is None


def test_one_seed_against_itself_ends_where_it_ends():
    found = reach(side(7.3), side(7.3))
    assert found.crossings == (Crossing(1600, False),)
    assert found.median == SpeedUp(1.0, False)
    assert (found.spread, found.no_spread) == (None, "one seed has no spread")


def test_two_seeds_have_a_range_and_a_geometric_median():
    found = reach(side(1600, 1600), side(400, 800))
    assert found.median.ratio == pytest.approx(math.sqrt(8))
    assert found.median_crossing.x == pytest.approx(1600 / math.sqrt(8))
    assert (found.spread.low.ratio, found.spread.high.ratio) == (pytest.approx(2), pytest.approx(4))


def test_what_is_not_reached_counts_as_the_slowest():
    found = reach(side(1600, 1600, 1600), side(800, 400, 3200))
    assert (found.reached, found.crossings[2]) == (2, None)
    assert found.median.ratio == pytest.approx(2)  # of 4, 2 and slower
    assert (found.spread.low, found.spread.high.ratio) == (None, pytest.approx(4))


@pytest.mark.parametrize(("scales", "reached"), [((800, 3200), 1), ((800, 3200, 3200), 1), ((800, 800, 3200, 3200, 3200), 2)])
def test_no_median_unless_more_than_half_reach_it(scales, reached):
    found = reach(side(*[1600] * len(scales)), side(*scales))
    assert (found.median, found.median_crossing, found.spread) == (None, None, None)
    assert found.no_spread == f"reached in {reached} of {len(scales)} seeds, and a median needs more than half"


def test_there_by_the_first_milestone_is_a_bound():
    found = reach(side(1600, 1600, 1600), side(50, 100, 800))
    assert found.speed_ups[:2] == (SpeedUp(16.0, True), SpeedUp(16.0, True))
    assert found.median == SpeedUp(16.0, True)
    assert found.median_crossing == Crossing(100, True)
    assert (found.spread.low.at_least, found.spread.high.at_least) == (False, True)


def test_a_failed_run_never_reaches_it_and_stays_among_the_seeds():
    found = reach(side(1600, 1600, 1600), {0: law(800), 1: law(400)}, failed={2})
    assert (found.reached, found.count, found.failed, found.crossings[2]) == (2, 3, (2,), None)
    everything = reach(side(1600, 1600), {}, failed={0, 1})
    assert (everything.reached, everything.trained_to, everything.spread) == (0, None, None)
    with pytest.raises(ValueError, match=r"seeds \[1\] failed and have a curve"):
        reach(side(1, 1), side(1, 1), failed={1})


def test_only_seeds_of_both_count_and_the_others_are_named():
    alone = {0: law(1600), 1: law(1600), 5: law(1e9)}
    found = reach(alone, {0: law(800), 1: law(800), 7: law(1)})
    assert (found.seeds, found.baseline_alone, found.method_alone) == ((0, 1), (5,), (7,))
    assert found.target == pytest.approx(1)
    assert reach({0: law(1)}, {1: law(1)}) is None


def test_a_method_that_costs_less_ends_before_the_baseline():
    cheap = {seed: curve.over(lambda step: step / 2) for seed, curve in side(1600, 1600, 3200).items()}
    found = reach(side(1600, 1600, 1600), cheap)
    assert (found.trained_to, found.last) == (800, 1600)
    assert ratios(found) == [2, 2, None]


def test_seeds_that_end_or_begin_apart_are_refused():
    short = {0: law(800), 1: law(800, XS[:-1])}
    with pytest.raises(ValueError, match=r"the method ends at different milestones \(800, 1600\)"):
        reach(side(1, 1), short)
    with pytest.raises(ValueError, match="the baseline ends at different milestones"):
        reach(short, side(1, 1))
    with pytest.raises(ValueError, match="the method begins at different milestones"):
        reach(side(1, 1), {0: law(800), 1: law(800, XS[1:])})


def test_the_bootstrap_equals_all_resamples_of_five_seeds():
    """All 3125 draws of five seeds by the closed form of a power law; the percentiles of 10,000 random ones are theirs."""
    ends, scales = np.array([1500, 1700, 1600, 1550, 1660]), np.array([700, 900, 800, 760, 1590])
    found = reach(side(*ends), side(*scales))
    drawn = np.array(list(itertools.product(range(5), repeat=5)))
    targets = np.exp(np.log(ends / 1600)[drawn].mean(axis=1))
    crossings = np.median(scales[drawn] / targets[:, None], axis=1)
    low, high = np.quantile(1600 / crossings, [0.025, 0.975])
    assert found.spread.kind == "interval"
    assert (found.spread.low.ratio, found.spread.high.ratio) == (pytest.approx(low, rel=0.02), pytest.approx(high, rel=0.02))
    assert reach(side(*ends), side(*scales)) == found  # the same draws every time


def test_an_interval_is_open_where_more_than_one_draw_in_forty_does_not_reach_the_target():
    """One seed of five that does not is enough: it makes up three of five in 5.8 % of the draws."""
    found = reach(side(*[1600] * 5), side(800, 820, 790, 810, 3200))
    assert found.median.ratio == pytest.approx(1600 / 810)
    assert (found.spread.low, found.spread.high.at_least) == (None, False)
    assert reach(side(*[1600] * 8), side(800, 820, 790, 810, 830, 840, 780, 3200)).spread.low.ratio == pytest.approx(1600 / 840)


def test_an_interval_is_a_bound_where_the_fastest_are_there_from_the_start():
    found = reach(side(*[1600] * 5), side(50, 60, 800, 810, 820))
    assert (found.spread.low.at_least, found.spread.high) == (False, SpeedUp(pytest.approx(16.0), True))


def test_runs_that_differ_by_a_factor_alone_have_an_interval_of_the_targets_noise():
    """Seed by seed the method is twice as fast, so only the target, one for all, spreads."""
    scales = np.exp(np.random.default_rng(3).normal(math.log(1600), 0.03, 8))
    found = reach(side(*scales), side(*scales / 2))
    assert found.spread.low.ratio < 2 < found.spread.high.ratio
    assert found.spread.high.ratio / found.spread.low.ratio < 1.2


def test_the_bootstrap_covers_about_as_often_as_it_says():
    random, hits, studies = np.random.default_rng(0), 0, 200
    for _ in range(studies):
        shared = random.normal(math.log(1600), 0.03, 5)
        baseline, method = (side(*np.exp(shared + random.normal(0, 0.03, 5))) for _ in range(2))
        twice = {seed: curve.over(lambda step: step / 2) for seed, curve in method.items()}  # the same runs at half the cost
        longer = {seed: Curve((*curve.xs, 1600), (*curve.values, curve.values[-1] / 2)) for seed, curve in twice.items()}
        spread = reach(baseline, longer).spread
        hits += spread.low.ratio <= 2 <= spread.high.ratio
    assert 0.90 <= hits / studies <= 0.985
