"""The real images that samples are compared with, in the ADM suite's file format.

mu, sigma: statistics of the pooled features; mu_s, sigma_s: of the spatial ones; both over the whole training set.
arr_0: the images behind precision and recall, uint8 NHWC. Ours add statistics_count, the number of images behind the statistics.
The statistics are not those of arr_0: they come from many more images.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from sra.core.errors import InputError
from sra.core.npz import Rows, write_npz
from sra.core.seeds import derive_seed
from sra.metrics.arrays import IMAGES, can_be_images, images_in, open_arrays, other_images
from sra.metrics.frechet import FeatureStatistics
from sra.metrics.samples import Images
from sra.metrics.scarcity import deficient_rank

# Largest difference of a covariance from its transpose, as a share of its largest entry: up to the first it is as good as symmetric, up to the
# second it is what sums in float32 or in another order leave, and the mean of both halves is taken.
ASYMMETRY, ROUNDED = 1e-8, 5e-7
NEGATIVE = 1e-6  # lowest eigenvalue of a covariance, as a share of its trace


# A metric that a reference may lack the numbers for, and the keys it needs.
Skippable = Literal["sfid", "precision_recall"]
NEEDED: dict[Skippable, tuple[str, ...]] = {"sfid": ("mu_s", "sigma_s"), "precision_recall": ("arr_0",)}


@dataclass(frozen=True)
class Reference:
    """images: (n, H, W, 3) uint8, read from the file slice by slice.

    spatial, images: None in a file that lacks them.  notes: what a reader of scores against it should know.  key: of the images in the file.
    """

    pooled: FeatureStatistics
    spatial: FeatureStatistics | None
    images: Images | None
    notes: tuple[str, ...] = ()
    key: str | None = None

    def write(self, path: Path) -> None:
        """Write the reference as an npz; equal references give equal bytes."""
        arrays = {
            "mu": self.pooled.mean.cpu().numpy(),
            "sigma": self.pooled.covariance.cpu().numpy(),
            "mu_s": self.spatial.mean.cpu().numpy(),
            "sigma_s": self.spatial.covariance.cpu().numpy(),
            "arr_0": self.images,
            "statistics_count": np.int64(self.pooled.count),
        }
        write_npz(path, arrays)


def chosen_images(available: int, wanted: int, seed: int, split: str = "train") -> np.ndarray:
    """Which of the `available` images stand behind precision and recall: `wanted` indices, drawn without replacement, ascending."""
    if wanted > available:
        raise InputError(f"reference_images: the preset asks for {wanted}, the {split} split has {available}; lower it")
    order = torch.randperm(available, generator=torch.Generator().manual_seed(derive_seed(seed, "reference images")))
    return np.sort(order[:wanted].numpy())


def read_reference(path: Path, skip: Collection[Skippable] = (), key: str | None = None) -> Reference:
    """The reference in `path`, its statistics checked. Raises InputError naming the key that is missing or wrong.

    skip: metrics that will not be computed; the keys that only they need may be missing.  key: of the images, when they are not arr_0.
    """
    arrays = open_arrays(path)
    named = key or any(can_be_images(array) for array in arrays.values()) or IMAGES in arrays
    images_key = images_in(path, arrays, key, "--reference-key") if named else IMAGES
    for metric, keys in {"fid": ("mu", "sigma"), **NEEDED}.items():
        for needed in keys:
            if (images_key if needed == IMAGES else needed) not in arrays and metric not in skip:
                without = f"; give --skip {metric} to score without it" if metric in NEEDED else ""
                raise InputError(f"{path}: the key {needed} is missing; a reference holds mu, sigma, mu_s, sigma_s and arr_0{without}")
    images = arrays.get(images_key)
    if images is not None and not can_be_images(images):
        raise InputError(f"{path}: {images_key} is {images.dtype} {images.shape}; expected uint8 (N, H, W, 3)")
    count = int(arrays["statistics_count"].whole()) if "statistics_count" in arrays else None
    if count is not None and count < 2:
        raise InputError(f"{path}: statistics_count is {count}; a covariance takes at least 2 images, make the reference again")
    notes = [f"reference: {other}"] if images is not None and not key and (other := other_images(arrays, images_key)) else []
    pooled = _statistics(path, arrays, "mu", "sigma", count, notes)
    spatial = _statistics(path, arrays, "mu_s", "sigma_s", count, notes) if {"mu_s", "sigma_s"} <= arrays.keys() else None
    return Reference(pooled, spatial, images, tuple(notes), images_key if images is not None else None)


def _statistics(path: Path, arrays: Mapping[str, Rows], mean_key: str, covariance_key: str, count: int | None, notes: list[str]) -> FeatureStatistics:
    """Mean and covariance under two keys, cast to float64, if they can be a mean and a covariance. What had to be mended is added to `notes`."""
    values = {key: arrays[key].whole() for key in (mean_key, covariance_key)}
    for key, value in values.items():
        if not np.issubdtype(value.dtype, np.floating) or not np.isfinite(value).all():
            raise InputError(f"{path}: {key} is {value.dtype} or not finite; expected finite floats")
    mean, covariance = (torch.from_numpy(value.astype(np.float64)) for value in values.values())
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
        raise InputError(f"{path}: {mean_key} is {tuple(mean.shape)} and {covariance_key} {tuple(covariance.shape)}; expected (d,) and (d, d)")
    asymmetry = (covariance - covariance.T).abs().max() / covariance.abs().max().clamp(min=torch.finfo(torch.float64).tiny)
    if asymmetry > ROUNDED:
        raise InputError(
            f"{path}: {covariance_key} differs from its transpose by {asymmetry:.1e} of its largest entry, more than rounding leaves; "
            "it is no covariance: compute it again, as numpy.cov does"
        )
    if asymmetry > ASYMMETRY:
        covariance = (covariance + covariance.T) / 2
        notes.append(f"reference: {covariance_key} differed from its transpose by {asymmetry:.1e} of its largest entry; the mean of both was taken")
    if not covariance.any():
        raise InputError(
            f"{path}: {covariance_key} is all zeros, as of images that are all the same or of none; make the reference again of real images"
        )
    # NumPy's is several times as fast as torch's on a CPU.
    eigenvalues = np.linalg.eigvalsh(covariance.numpy())
    if eigenvalues[0] < -NEGATIVE * covariance.trace():
        raise InputError(f"{path}: {covariance_key} has a negative eigenvalue beyond {NEGATIVE:.0e} of its trace; it is no covariance")
    rank = deficient_rank(covariance.numpy(), eigenvalues, values[covariance_key].dtype) if count is None else None
    return FeatureStatistics(mean, covariance, count, rank=rank)
