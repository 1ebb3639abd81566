"""Paired differences, their t intervals and what they allow to be said, against scipy's own and numbers worked out by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from sra.study.intervals import Paired, paired, scale_of
from sra.study.verdicts import holm, verdict_of

OURS, THEIRS = {0: 10.0, 1: 11.0, 2: 9.0, 3: 12.0}, {0: 12.0, 1: 12.5, 2: 11.5, 3: 13.0, 7: 1.0}


def test_equals_the_paired_test_of_scipy():
    pair = paired(OURS, THEIRS, "log")
    ours, theirs = ([math.log(values[seed]) for seed in range(4)] for values in (OURS, THEIRS))
    expected = stats.ttest_rel(ours, theirs)
    interval = expected.confidence_interval(0.95)
    assert pair.seeds == (0, 1, 2, 3)
    assert pair.p_value == pytest.approx(expected.pvalue, rel=1e-12)
    assert pair.interval() == pytest.approx((interval.low, interval.high), rel=1e-12)
    assert pair.p_below(0) == pytest.approx(stats.ttest_rel(ours, theirs, alternative="less").pvalue, rel=1e-12)


def test_a_difference_is_as_sure_whichever_run_comes_first():
    """Also far out, where p is below what 1 - p can say."""
    pair, turned = (Paired("log", tuple(range(9)), tuple(sign * (1 + 1e-3 * seed) for seed in range(9))) for sign in (-1, 1))
    assert 0 < pair.p_value == turned.p_value < 1e-18


def test_a_ratio_by_hand():
    pair = paired({0: 2.0, 1: 8.0}, {0: 4.0, 1: 4.0}, "log")  # ratios 1/2 and 2, whose geometric mean is 1
    assert pair.shown(pair.mean) == pytest.approx(1)
    assert pair.sd == pytest.approx(math.sqrt(2) * math.log(2))


def test_seeds_that_one_of_them_lacks_are_left_out_and_no_common_seed_is_nothing():
    assert paired({0: 1.0, 5: 2.0}, {5: 2.0, 9: 1.0}, "natural").seeds == (5,)
    assert paired({0: 1.0}, {1: 1.0}, "natural") is None


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_what_has_no_logarithm_is_refused(value):
    with pytest.raises(ValueError, match="leave it out"):
        paired({0: value}, {0: 1.0}, "log")


def test_one_seed_has_no_interval_and_no_verdict():
    pair = paired({0: 1.0}, {0: 2.0}, "log")
    assert (pair.interval(), pair.p_value, pair.p_equivalent(0.05), pair.sd) == (None, None, None, None)
    assert verdict_of(pair, True, 0.05) == "one seed"
    assert verdict_of(Paired("log", (0, 1), (-1.0, -1.1)), True, 0.05) == "one seed"


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ((-0.11, -0.10, -0.12), "better"),
        ((0.11, 0.10, 0.12), "worse"),
        ((0.001, -0.001, 0.002), "equivalent"),
        ((-0.30, 0.10, 0.05), "undecided"),
        ((-0.010, -0.0101, -0.0099), "better"),  # however small
        ((0.0, 0.0, 0.0), "equivalent"),
    ],
)
def test_what_three_seeds_say(differences, expected):
    pair = Paired("log", (0, 1, 2), differences)
    assert verdict_of(pair, True, 0.05) == expected
    turned = {"better": "worse", "worse": "better"}.get(expected, expected)
    assert verdict_of(pair, False, 0.05) == turned


def test_an_adjusted_p_value_takes_the_place_of_its_own():
    pair = Paired("log", (0, 1, 2), (-0.11, -0.10, -0.16))
    assert verdict_of(pair, True, 0.05) == "better"
    assert verdict_of(pair, True, 0.05, p_value=0.2) == "undecided"


def test_equivalence_is_two_one_sided_tests():
    differences = (0.01, -0.02, 0.015, 0.0)
    pair = Paired("natural", (0, 1, 2, 3), differences)
    lower = stats.ttest_1samp(differences, -0.05, alternative="greater").pvalue
    upper = stats.ttest_1samp(differences, 0.05, alternative="less").pvalue
    assert pair.p_equivalent(0.05) == pytest.approx(max(lower, upper), rel=1e-12)


def test_holm_by_hand_and_in_the_order_given():
    adjusted = holm({"a": 0.04, "b": 0.01, "c": 0.03})
    assert adjusted == pytest.approx({"a": 0.06, "b": 0.03, "c": 0.06})
    assert list(adjusted) == ["a", "b", "c"]
    assert holm({}) == {}
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}


def test_the_interval_covers_as_often_as_it_says():
    random = np.random.default_rng(0)
    studies = random.normal(0.03, 0.05, (10_000, 5))
    covered = [low <= 0.03 <= high for low, high in (Paired("log", tuple(range(5)), tuple(each)).interval() for each in studies)]
    assert 0.94 <= np.mean(covered) <= 0.96


def test_the_false_alarms_of_a_whole_family_stay_below_one_in_twenty():
    """Eight methods without any effect, whose differences share the baseline's noise, as those of a study do."""
    random, studies = np.random.default_rng(1), 2000
    alarms = 0
    for _ in range(studies):
        baseline, methods = random.normal(0, 0.03, 5), random.normal(0, 0.03, (8, 5))
        pairs = {str(number): Paired("log", tuple(range(5)), tuple(method - baseline)) for number, method in enumerate(methods)}
        adjusted = holm({name: pair.p_value for name, pair in pairs.items()})
        alarms += any(verdict_of(pair, True, math.log(1.05), adjusted[name]) in ("better", "worse") for name, pair in pairs.items())
    assert alarms / studies <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / studies)


def test_distances_are_ratios_and_what_may_be_negative_is_not():
    assert [scale_of(metric) for metric in ("fid", "sfid", "fd_dinov2", "kid", "is", "precision")] == ["log", "log", "log", *["natural"] * 3]
