"""Oracles: closed forms, and that every distance grows as features move away."""

import pytest
import torch

from sra.alignment.distances import cosine, cosine_over_tokens_official, distance_of, l1, l2, smooth_l1
from sra.spec.methods.sra import SraOptions

NAMES = ["smooth_l1", "cosine", "cosine_over_tokens_official", "l1", "l2"]


def features(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def distance(name, **options):
    return distance_of(SraOptions(student_block=1, teacher_block=1, distance=name, **options))


def test_smooth_l1_is_quadratic_then_linear():
    zero = torch.zeros(1, 2, 1)
    errors = torch.tensor([[[0.02], [1.0]]])
    assert smooth_l1(errors, zero, beta=0.05).item() == pytest.approx((0.02**2 / 0.1 + (1.0 - 0.025)) / 2)
    assert smooth_l1(errors, zero, beta=4.0).item() == pytest.approx((0.02**2 + 1.0) / 8 / 2)


def test_beta_reaches_the_distance():
    x, zero = torch.full((1, 1, 1), 1.0), torch.zeros(1, 1, 1)
    assert distance("smooth_l1", beta=0.5)(x, zero).item() == pytest.approx(0.75)


def test_l1_and_l2_are_means_over_everything():
    x = torch.tensor([[[1.0, -3.0]], [[0.0, 2.0]]])
    assert l1(x, torch.zeros_like(x)).item() == pytest.approx(6 / 4)
    assert l2(x, torch.zeros_like(x)).item() == pytest.approx(14 / 4)


def test_cosine_compares_the_channels_of_each_token():
    x = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]]])
    y = torch.tensor([[[5.0, 0.0], [0.0, -1.0], [1.0, 0.0]]])
    assert cosine(x, y).item() == pytest.approx((0 + 2 + 1 - 0.5**0.5) / 3)


def test_released_cosine_compares_the_tokens_of_each_channel():
    x, y = features(2, 5, 3), features(2, 5, 3, seed=1)
    torch.testing.assert_close(cosine_over_tokens_official(x, y), cosine(x.transpose(1, 2), y.transpose(1, 2)))
    assert not torch.isclose(cosine_over_tokens_official(x, y), cosine(x, y))


def test_cosine_ignores_the_length_of_each_token():
    x, y = features(2, 5, 3), features(2, 5, 3, seed=1)
    torch.testing.assert_close(cosine(x * features(2, 5, 1, seed=2).abs(), y), cosine(x, y))


@pytest.mark.parametrize("name", NAMES)
def test_zero_on_itself_and_growing_with_the_error(name):
    x, error = features(2, 16, 8), features(2, 16, 8, seed=1)
    values = [distance(name)(x + size * error, x).item() for size in (0.0, 0.1, 1.0, 10.0)]
    assert values[0] == pytest.approx(0, abs=1e-6)
    assert values == sorted(values)
    assert values[0] < values[1] < values[2] < values[3]


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_features_are_compared_in_float32(name):
    x, y = 300 * features(1, 4, 8).half(), 300 * features(1, 4, 8, seed=1).half()  # squares overflow float16
    value = distance(name)(x, y)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, distance(name)(x.float(), y.float()))
