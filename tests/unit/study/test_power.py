"""Power of the paired t test against scipy's noncentral t, simulated studies and a table of seeds worked out apart from this code."""

import math

import numpy as np
import pytest
from scipy import stats

from sra.study.power import log_difference, power, sd_of_differences, seeds_needed, smallest_share_seen

SDS = (0.01, 0.02, 0.03, 0.04, 0.06, 0.08)


@pytest.mark.parametrize(
    ("share", "alpha", "expected"),
    [
        (0.10, 0.05, (3, 3, 3, 4, 5, 7)),
        (0.10, 0.05 / 8, (3, 4, 5, 6, 8, 12)),
        (0.05, 0.05, (3, 4, 5, 7, 13, 22)),
        (0.20, 0.05 / 8, (3, 3, 4, 4, 5, 6)),
    ],
)
def test_seeds_for_four_studies_in_five(share, alpha, expected):
    assert tuple(seeds_needed(share, sd, alpha) for sd in SDS) == expected
    for sd, seeds in zip(SDS, expected, strict=True):
        assert power(seeds, sd, math.log(1 - share), alpha) >= 0.8
        assert seeds == 3 or power(seeds - 1, sd, math.log(1 - share), alpha) < 0.8


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [
        (3, (3.2, 6.3, 9.3, 12.2, 17.8, 23.0)),
        (5, (1.7, 3.3, 4.9, 6.5, 9.6, 12.6)),
        (8, (1.1, 2.3, 3.4, 4.5, 6.7, 8.8)),
    ],
)
def test_the_smallest_share_that_is_seen(seeds, expected):
    found = [smallest_share_seen(seeds, sd) for sd in SDS]
    assert [100 * share for share in found] == pytest.approx(expected, abs=0.051)
    assert [power(seeds, sd, math.log(1 - share)) for sd, share in zip(SDS, found, strict=True)] == pytest.approx([0.8] * 6, abs=1e-7)


@pytest.mark.parametrize(
    ("seeds", "sd", "share", "alpha"), [(3, 0.02, 0.063, 0.05), (5, 0.04, 0.065, 0.05), (8, 0.04, 0.045, 0.05), (5, 0.03, 0.1, 0.05 / 8)]
)
def test_equals_simulated_studies(seeds, sd, share, alpha):
    studies = 200_000
    differences = np.random.default_rng(0).normal(math.log(1 - share), sd, (studies, seeds))
    seen = stats.ttest_1samp(differences, 0, axis=1).pvalue <= alpha
    expected = power(seeds, sd, math.log(1 - share), alpha)
    assert seen.mean() == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / studies))


@pytest.mark.parametrize("seeds", [2, 3, 5, 8, 31, 300])
@pytest.mark.parametrize("noncentrality", [0.01, 0.5, 2, 3, 5])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 8])
def test_equals_the_noncentral_t_of_scipy_where_that_is_a_number(seeds, noncentrality, alpha):
    bound = stats.t.ppf(1 - alpha / 2, seeds - 1)
    expected = stats.nct.sf(bound, seeds - 1, noncentrality) + stats.nct.cdf(-bound, seeds - 1, noncentrality)
    assert power(seeds, math.sqrt(seeds), noncentrality, alpha) == pytest.approx(expected, abs=2e-6)


def test_is_a_number_where_that_of_scipy_is_not():
    """Two seeds have a closed form: t of 1 degree is (z + c) / |w|, and for a large c the chance is that of |w| < c / bound, nearly."""
    chances = [power(2, 1.0, c / math.sqrt(2), 0.05 / 8) for c in (10, 20, 50, 100, 1000)]
    assert chances == sorted(chances)
    bound = stats.t.ppf(1 - 0.05 / 16, 1)
    assert chances[2] == pytest.approx(2 * stats.norm.cdf(50 / bound) - 1, abs=1e-4)
    assert chances[-1] == pytest.approx(1)


def test_the_edges():
    assert power(5, 0.0, 0.1) == 1
    assert power(5, 0.0, 0.0) == 0
    assert power(5, 0.03, 0.0) == pytest.approx(0.05)
    assert power(5, 0.03, 0.05) == power(5, 0.03, -0.05)
    assert power(3, 0.03, 1e-9) == pytest.approx(0.05, abs=1e-9)
    assert seeds_needed(0.05, 0.0) == 3
    assert seeds_needed(0.001, 5.0) is None
    assert seeds_needed(0.01, 0.5) == pytest.approx((stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) ** 2 * (0.5 / math.log(0.99)) ** 2, abs=3)
    assert smallest_share_seen(5, 0.0) == 0


@pytest.mark.parametrize(
    ("seeds", "sd", "difference", "alpha"),
    [(1, 0.1, 0.1, 0.05), (3, math.nan, 0.1, 0.05), (3, 0.1, math.inf, 0.05), (3, -0.1, 0.1, 0.05), (3, 0.1, 0.1, 0)],
)
def test_what_has_no_power_is_refused(seeds, sd, difference, alpha):
    with pytest.raises(ValueError, match="two seeds at least"):
        power(seeds, sd, difference, alpha)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, math.nan])
def test_a_share_is_between_0_and_1(share):
    with pytest.raises(ValueError, match="between 0 and 1"):
        log_difference(share)


@pytest.mark.parametrize(("correlation", "expected"), [(0, 4.2), (0.5, 3.0), (0.8, 1.9), (1, 0)])
def test_pairing_takes_noise_away(correlation, expected):
    assert 100 * sd_of_differences(0.03, correlation) == pytest.approx(expected, abs=0.05)


def test_the_sd_of_differences_of_simulated_pairs():
    shared, ours, theirs = np.random.default_rng(0).normal(size=(3, 100_000))
    sd = np.std(0.03 * (math.sqrt(0.6) * shared + math.sqrt(0.4) * ours) - 0.03 * (math.sqrt(0.6) * shared + math.sqrt(0.4) * theirs))
    assert sd == pytest.approx(sd_of_differences(0.03, 0.6), rel=0.01)
    with pytest.raises(ValueError, match="within -1 and 1"):
        sd_of_differences(0.03, 1.1)
