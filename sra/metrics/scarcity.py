"""Too few images for a score: one rule for samples and reference, for every distance.

Images that are no more than the dimensions of their features span less than the whole space: a covariance of them is singular, and balls or
kernels around them fill next to nothing of it. Where a file of statistics does not say how many there were, the rank of its covariance tells.
"""

from dataclasses import dataclass

import numpy as np

from sra.metrics.frechet import FeatureStatistics

SINGLE = 0.9  # share of the dimensions below which a rank counts that was found in float32, whose rounding hides directions of little variance

SINGULAR = "the covariance is singular and the value mostly bias"
CONSEQUENCES = {
    "FID-infinity": "the line removes the bias of few samples, not that of few reference images",
    "Precision and recall": "balls around so few points leave most of the space open, and both shares tell their number above all",
    "KID": "it is not biased, but other images of the same kind would give a very different value",
    "CMMD": "its estimate is biased, the more the fewer there are",
}


@dataclass(frozen=True)
class Side:
    """One of the two sets that are compared.  name: samples or reference images.  count: None when it is not known.

    rank: of a covariance of unknown count, in the dimensions that vary at all; None when it is not known or says nothing.
    """

    name: str
    count: int | None
    dimensions: int
    rank: int | None = None

    @classmethod
    def of(cls, name: str, statistics: FeatureStatistics) -> "Side":
        return cls(name, statistics.count, len(statistics.mean), statistics.rank)


def too_few(metric: str, *sides: Side) -> list[str]:
    """A warning for each side that has too few images for the metric of that name (any that is not in CONSEQUENCES is a Fréchet distance)."""
    consequence = CONSEQUENCES.get(metric, SINGULAR)
    found = []
    for side in sides:
        if side.count is not None and side.count <= side.dimensions:
            found.append(f"{metric}: {side.count} {side.name} for {side.dimensions} feature dimensions; {consequence}")
        elif side.count is None and side.rank is not None:
            found.append(
                f"{metric}: the covariance of the {side.name} has rank {side.rank} in {side.dimensions} feature dimensions, as of "
                f"{side.rank + 1} images; {consequence}"
            )
    return found


def deficient_rank(covariance: np.ndarray, eigenvalues: np.ndarray, dtype: np.dtype) -> int | None:
    """The rank of a covariance (d, d) where it is smaller than the number of dimensions that vary; None where it is not, or may not be.

    eigenvalues: (d,), its own.  dtype: that it was kept in, whose rounding moves an eigenvalue by no more than eps times its Frobenius norm.
    """
    width = len(eigenvalues)
    rounding = max(width * np.finfo(np.float64).eps * np.abs(eigenvalues).max(), np.finfo(dtype).eps * np.linalg.norm(covariance))
    varying = int((np.diagonal(covariance) > rounding).sum())
    rank = int((eigenvalues > rounding).sum())
    enough = varying if np.finfo(dtype).bits >= 64 else SINGLE * varying
    return rank if rank < enough else None
