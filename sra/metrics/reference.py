"""The real images that samples are compared with, in the ADM suite's file format.

mu, sigma: statistics of the pooled features; mu_s, sigma_s: of the spatial ones; both over the whole training set.
arr_0: the images behind precision and recall, uint8 NHWC. Ours add statistics_count, the number of images behind the statistics.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sra.core.errors import InputError
from sra.core.npz import read_npz, write_npz
from sra.core.seeds import derive_seed
from sra.metrics.frechet import FeatureStatistics

ASYMMETRY = 1e-8  # largest difference of a covariance from its transpose, as a share of its largest entry
NEGATIVE = 1e-6  # lowest eigenvalue of a covariance, as a share of its trace


@dataclass(frozen=True)
class Reference:
    """images: (n, H, W, 3) uint8, possibly mapped from a file."""

    pooled: FeatureStatistics
    spatial: FeatureStatistics
    images: np.ndarray

    def write(self, path: Path) -> None:
        """Equal references give equal bytes."""
        arrays = {
            "mu": self.pooled.mean.cpu().numpy(),
            "sigma": self.pooled.covariance.cpu().numpy(),
            "mu_s": self.spatial.mean.cpu().numpy(),
            "sigma_s": self.spatial.covariance.cpu().numpy(),
            "arr_0": self.images,
            "statistics_count": np.int64(self.pooled.count),
        }
        write_npz(path, arrays)


def chosen_images(available: int, wanted: int, seed: int) -> np.ndarray:
    """Which of the `available` images stand behind precision and recall: `wanted` indices, drawn without replacement, ascending."""
    if wanted > available:
        raise InputError(f"reference_images: the preset asks for {wanted}, the train split has {available}; lower it")
    order = torch.randperm(available, generator=torch.Generator().manual_seed(derive_seed(seed, "reference images")))
    return np.sort(order[:wanted].numpy())


def read_reference(path: Path) -> Reference:
    """The reference in `path`, checked. Raises InputError naming the key that is missing or wrong."""
    arrays = read_npz(path)
    for key in ("mu", "sigma", "mu_s", "sigma_s", "arr_0"):
        if key not in arrays:
            raise InputError(f"{path}: the key {key} is missing; a reference holds mu, sigma, mu_s, sigma_s and arr_0")
    count = int(arrays["statistics_count"]) if "statistics_count" in arrays else None
    images = arrays["arr_0"]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
        raise InputError(f"{path}: arr_0 is {images.dtype} {images.shape}; expected uint8 (N, H, W, 3)")
    pooled, spatial = (_statistics(path, arrays, mean, covariance, count) for mean, covariance in (("mu", "sigma"), ("mu_s", "sigma_s")))
    return Reference(pooled, spatial, images)


def _statistics(path: Path, arrays: dict[str, np.ndarray], mean_key: str, covariance_key: str, count: int | None) -> FeatureStatistics:
    """Mean and covariance under two keys, cast to float64, if they can be a mean and a covariance."""
    for key in (mean_key, covariance_key):
        if not np.issubdtype(arrays[key].dtype, np.floating) or not np.isfinite(arrays[key]).all():
            raise InputError(f"{path}: {key} is {arrays[key].dtype} or not finite; expected finite floats")
    mean, covariance = (torch.from_numpy(np.array(arrays[key], dtype=np.float64)) for key in (mean_key, covariance_key))
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
        raise InputError(f"{path}: {mean_key} is {tuple(mean.shape)} and {covariance_key} {tuple(covariance.shape)}; expected (d,) and (d, d)")
    asymmetry = (covariance - covariance.T).abs().max() / covariance.abs().max().clamp(min=torch.finfo(torch.float64).tiny)
    if asymmetry > ASYMMETRY:
        raise InputError(f"{path}: {covariance_key} differs from its transpose by {asymmetry:.1e} of its largest entry; it is no covariance")
    if torch.linalg.eigvalsh(covariance)[0] < -NEGATIVE * covariance.trace():
        raise InputError(f"{path}: {covariance_key} has a negative eigenvalue beyond {NEGATIVE:.0e} of its trace; it is no covariance")
    return FeatureStatistics(mean, covariance, count)
