"""Fréchet distance at infinitely many samples: FID without the part that is there because samples are few.

Source: Chong & Forsyth 2020: the bias of FID_N falls as 1/N, so a line through FID_N over 1/N meets 0 at the unbiased value.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sra.core.errors import InputError
from sra.core.seeds import derive_seed
from sra.metrics.frechet import CovarianceFactor, FeatureStatistics, RunningMoments, frechet

POINTS = 15
SMALLEST = 5000
ORDERS = 4  # of the samples, drawn to see how much one order decides; each beyond the first costs as much again


@dataclass(frozen=True)
class Extrapolation:
    """value: in the first order.  sd: of the values in all orders (n - 1); it says nothing of other samples or other real images."""

    value: float
    sd: float


def frechet_at_infinity(features: Tensor, reference: FeatureStatistics, seed: int, points: int = POINTS, smallest: int = SMALLEST) -> float:
    """The extrapolated value in one order of the samples; see `extrapolated`."""
    return extrapolated(features, reference, seed, points, smallest, orders=1).value


def extrapolated(
    features: Tensor, reference: FeatureStatistics, seed: int, points: int = POINTS, smallest: int = SMALLEST, orders: int = ORDERS
) -> Extrapolation:
    """Lower is better. An extrapolation: with few samples it may be below 0.

    features: (N, d) of the samples. In each of `orders` drawn from the seed, FID_n is taken at `points` sizes, evenly spaced from `smallest`
    to N. The subsets are nested: the moments of each continue those of the one before, so an order costs one pass over the features.
    """
    if points < 2 or smallest < 2:
        raise InputError(f"FID at infinity: {points} points from {smallest} samples; a line takes 2 points, a covariance 2 samples")
    if len(features) < 2 * smallest:
        raise InputError(
            f"FID at infinity: {len(features)} samples; a line from {smallest} samples on takes at least {2 * smallest}, draw more or begin lower"
        )
    sizes = np.linspace(smallest, len(features), points).astype(int).tolist()
    factor = CovarianceFactor.of(reference)
    values, of_all = [], []
    for number in range(orders):
        names = ("frechet at infinity", *([number] if number else []))
        generator = torch.Generator().manual_seed(derive_seed(seed, *names))
        order = torch.randperm(len(features), generator=generator).to(features.device)
        moments, distances = RunningMoments(), []
        for start, end in zip([0, *sizes], sizes if not of_all else sizes[:-1], strict=False):
            moments.update(features[order[start:end]])
            distances.append(frechet(moments.statistics(), reference, factor).distance)
        of_all = of_all or distances[-1:]  # all samples are the same set in any order
        values.append(intercept(1 / np.array(sizes), np.array([*distances[: points - 1], *of_all])))
    return Extrapolation(values[0], float(np.std(values, ddof=1)) if orders > 1 else 0.0)


def intercept(x: np.ndarray, y: np.ndarray) -> float:
    """Where the least squares line through the points (x, y) meets x = 0."""
    slope = ((x - x.mean()) * (y - y.mean())).sum() / np.square(x - x.mean()).sum()
    return float(y.mean() - slope * x.mean())
