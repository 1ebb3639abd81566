"""Oracles: closed forms, independent implementations, and the properties a distance must have."""

import numpy as np
import pytest
import scipy.linalg
import torch

from sra.metrics.frechet import FeatureStatistics, RunningMoments, frechet_distance


def gaussian(mean, covariance, count=1000):
    return FeatureStatistics(torch.as_tensor(mean).double(), torch.as_tensor(covariance).double(), count)


def random_features(seed, n, d=32):
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(d, d, generator=generator, dtype=torch.float64)
    return torch.randn(n, d, generator=generator, dtype=torch.float64) @ mixing + seed


def random_statistics(seed, n, d=32):
    return FeatureStatistics.of(random_features(seed, n, d))


def test_equal_covariances_leave_the_squared_offset():
    assert frechet_distance(gaussian(torch.zeros(2048), torch.eye(2048)), gaussian(torch.ones(2048), torch.eye(2048))) == pytest.approx(2048)


def test_diagonal_covariances_have_a_closed_form():
    a, b = torch.tensor([1.0, 4.0, 9.0]), torch.tensor([4.0, 4.0, 1.0])
    expected = (a.sqrt() - b.sqrt()).square().sum().item() + 3 * 0.5**2
    assert frechet_distance(gaussian(torch.zeros(3), a.diag()), gaussian(torch.full((3,), 0.5), b.diag())) == pytest.approx(expected)


def test_proportional_covariances_have_a_closed_form():
    a = random_statistics(0, 200)
    scaled = FeatureStatistics(a.mean, 1.5**2 * a.covariance, a.count)
    assert frechet_distance(a, scaled) == pytest.approx((1 - 1.5) ** 2 * a.covariance.trace().item())


@pytest.mark.parametrize("n", [20, 200], ids=["rank deficient", "full rank"])
def test_agrees_with_scipy_sqrtm(n):
    a, b = random_statistics(0, n), random_statistics(1, n)
    root = scipy.linalg.sqrtm((a.covariance @ b.covariance).numpy())
    expected = (a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace() - 2 * root.real.trace()
    # A singular product has no well-conditioned root: there the oracle itself is good to six digits.
    assert frechet_distance(a, b) == pytest.approx(expected.item(), rel=1e-6 if n == 20 else 1e-10)


@pytest.mark.parametrize(("n", "m"), [(30, 50), (50, 30), (30, 400), (400, 30)])
def test_fewer_vectors_than_dimensions_agree_with_the_nuclear_norm(n, m):
    """tr (S1 S2)^1/2 is the sum of singular values of A B^T for centred features A, B scaled by 1/sqrt(n - 1)."""
    features = random_features(0, n, d=64), random_features(1, m, d=64)
    a, b = (FeatureStatistics.of(x) for x in features)
    centred = [(x - x.mean(0)) / (len(x) - 1) ** 0.5 for x in features]
    nuclear = torch.linalg.svdvals(centred[0] @ centred[1].T).sum()
    expected = (a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace() - 2 * nuclear
    assert frechet_distance(a, b) == pytest.approx(expected.item(), rel=1e-9)


def test_rotating_both_changes_nothing_and_scaling_both_scales_the_square():
    x, y = random_features(2, 200), random_features(3, 150)
    rotation, _ = torch.linalg.qr(random_features(4, 32))
    distance = frechet_distance(FeatureStatistics.of(x), FeatureStatistics.of(y))
    assert frechet_distance(FeatureStatistics.of(x @ rotation), FeatureStatistics.of(y @ rotation)) == pytest.approx(distance, rel=1e-9)
    assert frechet_distance(FeatureStatistics.of(3 * x), FeatureStatistics.of(3 * y)) == pytest.approx(9 * distance, rel=1e-9)


@pytest.mark.parametrize("n", [20, 200], ids=["rank deficient", "full rank"])
def test_is_symmetric_and_zero_on_itself(n):
    a, b = random_statistics(2, n), random_statistics(3, n + 1)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-12)
    assert abs(frechet_distance(a, a)) < 1e-8 * a.covariance.trace()


def test_grows_when_the_samples_get_worse():
    real = random_statistics(4, 500)
    near, far = (FeatureStatistics(real.mean + shift, real.covariance, 500) for shift in (0.1, 1.0))
    assert frechet_distance(real, near) < frechet_distance(real, far)


def test_the_bias_of_few_samples_is_the_known_one():
    """E FID_N = tr S / N + (sum_ij l_i l_j / (l_i + l_j) + tr S / 2) / (2 N) for samples of the reference's own Gaussian, second order."""
    d, n = 32, 2000
    variances = torch.arange(1, d + 1, dtype=torch.float64) ** -0.8
    truth = gaussian(torch.zeros(d), variances.diag(), count=None)
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(n, d, generator=generator, dtype=torch.float64) * variances.sqrt() for _ in range(40)]
    distances = torch.tensor([frechet_distance(FeatureStatistics.of(x), truth) for x in drawn])
    pairs = (variances[:, None] * variances[None] / (variances[:, None] + variances[None])).sum()
    expected = variances.sum() / n + (pairs + variances.sum() / 2) / (2 * n)
    standard_error = distances.std() / len(distances) ** 0.5
    assert abs(distances.mean() - expected) < 3 * standard_error
    assert standard_error < 0.05 * expected  # or the line above could not fail


@pytest.mark.parametrize("splits", [[500], [1, 1, 498], [7, 300, 0, 193], [250, 250]])
def test_any_split_into_batches_gives_numpys_covariance(splits):
    # Far from zero, where one-pass sums of squares would lose digits.
    features = (random_features(5, 500) + 1e4).float()
    moments = RunningMoments()
    for batch in features.split(splits):
        moments.update(batch)
    statistics = moments.statistics()
    numbers = features.double().numpy()
    np.testing.assert_allclose(statistics.mean, numbers.mean(0), rtol=1e-13)
    np.testing.assert_allclose(statistics.covariance, np.cov(numbers, rowvar=False), rtol=1e-9, atol=1e-9)
    assert statistics.count == 500


def test_statistics_already_taken_do_not_change_with_later_batches():
    moments = RunningMoments()
    moments.update(random_features(0, 50))
    before = moments.statistics()
    mean = before.mean.clone()
    moments.update(random_features(1, 50))
    assert torch.equal(before.mean, mean)


def test_refuses_what_it_cannot_compare():
    with pytest.raises(ValueError, match="dimensions differ: 32 and 16"):
        frechet_distance(random_statistics(0, 50), random_statistics(0, 50, d=16))
    with pytest.raises(ValueError, match="at least 2 feature vectors, got 1"):
        FeatureStatistics.of(torch.zeros(1, 4))
