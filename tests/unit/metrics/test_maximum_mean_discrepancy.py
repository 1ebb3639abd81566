"""Oracles: the definition as a double loop, a closed form, an expectation of zero."""

import math

import pytest
import torch
from torch.nn import functional as F

from sra.core.errors import InputError
from sra.metrics import maximum_mean_discrepancy as module
from sra.metrics.maximum_mean_discrepancy import maximum_mean_discrepancy


def directions(seed, count, d=8, shift=0.0):
    """Unit vectors, pulled towards the first axis by `shift`."""
    cloud = torch.randn(count, d, generator=torch.Generator().manual_seed(seed))
    cloud[:, 0] += shift
    return F.normalize(cloud, dim=1)


def by_definition(u, v, estimator):
    def kernel(x, y):
        return math.exp(-sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) / (2 * 10**2))

    def mean_within(x):
        pairs = [(i, j) for i in range(len(x)) for j in range(len(x)) if estimator == "biased" or i != j]
        return sum(kernel(x[i], x[j]) for i, j in pairs) / len(pairs)

    u, v = u.double().tolist(), v.double().tolist()
    return 1000 * (mean_within(u) + mean_within(v) - 2 * sum(kernel(x, y) for x in u for y in v) / (len(u) * len(v)))


@pytest.mark.parametrize("estimator", ["biased", "unbiased"])
@pytest.mark.parametrize(("n", "m"), [(2, 2), (7, 7), (5, 9)])
def test_agrees_with_a_double_loop(n, m, estimator):
    u, v = directions(0, n), directions(1, m, shift=0.5)
    assert maximum_mean_discrepancy(u, v, estimator) == pytest.approx(by_definition(u, v, estimator), rel=1e-9)


@pytest.mark.parametrize("estimator", ["biased", "unbiased"])
def test_blocks_change_nothing(monkeypatch, estimator):
    u, v = directions(0, 50), directions(1, 70, shift=0.5)
    whole = maximum_mean_discrepancy(u, v, estimator)
    monkeypatch.setattr(module, "BLOCK", 16)
    assert maximum_mean_discrepancy(u, v, estimator) == pytest.approx(whole, rel=1e-10)


def test_two_points_opposite_each_other():
    # |x - y|^2 = 4, so 1 + 1 - 2 exp(-4 / 200).
    x = torch.tensor([[1.0, 0.0]])
    assert maximum_mean_discrepancy(x, -x) == pytest.approx(2000 * (1 - math.exp(-0.02)), rel=1e-12)


def test_the_published_code_is_the_biased_estimate():
    """Equal sets have 0 and no others have less; the unbiased estimate of equal sets is below 0."""
    u = directions(0, 40)
    assert maximum_mean_discrepancy(u, u) == 0
    assert maximum_mean_discrepancy(u, u, "unbiased") < 0
    for seed in range(20):
        assert maximum_mean_discrepancy(*directions(seed, 40).split(20)) > 0


def test_two_halves_of_one_set_average_zero_without_bias():
    found = torch.tensor([maximum_mean_discrepancy(*directions(seed, 100).split(50), "unbiased") for seed in range(300)])
    standard_error = found.std() / len(found) ** 0.5
    assert abs(found.mean()) < 3 * standard_error
    biased = torch.tensor([maximum_mean_discrepancy(*directions(seed, 100).split(50)) for seed in range(300)])
    assert biased.mean() > 20 * standard_error


def test_is_symmetric_and_grows_when_the_samples_get_worse():
    real = directions(0, 200)
    found = [maximum_mean_discrepancy(real, directions(1, 150, shift=shift)) for shift in (0.0, 0.5, 1.5)]
    assert found == sorted(found)
    assert found[2] > 5 * found[0]
    assert maximum_mean_discrepancy(directions(1, 150), real) == pytest.approx(found[0], rel=1e-10)


def test_half_precision_embeddings_are_computed_in_float64():
    u, v = directions(0, 30).half(), directions(1, 30).half()
    assert maximum_mean_discrepancy(u, v) == pytest.approx(by_definition(u, v, "biased"), rel=1e-9)


@pytest.mark.parametrize(("n", "m", "estimator", "said"), [(0, 3, "biased", r"0 reference images"), (3, 1, "unbiased", r"1 sample images; .* 2")])
def test_refuses_too_few(n, m, estimator, said):
    with pytest.raises(InputError, match=said):
        maximum_mean_discrepancy(directions(0, n), directions(1, m), estimator)


def test_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"\(3, 8\) and \(3, 4\)"):
        maximum_mean_discrepancy(directions(0, 3), directions(0, 3, d=4))
    with pytest.raises(ValueError, match="unknown estimator 'v'; use biased or unbiased"):
        maximum_mean_discrepancy(directions(0, 3), directions(0, 3), "v")
