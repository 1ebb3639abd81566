"""Scores beside the five: KID, FID extrapolated to infinitely many samples, and the Fréchet distance in another network's features.

No published SRA number exists in them. Each says how many real images stand behind it.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from torch import Tensor

from sra.core.errors import InputError
from sra.core.progress import Progress
from sra.metrics.exact import full_float32
from sra.metrics.frechet import FeatureStatistics, RunningMoments, frechet_distance
from sra.metrics.frechet_infinity import POINTS, SMALLEST, frechet_at_infinity
from sra.metrics.kernel_distance import SUBSET_SIZE, SUBSETS, kernel_distance
from sra.metrics.samples import Images

SecondaryName = Literal["kid", "fid_infinity", "fd_dinov2"]


@dataclass(frozen=True)
class SecondaryValue:
    """about: what the value depends on beside the samples (numbers and names, for the record)."""

    value: float
    about: dict[str, int | float | str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class GlobalJudge:
    """One vector an image by another network, and the statistics of the real images in it.

    features: images (B, H, W, 3) uint8 -> (B, E) float32.  name, sha256: of the network.
    """

    name: str
    sha256: str
    features: Callable[[np.ndarray], Tensor]
    real: FeatureStatistics


def global_statistics(images: Images, features: Callable[[np.ndarray], Tensor], batch: int, what: str) -> FeatureStatistics:
    """Mean and covariance of one vector an image, batch by batch, on the CPU."""
    moments = RunningMoments()
    with Progress(f"global features of {what}", len(images), "images") as progress:
        for start in range(0, len(images), batch):
            with full_float32():
                found = features(images[start : start + batch])
            if not found.isfinite().all():
                raise InputError(f"{what}: images from {start} on give global features that are not finite; check the encoder")
            moments.update(found.cpu())
            progress.advance(len(found))
    return moments.statistics()


def check_secondary(wanted: Collection[SecondaryName], count: int, real_images: Images | None) -> None:
    """Raise InputError for what `count` samples or the reference cannot give."""
    for name in ("kid", "fd_dinov2"):
        if name in wanted and real_images is None:
            raise InputError(f"--secondary {name}: compares with the reference's images, and the reference has no arr_0; leave it out")
    if "fid_infinity" in wanted and count < 2 * SMALLEST:
        raise InputError(f"--secondary fid_infinity: needs at least {2 * SMALLEST} samples, there are {count}; leave it out")


def secondary_scores(
    wanted: Collection[SecondaryName],
    pooled: Tensor,
    real: Tensor | None,
    reference: FeatureStatistics,
    images: Images,
    judge: GlobalJudge | None,
    batch: int,
    seed: int,
) -> dict[SecondaryName, SecondaryValue]:
    """pooled: (N, d) of the samples.  real: (n, d) of the reference's images.  reference: of the whole training set."""
    found: dict[SecondaryName, SecondaryValue] = {}
    if "kid" in wanted:
        size = min(SUBSET_SIZE, len(real), len(pooled))
        kid = kernel_distance(real.to(pooled.device), pooled, seed, SUBSETS, size)
        found["kid"] = SecondaryValue(kid.mean, {"sd": kid.sd, "real_images": len(real), "subsets": SUBSETS, "subset_size": size, "seed": seed})
    if "fid_infinity" in wanted:
        value = frechet_at_infinity(pooled, reference, seed, POINTS, SMALLEST)
        found["fid_infinity"] = SecondaryValue(value, {"real_images": reference.count, "points": POINTS, "smallest": SMALLEST, "seed": seed})
    if "fd_dinov2" in wanted:
        value = frechet_distance(global_statistics(images, judge.features, batch, "samples"), judge.real)
        found["fd_dinov2"] = SecondaryValue(value, {"real_images": judge.real.count, "encoder": judge.name, "encoder_sha256": judge.sha256})
    return found
