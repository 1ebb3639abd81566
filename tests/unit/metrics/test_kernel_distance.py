"""Oracles: the definition as a double loop, an expectation of zero, the whole sets as the only subset."""

import pytest
import torch

from sra.core.errors import InputError
from sra.metrics import kernel_distance as module
from sra.metrics.kernel_distance import kernel_distance, unbiased_discrepancy


def cloud(seed, count, d=8, shift=0.0):
    return torch.randn(count, d, generator=torch.Generator().manual_seed(seed)) + shift


def by_definition(u, v):
    def kernel(x, y):
        return (sum(a * b for a, b in zip(x, y, strict=True)) / len(x) + 1) ** 3

    u, v = u.double().tolist(), v.double().tolist()
    within = [sum(kernel(x[i], x[j]) for i in range(len(x)) for j in range(len(x)) if i != j) / (len(x) * (len(x) - 1)) for x in (u, v)]
    return sum(within) - 2 * sum(kernel(x, y) for x in u for y in v) / (len(u) * len(v))


@pytest.mark.parametrize(("n", "m"), [(2, 2), (7, 7), (5, 9)])
def test_agrees_with_a_double_loop(n, m):
    u, v = cloud(0, n), cloud(1, m, shift=0.3)
    assert unbiased_discrepancy(u, v) == pytest.approx(by_definition(u, v), rel=1e-12)


def test_one_dimension_worked_out_by_hand():
    # Kernels: within u (1 * 2 + 1)^3 = 27, within v (0 * 3 + 1)^3 = 1; across 1, 4^3, 1, 7^3 on average 102.25.
    assert unbiased_discrepancy(torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [3.0]])) == pytest.approx(27 + 1 - 2 * 102.25)


def test_two_halves_of_one_distribution_average_zero():
    """Unbiased: the mean of many is 0 within 3 standard errors, and some are below 0; the biased estimate would be far above."""
    found = torch.tensor([unbiased_discrepancy(*cloud(seed, 100).split(50)) for seed in range(300)])
    standard_error = found.std() / len(found) ** 0.5
    assert abs(found.mean()) < 3 * standard_error
    assert (found < 0).any()
    x = cloud(0, 50)
    bias = ((x.square().sum(1) / 8 + 1) ** 3).mean() * 2 / 50  # what the diagonals would add
    assert bias > 20 * standard_error


def test_subsets_average_to_the_discrepancy_of_the_whole_sets():
    reference, samples = cloud(0, 300), cloud(1, 400, shift=0.2)
    found = kernel_distance(reference, samples, seed=0, subsets=200, size=60)
    assert found.mean == pytest.approx(unbiased_discrepancy(reference, samples), abs=4 * found.sd / 200**0.5)
    assert 0 < found.sd < found.mean


def test_the_whole_sets_as_the_only_subset_leave_nothing_to_chance():
    reference, samples = cloud(0, 60), cloud(1, 60, shift=0.2)
    found = kernel_distance(reference, samples, seed=5, subsets=4, size=60)
    assert found.mean == pytest.approx(unbiased_discrepancy(reference, samples), rel=1e-10)
    assert found.sd < 1e-10 * abs(found.mean)


def test_mean_and_sd_are_those_of_the_subsets(monkeypatch):
    values = iter([1.0, 2.0, 6.0])
    monkeypatch.setattr(module, "unbiased_discrepancy", lambda u, v: next(values))
    assert kernel_distance(cloud(0, 20), cloud(1, 20), seed=0, subsets=3, size=10) == module.KernelDistance(3.0, pytest.approx((14 / 3) ** 0.5))


def test_subsets_have_no_repetition_and_differ(monkeypatch):
    drawn = []
    monkeypatch.setattr(module, "unbiased_discrepancy", lambda u, v: drawn.append((u[:, 0].tolist(), v[:, 0].tolist())) or 0.0)
    reference, samples = torch.arange(50.0)[:, None], 100 + torch.arange(70.0)[:, None]
    kernel_distance(reference, samples, seed=0, subsets=30, size=20)
    assert all(len(set(u)) == len(set(v)) == 20 for u, v in drawn)
    assert len({tuple(u) for u, _ in drawn}) == len({tuple(v) for _, v in drawn}) == 30
    # Each vector has its turn, and none of the other set.
    assert {x for u, _ in drawn for x in u} == set(reference[:, 0].tolist())
    assert {x for _, v in drawn for x in v} == set(samples[:, 0].tolist())


def test_is_a_function_of_the_seed():
    reference, samples = cloud(0, 100), cloud(1, 100)
    first = kernel_distance(reference, samples, seed=1, subsets=5, size=30)
    assert kernel_distance(reference, samples, seed=1, subsets=5, size=30) == first
    assert kernel_distance(reference, samples, seed=2, subsets=5, size=30) != first


def test_grows_when_the_samples_get_worse():
    real = cloud(0, 400)
    distances = [kernel_distance(real, cloud(1, 400, shift=shift), seed=0, subsets=10, size=100).mean for shift in (0, 0.3, 0.6)]
    assert distances == sorted(distances)
    assert distances[2] > 5 * abs(distances[0])


@pytest.mark.parametrize(("n", "m", "name"), [(9, 20, "9 reference features"), (20, 9, "9 sample features")])
def test_refuses_sets_smaller_than_a_subset(n, m, name):
    with pytest.raises(InputError, match=f"subsets of 10 from {name}"):
        kernel_distance(cloud(0, n), cloud(1, m), seed=0, size=10)


def test_refuses_subsets_of_one():
    with pytest.raises(InputError, match="subsets of 1 from"):
        kernel_distance(cloud(0, 5), cloud(1, 5), seed=0, size=1)
