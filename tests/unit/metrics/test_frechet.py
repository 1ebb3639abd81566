"""Oracles: closed forms, independent implementations, and the properties a distance must have."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
import torch

from sra.metrics.frechet import STRIP, CovarianceFactor, FeatureStatistics, RunningMoments, frechet, frechet_distance, trace_of_root_product


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


def by_nuclear_norm(x, y):
    """tr (S1 S2)^1/2 is the sum of singular values of A B^T for centred features A, B scaled by 1/sqrt(n - 1)."""
    a, b = ((z - z.mean(0)) / (len(z) - 1) ** 0.5 for z in (x, y))
    return ((x.mean(0) - y.mean(0)).square().sum() + a.square().sum() + b.square().sum() - 2 * torch.linalg.svdvals(a @ b.T).sum()).item()


@pytest.mark.parametrize("keep_root", [True, False], ids=["from the features", "from the covariance"])
@pytest.mark.parametrize(("n", "m"), [(2, 400), (30, 50), (50, 30), (30, 400), (400, 30), (64, 64), (64, 65)])
def test_fewer_vectors_than_dimensions_agree_with_the_nuclear_norm(n, m, keep_root):
    features = random_features(0, n, d=64), random_features(1, m, d=64)
    a, b = (FeatureStatistics.of(x) if keep_root else replace(FeatureStatistics.of(x), root=None) for x in features)
    assert (a.root is not None, b.root is not None) == (keep_root and n <= 64, keep_root and m <= 64)
    assert frechet_distance(a, b) == pytest.approx(by_nuclear_norm(*features), rel=1e-9)


def test_more_dimensions_than_a_strip_agree_with_the_nuclear_norm():
    d = 2 * STRIP + 10  # two full strips and a short one
    features = random_features(0, d + 50, d), random_features(1, d + 80, d)
    assert frechet_distance(*(FeatureStatistics.of(x) for x in features)) == pytest.approx(by_nuclear_norm(*features), rel=1e-9)


@pytest.mark.parametrize("splits", [[20], [1, 19], [7, 0, 13]])
def test_few_features_stay_as_a_root_of_their_covariance(splits):
    features = random_features(0, 20) + 1e4
    moments = RunningMoments()
    for batch in features.split(splits):
        moments.update(batch)
    few = moments.statistics()
    assert few.root.shape == (19, 32)
    torch.testing.assert_close(few.root.T @ few.root, few.covariance, rtol=1e-9, atol=1e-9)
    assert np.array_equal(CovarianceFactor.of(few).matrix, few.root.T)  # no eigenvectors are needed
    moments.update(random_features(1, 13))
    assert moments.statistics().root is None


@pytest.mark.parametrize("weight", [0.0, 1.0, 0.37], ids=["a constant feature", "a repeated feature", "a feature in proportion"])
def test_a_singular_covariance_of_many_vectors_agrees_with_the_nuclear_norm(weight):
    features = [random_features(seed, 300) for seed in (0, 1)]
    for x in features:
        x[:, 7] = weight * x[:, 3]
    a, b = (FeatureStatistics.of(x) for x in features)
    assert frechet_distance(a, b) == pytest.approx(by_nuclear_norm(*features), rel=1e-9)


def test_a_matrix_that_is_singular_but_for_rounding_has_the_factor_of_its_range():
    nearly = gaussian(torch.zeros(2), torch.tensor([[1.0, 1.0], [1.0, 1.0 + 2.3e-16]], dtype=torch.float64))
    np.linalg.cholesky(nearly.covariance.numpy())  # does not fail
    factor = CovarianceFactor.of(nearly).matrix
    assert factor.shape == (2, 1)
    np.testing.assert_allclose(factor @ factor.T, nearly.covariance, rtol=1e-12)


@pytest.mark.parametrize("n", [20, 200], ids=["rank deficient", "full rank"])
@pytest.mark.parametrize("m", [25, 150], ids=["few", "many"])
def test_a_factor_at_hand_changes_nothing(n, m):
    x, y = random_features(0, n), random_features(1, m)
    a, b = FeatureStatistics.of(x), replace(FeatureStatistics.of(y), count=None, root=None)
    # The few vectors of a are their own, better factor: the other's would keep the root of the rounding of a zero eigenvalue.
    exactness = 1e-11 if n == 20 else 1e-9
    assert frechet(a, b, CovarianceFactor.of(b)).distance == pytest.approx(by_nuclear_norm(x, y), rel=exactness)


def test_the_triangular_product_is_the_lower_half_of_the_full_one():
    size = 2 * STRIP + 10  # two full strips and a short one
    random = np.random.default_rng(0)
    lower, covariance = np.tril(random.normal(size=(size, size))), np.cov(random.normal(size=(size, 2 * size)))
    product = CovarianceFactor(lower, triangular=True).sandwich(covariance)
    np.testing.assert_allclose(np.tril(product), np.tril(lower.T @ covariance @ lower), rtol=1e-10, atol=1e-9)


def test_the_clipped_part_of_a_matrix_that_is_no_covariance_is_reported():
    identity, broken = gaussian(torch.zeros(3), torch.eye(3), 10), gaussian(torch.zeros(3), torch.tensor([1.0, 4.0, -0.25]).diag(), 20)
    # The root of -0.25, twice; were it positive, the distance would be smaller by that much.
    assert frechet(identity, broken).clipped == pytest.approx(2 * 0.5)
    assert frechet(identity, broken).distance == pytest.approx(3 + 4.75 - 2 * (1 + 2))
    # Factored itself, the matrix loses the direction and its (negative) variance.
    assert frechet(replace(broken, count=5), identity).clipped == pytest.approx(0.25)
    assert frechet(random_statistics(0, 200), random_statistics(1, 200)).clipped == 0


def test_the_trace_alone_has_a_closed_form():
    a, b = torch.tensor([1.0, 4.0, 9.0]).double(), torch.tensor([4.0, 0.0, 1.0]).double()
    assert trace_of_root_product(a.diag(), b.diag()).item() == pytest.approx(2 + 0 + 3)


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
