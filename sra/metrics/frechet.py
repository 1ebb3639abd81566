"""Fréchet distance between two Gaussians, the number behind FID and sFID.

Source: Dowson & Landau 1982; Heusel et al. 2017, eq. 6. Same value as the ADM suite's `sqrtm` form, an order of magnitude faster.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class FeatureStatistics:
    """Mean and covariance of N feature vectors.

    mean: (d,) float64.  covariance: (d, d) float64, unbiased (ddof 1), symmetric.
    count: N; None when it is not known (the published ADM reference files do not say).
    """

    mean: Tensor
    covariance: Tensor
    count: int | None

    @classmethod
    def of(cls, features: Tensor) -> "FeatureStatistics":
        """Statistics of features (N, d), any float dtype, N >= 2."""
        moments = RunningMoments()
        moments.update(features)
        return moments.statistics()


class RunningMoments:
    """Statistics of features that arrive in batches of any size, in float64.

    Each batch joins through its own mean (Chan, Golub & LeVeque 1983), so features far from zero lose no digits.
    """

    def __init__(self):
        self.count, self.mean, self.scatter = 0, None, None

    def update(self, features: Tensor) -> None:
        """features: (B, d), any float dtype."""
        if not len(features):
            return
        features = features.double()
        batch_mean = features.mean(0)
        centred = features - batch_mean
        batch_scatter = centred.T @ centred
        if self.count == 0:
            self.count, self.mean, self.scatter = len(features), batch_mean, batch_scatter
            return
        total = self.count + len(features)
        step = batch_mean - self.mean
        self.scatter += batch_scatter + torch.outer(step, step) * (self.count * len(features) / total)
        self.mean = self.mean + step * (len(features) / total)
        self.count = total

    def statistics(self) -> FeatureStatistics:
        if self.count < 2:
            raise ValueError(f"a covariance needs at least 2 feature vectors, got {self.count}")
        return FeatureStatistics(self.mean.clone(), self.scatter / (self.count - 1), self.count)


def frechet_distance(a: FeatureStatistics, b: FeatureStatistics) -> float:
    """||mean_a - mean_b||^2 + tr(A + B - 2 (A B)^1/2), in squared feature units.

    Symmetric; 0 for equal statistics; needs equal dimensions d. Rank-deficient covariances (N <= d) need no correction:
    unlike the ADM suite, nothing is added to the diagonals.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"feature dimensions differ: {len(a.mean)} and {len(b.mean)}")
    offset = (a.mean - b.mean).square().sum()
    traces = a.covariance.trace() + b.covariance.trace()
    # The covariance of fewer vectors may have the lower rank; factoring that one keeps rounding noise out of the root.
    fewer, more = sorted((a, b), key=lambda s: float("inf") if s.count is None else s.count)
    return float(offset + traces - 2 * trace_of_root_product(fewer.covariance, more.covariance))


def trace_of_root_product(a: Tensor, b: Tensor) -> Tensor:
    """tr (A B)^1/2 for symmetric positive semi-definite A, B: (d, d) float64.

    With any F such that A = F F^T, the product A B has the nonzero eigenvalues of the symmetric F^T B F, so one `eigvalsh` is
    enough. Cholesky gives F cheaply; when A is singular, the eigenvectors of its range do.
    """
    factor, failed = torch.linalg.cholesky_ex(a)
    if failed:
        values, vectors = torch.linalg.eigh(a)
        # Below this share of the largest, an eigenvalue is rounding: the direction carries no variance.
        kept = values > values[-1] * len(values) * torch.finfo(values.dtype).eps
        factor = vectors[:, kept] * values[kept].sqrt()
    return torch.linalg.eigvalsh(factor.T @ b @ factor).clamp(min=0).sqrt().sum()
