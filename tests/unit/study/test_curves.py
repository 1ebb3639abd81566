"""Curves between milestones, over steps and over what they cost, and where they reach a target for good: numbers worked out by hand."""

import math

import numpy as np
import pytest

from sra.study.curves import Cost, Crossing, Curve, first_lasting_crossing

FALLING = Curve((100, 400, 1600), (64.0, 16.0, 4.0))  # value = 6400 / x on the whole of it


@pytest.mark.parametrize("x", [100, 150, 200, 400, 900, 1600])
def test_a_power_law_is_its_own_curve(x):
    assert FALLING.at(x) == pytest.approx(6400 / x, rel=1e-12)


@pytest.mark.parametrize("x", [1, 99.9, 1601])
def test_outside_its_milestones_a_curve_says_nothing(x):
    assert FALLING.at(x) is None


def test_a_budget_that_rounding_moved_off_the_end_is_the_end():
    assert FALLING.at(1600 * (1 + 1e-12)) == 4.0
    assert FALLING.at(100 * (1 - 1e-12)) == 64.0


@pytest.mark.parametrize(
    ("values", "target", "expected"),
    [
        ((64, 16, 4), 8, Crossing(800, False)),
        ((64, 16, 4), 16, Crossing(400, False)),
        ((64, 16, 4), 4, Crossing(1600, False)),
        ((64, 16, 4), 64, Crossing(100, True)),
        ((64, 16, 4), 100, Crossing(100, True)),
        ((64, 16, 4), 3.9, None),
        ((4, 16, 4), 8, Crossing(800, False)),  # undone at the second milestone
        ((64, 4, 16), 8, None),  # undone at the last one
        ((64, 4, 8), 8, Crossing(400 / 4**0.25, False)),  # 8 is 3/4 of the way, in the log, from 64 down to 4
    ],
)
def test_the_first_crossing_that_lasts(values, target, expected):
    found = first_lasting_crossing(Curve((100, 400, 1600), values), target)
    assert (found is None) == (expected is None)
    if found:
        assert (found.x, found.by_first) == (pytest.approx(expected.x), expected.by_first)


def test_one_milestone_is_a_curve():
    curve = Curve((10,), (3.0,))
    assert (curve.at(10), curve.at(11)) == (3.0, None)
    assert first_lasting_crossing(curve, 3.0) == Crossing(10, True)
    assert first_lasting_crossing(curve, 2.9) is None


def test_many_targets_at_once_by_looking_at_each():
    random = np.random.default_rng(0)
    for _ in range(50):
        curve = Curve(tuple(np.cumsum(random.uniform(1, 9, 7))), tuple(random.uniform(1, 9, 7)))
        targets = random.uniform(1, 9, 20)
        grid = np.exp(np.linspace(math.log(curve.first), math.log(curve.last), 20_001))
        values = np.exp(np.interp(np.log(grid), np.log(curve.xs), np.log(curve.values)))
        for target, found in zip(targets, curve.lasting_crossings(targets), strict=True):
            # the line is at the target or below from there to the milestone that follows, and at every milestone after
            ahead = [bool(values_at <= target) for values_at in curve.values]
            first = next((place for place in range(7) if all(ahead[place:])), None)
            if first is None:
                assert math.isinf(found)
            elif first == 0:
                assert found == curve.first
            else:
                between = (grid >= curve.xs[first - 1]) & (grid <= curve.xs[first])
                assert found == pytest.approx(grid[between][values[between] <= target][0], rel=1e-3)


def test_an_axis_of_cost_keeps_the_milestones_and_is_straight_in_its_own_logarithm():
    over = FALLING.over(lambda step: 2.5 * step)
    assert over.xs == (250, 1000, 4000)
    assert over.at(2000) == pytest.approx(8)
    assert first_lasting_crossing(over, 8).x == pytest.approx(2000)


def test_a_method_that_stops_costs_less_from_its_stop_on():
    cost = Cost(((0, 100), (400, 1300), (2000, 2900)))  # 100 before the first step, 3 a step up to 400, then 1
    assert [cost(step) for step in (0, 100, 400, 401, 2000)] == [100, 400, 1300, 1301, 2900]
    assert FALLING.over(cost).xs == (400, 1300, 2500)
    with pytest.raises(ValueError, match="from step 0 to 2000, not at 2001"):
        cost(2001)


@pytest.mark.parametrize("knots", [((1, 0), (2, 1)), ((0, 0), (0, 1)), ((0, 2), (4, 1)), ((0, -1), (4, 1)), ((0, 0), (4, math.nan))])
def test_a_cost_rises_from_step_0(knots):
    with pytest.raises(ValueError, match="starts at step 0 and rises"):
        Cost(knots)


def test_a_curve_cut_short():
    assert FALLING.until(400 * (1 - 1e-12)) == Curve((100, 400), (64.0, 16.0))
    assert FALLING.until(99) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, -1.0])
def test_what_has_no_logarithm_is_refused(value):
    with pytest.raises(ValueError, match="milestone 400 has no logarithm"):
        Curve((100, 400), (3.0, value))
    with pytest.raises(ValueError, match="a target is above 0"):
        first_lasting_crossing(FALLING, value)


@pytest.mark.parametrize("xs", [(100, 100), (400, 100), (0, 100), (100, math.nan)])
def test_milestones_rise(xs):
    with pytest.raises(ValueError, match="above 0 and rise"):
        Curve(xs, (3.0, 2.0))


@pytest.mark.parametrize(("xs", "values"), [((), ()), ((1,), (2.0, 3.0))])
def test_every_milestone_has_a_value(xs, values):
    with pytest.raises(ValueError, match="a value at each"):
        Curve(xs, values)
