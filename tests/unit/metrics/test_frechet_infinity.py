"""Oracles: Gaussians whose distance is known in closed form, the known bias of few samples, a regression by another library."""

import numpy as np
import pytest
import torch

from sra.core.errors import InputError
from sra.metrics import frechet_infinity as module
from sra.metrics.frechet import CovarianceFactor, FeatureStatistics, frechet_distance
from sra.metrics.frechet_infinity import extrapolated, frechet_at_infinity, intercept

D = 24
VARIANCES = torch.arange(1, D + 1, dtype=torch.float64) ** -0.8
TRUTH = FeatureStatistics(torch.zeros(D, dtype=torch.float64), VARIANCES.diag(), count=None)


def drawn(seed, count, spread=1.0):
    return torch.randn(count, D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * VARIANCES.sqrt() * spread


@pytest.mark.parametrize("spread", [1.0, 1.2])
def test_gaussian_samples_extrapolate_to_their_true_distance(spread):
    """True distance (spread - 1)^2 tr S. The bias of N = 1500 samples, by the second order formula about 0.01, must be gone."""
    expected = (spread - 1) ** 2 * VARIANCES.sum()
    samples = [drawn(seed, 1500, spread) for seed in range(60)]
    extrapolated = torch.tensor([frechet_at_infinity(x, TRUTH, seed=seed, points=8, smallest=300) for seed, x in enumerate(samples)])
    standard_error = extrapolated.std() / len(extrapolated) ** 0.5
    assert abs(extrapolated.mean() - expected) < 3 * standard_error
    bias = torch.tensor([frechet_distance(FeatureStatistics.of(x), TRUTH) for x in samples]).mean() - expected
    assert bias > 6 * standard_error  # or the line above could not fail


def test_the_slope_it_removes_is_the_known_bias():
    """FID_N - FID_inf = c / N with c = tr S + (sum_ij l_i l_j / (l_i + l_j) + tr S / 2) / 2 for samples of the reference's own Gaussian."""
    pairs = (VARIANCES[:, None] * VARIANCES / (VARIANCES[:, None] + VARIANCES)).sum()
    expected = float(VARIANCES.sum() + (pairs + VARIANCES.sum() / 2) / 2)
    removed = []
    for seed in range(60):
        x = drawn(seed, 1500)
        removed.append(1500 * (frechet_distance(FeatureStatistics.of(x), TRUTH) - frechet_at_infinity(x, TRUTH, seed, points=8, smallest=300)))
    removed = np.array(removed)
    standard_error = removed.std() / len(removed) ** 0.5
    assert abs(removed.mean() - expected) < 3 * standard_error
    assert standard_error < 0.15 * expected


def test_each_point_is_the_distance_of_a_random_subset_of_its_size(monkeypatch):
    seen = {}
    monkeypatch.setattr(module, "intercept", lambda x, y: seen.update(x=x, y=y) or 0.0)
    features = torch.cat([drawn(0, 300), drawn(1, 300, spread=2.0)])  # sorted: the first half alone would be nearer
    frechet_at_infinity(features, TRUTH, seed=0, points=6, smallest=100)
    assert (1 / seen["x"]).round().tolist() == [100, 200, 300, 400, 500, 600]
    assert seen["y"][-1] == pytest.approx(frechet_distance(FeatureStatistics.of(features), TRUTH), rel=1e-9)
    half = frechet_distance(FeatureStatistics.of(features[:300]), TRUTH)
    assert abs(seen["y"][2] - seen["y"][-1]) < 0.3 * abs(half - seen["y"][-1])


@pytest.mark.parametrize("smallest", [5, 24, 30], ids=["fewer than dimensions", "as many", "more"])
def test_subsets_with_fewer_vectors_than_dimensions_join_the_line(smallest):
    """The same numbers as from whole covariances, one at a time."""
    x, reference = drawn(0, 90), FeatureStatistics.of(drawn(1, 20) + 0.1)
    order = torch.randperm(90, generator=torch.Generator().manual_seed(module.derive_seed(3, "frechet at infinity")))
    sizes = [smallest, (smallest + 90) // 2, 90]
    expected = intercept(1 / np.array(sizes), np.array([frechet_distance(FeatureStatistics.of(x[order[:n]]), reference) for n in sizes]))
    assert frechet_at_infinity(x, reference, seed=3, points=3, smallest=smallest) == pytest.approx(expected, rel=1e-8)


def test_the_reference_is_factored_once(monkeypatch):
    factored = []
    original = CovarianceFactor.of.__func__

    def of(cls, statistics):
        factored.append(statistics is TRUTH)
        return original(cls, statistics)

    monkeypatch.setattr(CovarianceFactor, "of", classmethod(of))
    frechet_at_infinity(drawn(0, 400), TRUTH, seed=0, smallest=100)
    assert factored == [True]


def test_the_line_is_the_one_of_least_squares():
    random = np.random.default_rng(0)
    x, y = random.random(15), random.random(15)
    assert intercept(x, y) == pytest.approx(np.polyfit(x, y, 1)[1])
    assert intercept(x, 3 - 2 * x) == pytest.approx(3)


def test_is_a_function_of_the_seed():
    x = drawn(0, 400)
    first = frechet_at_infinity(x, TRUTH, seed=1, smallest=100)
    assert frechet_at_infinity(x, TRUTH, seed=1, smallest=100) == first
    assert frechet_at_infinity(x, TRUTH, seed=2, smallest=100) != first


def test_the_spread_is_that_of_several_orders_and_the_value_that_of_the_first(monkeypatch):
    x = drawn(0, 600, spread=1.3)
    options = {"points": 5, "smallest": 100}
    seen = []
    monkeypatch.setattr(module, "intercept", lambda x, y: seen.append((x, y)) or intercept(x, y))
    found = extrapolated(x, TRUTH, 3, **options, orders=6)
    values = [intercept(*points) for points in seen]
    assert found.value == values[0] == frechet_at_infinity(x, TRUTH, 3, **options)
    assert found.sd == pytest.approx(np.std(values, ddof=1))
    assert len(set(values[:6])) == 6
    whole = frechet_distance(FeatureStatistics.of(x), TRUTH)
    assert all(y[-1] == pytest.approx(whole, rel=1e-9) for _, y in seen)


def test_the_spread_is_about_that_of_other_seeds():
    x = drawn(0, 600, spread=1.3)
    others = [frechet_at_infinity(x, TRUTH, seed, points=5, smallest=100) for seed in range(40)]
    assert extrapolated(x, TRUTH, 0, points=5, smallest=100, orders=40).sd == pytest.approx(np.std(others, ddof=1), rel=0.5)


def test_refuses_too_few_samples_for_a_line():
    with pytest.raises(InputError, match=r"9999 samples; a line from 5000 samples on takes at least 10000"):
        frechet_at_infinity(torch.zeros(9999, 2), TRUTH, seed=0)
    with pytest.raises(InputError, match="a line takes 2 points"):
        frechet_at_infinity(drawn(0, 400), TRUTH, seed=0, points=1, smallest=100)
    with pytest.raises(InputError, match="a covariance 2 samples"):
        frechet_at_infinity(drawn(0, 400), TRUTH, seed=0, smallest=1)
