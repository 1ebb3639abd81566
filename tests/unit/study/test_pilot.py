"""What a pilot measures, against closed forms and simulated pilots, and the sentences that follow from it."""

import math

import numpy as np
import pytest
from scipy import stats

from sra.study.pilot import advice, pilot

FIVE = {0: 30.0, 1: 31.5, 2: 29.0, 3: 30.6, 4: 32.1}
THREE = {0: 25.0, 2: 24.5, 4: 26.4, 9: 25.0}


def logs(values: dict[int, float], seeds) -> list[float]:
    return [math.log(values[seed]) for seed in seeds]


def test_equals_the_closed_forms():
    found = pilot(FIVE, THREE)
    assert (found.seeds, found.pairs) == ((0, 1, 2, 3, 4), (0, 2, 4))
    sd = np.std(logs(FIVE, FIVE), ddof=1)
    assert found.run_sd.value == pytest.approx(sd)
    low, high = (math.sqrt(4 * sd**2 / stats.chi2.ppf(share, 4)) for share in (0.975, 0.025))
    assert (found.run_sd.low, found.run_sd.high) == (pytest.approx(low), pytest.approx(high))
    ours, theirs = np.array(logs(FIVE, (0, 2, 4))), np.array(logs(THREE, (0, 2, 4)))
    assert found.difference_sd.value == pytest.approx(np.std(ours - theirs, ddof=1))
    assert found.correlation.value == pytest.approx(np.corrcoef(ours, theirs)[0, 1])
    assert found.correlation.low is None  # three pairs have no interval
    assert found.noise == found.difference_sd


def test_the_correlations_interval_is_that_of_scipy():
    other = {0: 25.0, 1: 26.0, 2: 24.5, 3: 26.2, 4: 26.4}
    expected = stats.pearsonr(logs(FIVE, FIVE), logs(other, FIVE)).confidence_interval(0.95)
    found = pilot(FIVE, other).correlation
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_a_run_and_itself():
    found = pilot(FIVE, FIVE)
    assert found.difference_sd.value == 0
    assert found.correlation.value == pytest.approx(1)
    same = pilot(dict.fromkeys(range(4), 7.0), FIVE)
    assert (same.run_sd.value, same.run_sd.high, same.correlation) == (0, 0, None)


def test_without_pairs_runs_count_as_uncorrelated():
    found = pilot(FIVE, {0: 25.0, 1: 25.5, 8: 1.0})
    assert found.pairs == (0, 1)
    assert found.correlation is None
    assert found.noise.value == pytest.approx(math.sqrt(2) * found.run_sd.value)
    assert pilot(FIVE).noise == found.noise
    assert pilot(FIVE, {9: 1.0}).pairs == ()


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0])
def test_a_value_without_logarithm_is_refused(value):
    with pytest.raises(ValueError, match="leave it out"):
        pilot({0: 1.0, 1: value})
    with pytest.raises(ValueError, match="leave it out"):
        pilot({0: 1.0}, {0: value})


def test_no_seed_is_refused():
    with pytest.raises(ValueError, match="one seed at least"):
        pilot({})


def test_intervals_cover_as_often_as_they_say():
    random, pilots, hits = np.random.default_rng(0), 2000, np.zeros(3)
    for _ in range(pilots):
        shared, ours, theirs = random.normal(size=(3, 5))
        baseline, other = (dict(enumerate(np.exp(0.03 * (shared + own) / math.sqrt(2)))) for own in (ours, theirs))
        found = pilot(baseline, other)
        for place, (estimate, truth) in enumerate([(found.run_sd, 0.03), (found.difference_sd, 0.03), (found.correlation, 0.5)]):
            hits[place] += estimate.low <= truth <= estimate.high
    assert (np.abs(hits / pilots - 0.95) < 0.02).all()


def of_sd(sd: float) -> dict[int, float]:
    """Five seeds whose logarithms have the sd."""
    return {seed: math.exp(sd * z / math.sqrt(2.5)) for seed, z in enumerate((-2, -1, 0, 1, 2))}


def test_the_advice_of_a_quiet_preset():
    """Differences of sd 3 %, whose seeds and shares are those of the tests of power."""
    sentences = advice(pilot(of_sd(0.03), dict.fromkeys(range(5), 1.0)))
    assert sentences == [
        "5 seeds of the baseline differ with an sd of 3.0 % (95 % interval 1.8 to 8.6).",
        "Differences of 5 pairs of runs have an sd of 3.0 % (95 % interval 1.8 to 8.6).",
        "To see, in four studies of five, that one method is 5 %, 10 % and 20 % better takes 5, 3 and 3 seeds; "
        "9, 5 and 4 where it is one of 8 methods.",
        "Train 5 seeds of every row: they see that one method is 4.9 % better. Of rows within 10 % of each other train 8: they see 3.4 %.",
        "A pilot knows the noise roughly: at the upper end of its interval 5 seeds see 13.5 %.",
    ]


def test_the_advice_of_a_noisy_preset():
    sentences = advice(pilot(of_sd(0.06 / math.sqrt(2))))
    assert sentences[1] == (
        "What pairing runs by seed takes away is not measured: it takes 3 pairs, there are 0; "
        "runs are taken as uncorrelated, whose differences have an sd of 6.0 % (95 % interval 3.6 to 17.2)."
    )
    assert sentences[4].startswith(
        "5 seeds are too few here to see 10 % where 8 methods are compared: train 8, or say beforehand that a gap below 16."
    )


def test_one_seed_and_two_plan_nothing():
    assert advice(pilot({0: 3.0})) == [
        "One seed of the baseline says nothing of its noise: train 2 more at least.",
        "What pairing runs by seed takes away is not measured: it takes 3 pairs, there are 0.",
    ]
    two = advice(pilot({0: 3.0, 1: 3.1}, {0: 2.0, 1: 2.1}))
    assert two[0].endswith(": too few to plan by, train 1 more at least.")
    assert len(two) == 2
