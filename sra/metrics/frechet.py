"""Fréchet distance between two Gaussians, the number behind FID and sFID.

Source: Dowson & Landau 1982; Heusel et al. 2017, eq. 6. Same value as the ADM suite's `sqrtm` form, an order of magnitude faster.
The linear algebra runs in NumPy: on processors that are not Intel's, its LAPACK finds eigenvalues several times faster than PyTorch's.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

STRIP = 256  # columns of a triangular product made at once: wide enough for fast matrix products, narrow enough to skip the zeros


@dataclass(frozen=True)
class FeatureStatistics:
    """Mean and covariance of N feature vectors.

    mean: (d,) float64.  covariance: (d, d) float64, unbiased (ddof 1), symmetric.
    count: N; None when it is not known (the published ADM reference files do not say).
    root: (N - 1, d) float64 with root^T root = covariance, where N <= d makes that the smaller form; else None.
    rank: of a covariance of unknown count that too few images must have made; else None.
    """

    mean: Tensor
    covariance: Tensor
    count: int | None
    root: Tensor | None = field(default=None, repr=False)
    rank: int | None = None

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
        self.few: list[Tensor] = []  # the features themselves, while they are no more than dimensions

    def update(self, features: Tensor) -> None:
        """features: (B, d), any float dtype."""
        if not len(features):
            return
        features = features.double()
        self.few = [*self.few, features] if self.count + len(features) <= features.shape[1] else []
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
        root = _steps(torch.cat(self.few) - self.mean) / (self.count - 1) ** 0.5 if self.few else None
        return FeatureStatistics(self.mean.clone(), self.scatter / (self.count - 1), self.count, root)


def _steps(features: Tensor) -> Tensor:
    """(N - 1, d) whose outer products sum to the scatter of features (N, d): each vector's distance from the mean of those before it.

    Welford 1962. One row fewer than the centred features, so that its products have no eigenvalue that is zero but for rounding.
    """
    before = torch.arange(1, len(features), dtype=features.dtype, device=features.device)[:, None]
    return (features[1:] - features.cumsum(0)[:-1] / before) * (before / (before + 1)).sqrt()


@dataclass(frozen=True)
class Frechet:
    """distance: in squared feature units.

    clipped: how much of it comes from negative eigenvalues set to zero, in the same units. Above rounding (about 1e-6 of the traces) one of
    the two matrices is no covariance.
    """

    distance: float
    clipped: float


@dataclass(frozen=True)
class CovarianceFactor:
    """A covariance S as F F^T.  matrix: F, (d, r) float64, lower triangular if so marked.  clipped: sum of S's negative eigenvalues, >= 0."""

    matrix: np.ndarray
    triangular: bool
    clipped: float = 0.0

    @classmethod
    def of(cls, statistics: FeatureStatistics) -> "CovarianceFactor":
        """The cheapest factor: the features themselves where they are few, else Cholesky's, else the range of the eigenvectors."""
        if statistics.root is not None:
            return cls(_array(statistics.root).T, triangular=False)
        covariance = _array(statistics.covariance)
        return cls._cholesky(covariance) or cls._range(covariance)

    @classmethod
    def _cholesky(cls, covariance: np.ndarray) -> "CovarianceFactor | None":
        try:
            lower = np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            return None
        # A pivot of rounding size belongs to a singular matrix that slipped through: its root would be noise.
        pivots = np.square(np.diagonal(lower))
        return cls(lower, triangular=True) if pivots.min() > _rounding(pivots) else None

    @classmethod
    def _range(cls, covariance: np.ndarray) -> "CovarianceFactor":
        values, vectors = np.linalg.eigh(covariance)
        # An eigenvalue of rounding size is a direction without variance.
        kept = values > _rounding(values)
        return cls(vectors[:, kept] * np.sqrt(values[kept]), triangular=False, clipped=float(-values[values < 0].sum()))

    def sandwich(self, covariance: np.ndarray) -> np.ndarray:
        """F^T S F, (r, r), for another covariance S (d, d). Of a triangular F only the lower half is made, at a third of the work."""
        factor = self.matrix
        if not self.triangular:
            return factor.T @ covariance @ factor
        product = np.zeros_like(covariance)
        for start in range(0, len(factor), STRIP):
            strip = slice(start, start + STRIP)
            product[start:, strip] = factor[start:, start:].T @ (covariance[start:, start:] @ factor[start:, strip])
        return product


def frechet_distance(a: FeatureStatistics, b: FeatureStatistics) -> float:
    """||mean_a - mean_b||^2 + tr(A + B - 2 (A B)^1/2), in squared feature units.

    Symmetric; 0 for equal statistics; needs equal dimensions d. Rank-deficient covariances (N <= d) need no correction:
    unlike the ADM suite, nothing is added to the diagonals.
    """
    return frechet(a, b).distance


def frechet(a: FeatureStatistics, b: FeatureStatistics, factor_b: CovarianceFactor | None = None) -> Frechet:
    """`frechet_distance`, and what was clipped on the way. factor_b: of b's covariance, for whoever compares many with the same b."""
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"feature dimensions differ: {len(a.mean)} and {len(b.mean)}")
    offset = (a.mean.cpu() - b.mean.cpu()).square().sum()
    traces = a.covariance.trace().cpu() + b.covariance.trace().cpu()
    # The covariance of fewer vectors may have the lower rank; factoring that one keeps rounding noise out of the root.
    fewer, more = sorted((a, b), key=lambda s: float("inf") if s.count is None else s.count)
    if factor_b is None or fewer.root is not None:
        factor, other = CovarianceFactor.of(fewer), more
    else:
        factor, other = factor_b, a
    root_trace, clipped = _root_trace(factor, _array(other.covariance))
    return Frechet(float(offset + traces - 2 * root_trace), 2 * clipped + factor.clipped)


def trace_of_root_product(a: Tensor, b: Tensor) -> Tensor:
    """tr (A B)^1/2 for symmetric positive semi-definite A, B: (d, d) float64."""
    factor = CovarianceFactor.of(FeatureStatistics(a.diagonal(), a, count=None))
    return torch.tensor(_root_trace(factor, _array(b))[0], dtype=torch.float64)


def _root_trace(factor: CovarianceFactor, covariance: np.ndarray) -> tuple[float, float]:
    """tr (A B)^1/2 for A = F F^T and B = `covariance`; and the part of it that negative eigenvalues would have, were they positive.

    The product A B has the nonzero eigenvalues of the symmetric F^T B F, so one `eigvalsh` is enough.
    """
    values = np.linalg.eigvalsh(factor.sandwich(covariance), UPLO="L")
    roots = np.sqrt(np.abs(values))
    return float(roots[values > 0].sum()), float(roots[values < 0].sum())


def _rounding(values: np.ndarray) -> float:
    """The size below which one of a positive matrix's eigenvalues or pivots `values` says nothing."""
    return values.max() * len(values) * np.finfo(values.dtype).eps


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.cpu().numpy()
