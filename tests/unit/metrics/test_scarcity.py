"""The rank of a covariance tells how few images made it, and is not fooled by dimensions that never vary or by rounding."""

import numpy as np
import pytest
import torch

from sra.metrics.frechet import FeatureStatistics
from sra.metrics.scarcity import Side, deficient_rank, too_few

D = 64


def rank_of(features, dtype=np.float64):
    covariance = np.cov(features, rowvar=False).astype(dtype)
    return deficient_rank(covariance.astype(np.float64), np.linalg.eigvalsh(covariance.astype(np.float64)), np.dtype(dtype))


def drawn(count, seed=0):
    """Variances from 1 down to 1e-4, about a mean far from zero."""
    return np.random.default_rng(seed).normal(5, np.logspace(0, -2, D), (count, D))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("count", [2, 30, 57])
def test_few_images_leave_a_rank_of_one_less(count, dtype):
    assert rank_of(drawn(count), dtype) == count - 1


def test_as_many_images_as_dimensions_are_too_few_and_one_more_is_not():
    assert rank_of(drawn(D)) == D - 1
    assert rank_of(drawn(D + 1)) is None


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_dimensions_that_never_vary_are_not_few_images(dtype):
    features = drawn(500)
    features[:, ::4] = 2.0
    assert rank_of(features, dtype) is None
    assert rank_of(features[:30], dtype) == 29


def test_what_float32_cannot_tell_is_not_said():
    assert rank_of(np.random.default_rng(0).normal(0, np.logspace(0, -5, D), (500, D)), np.float32) is None


def test_each_side_is_named_once():
    few, many = (FeatureStatistics.of(torch.from_numpy(drawn(count))) for count in (20, 200))
    assert too_few("FID", Side.of("samples", few), Side.of("reference images", many)) == [
        "FID: 20 samples for 64 feature dimensions; the covariance is singular and the value mostly bias"
    ]
    (warning,) = too_few("CMMD", Side("samples", 200, D), Side("reference images", 30, D))
    assert warning.startswith("CMMD: 30 reference images for 64 feature dimensions; its estimate is biased")
    unknown = FeatureStatistics(few.mean, few.covariance, None, rank=19)
    (warning,) = too_few("FID", Side.of("reference images", unknown))
    assert "of the reference images has rank 19 in 64 feature dimensions, as of 20 images" in warning
