"""Fréchet distance at infinitely many samples: FID without the part that is there because samples are few.

Source: Chong & Forsyth 2020: the bias of FID_N falls as 1/N, so a line through FID_N over 1/N meets 0 at the unbiased value.
"""

import numpy as np
import torch
from torch import Tensor

from sra.core.errors import InputError
from sra.core.seeds import derive_seed
from sra.metrics.frechet import CovarianceFactor, FeatureStatistics, RunningMoments, frechet

POINTS = 15
SMALLEST = 5000


def frechet_at_infinity(features: Tensor, reference: FeatureStatistics, seed: int, points: int = POINTS, smallest: int = SMALLEST) -> float:
    """Lower is better. An extrapolation: with few samples it may be below 0.

    features: (N, d) of the samples. FID_n is taken at `points` sizes, evenly spaced from `smallest` to N. The subsets are nested in one order
    drawn from the seed: the moments of each continue those of the one before, so all together cost one pass over the features.
    """
    if points < 2 or smallest < 2:
        raise InputError(f"FID at infinity: {points} points from {smallest} samples; a line takes 2 points, a covariance 2 samples")
    if len(features) < 2 * smallest:
        raise InputError(
            f"FID at infinity: {len(features)} samples; a line from {smallest} samples on takes at least {2 * smallest}, draw more or begin lower"
        )
    generator = torch.Generator().manual_seed(derive_seed(seed, "frechet at infinity"))
    order = torch.randperm(len(features), generator=generator).to(features.device)
    sizes = np.linspace(smallest, len(features), points).astype(int).tolist()

    factor = CovarianceFactor.of(reference)
    moments, distances = RunningMoments(), []
    for start, end in zip([0, *sizes], sizes, strict=False):
        moments.update(features[order[start:end]])
        distances.append(frechet(moments.statistics(), reference, factor).distance)
    return intercept(1 / np.array(sizes), np.array(distances))


def intercept(x: np.ndarray, y: np.ndarray) -> float:
    """Where the least squares line through the points (x, y) meets x = 0."""
    slope = ((x - x.mean()) * (y - y.mean())).sum() / np.square(x - x.mean()).sum()
    return float(y.mean() - slope * x.mean())
