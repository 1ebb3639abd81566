"""A pack of generated images and what makes one unfit to be scored."""

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from sra.core.errors import InputError
from sra.core.npz import read_npz
from sra.metrics.precision_recall import NEIGHBOURS

MAX_DUPLICATE_SHARE = 0.01


@dataclass(frozen=True)
class SamplePack:
    """images: (N, H, W, 3) uint8, mapped from the file.  labels: (N,) int64, the class each image was asked to show."""

    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Repeats:
    """duplicates: samples whose bytes equal an earlier sample's.  copied: samples whose bytes equal a reference image's."""

    duplicates: int
    copied: int


def read_samples(path: Path) -> SamplePack:
    """The pack in `path`. Its statistics, if it carries any, are never used in place of its images."""
    arrays = read_npz(path)
    if "mu" in arrays or "sigma" in arrays:
        raise InputError(f"{path}: a sample pack carries mu or sigma; it is a reference file, or its scores would not come from its images")
    for key in ("arr_0", "labels"):
        if key not in arrays:
            raise InputError(f"{path}: the key {key} is missing; a sample pack holds arr_0 and labels")
    return SamplePack(arrays["arr_0"], arrays["labels"])


def check_samples(pack: SamplePack, image_shape: tuple[int, ...], count: int, balanced: bool) -> None:
    """Raise InputError unless the pack holds `count` uint8 images of (H, W, 3) = `image_shape`, each with a label.

    balanced: the labels were declared to ask for every class from 0 to the highest equally often, give or take one.
    """
    images, labels = pack.images, pack.labels
    if images.dtype != np.uint8:
        raise InputError(f"samples: images are {images.dtype}; expected uint8 in 0 ... 255, quantised by the sampler")
    if images.ndim != 4 or images.shape[-1] != 3:
        raise InputError(f"samples: images are {images.shape}; expected (N, H, W, 3), colour last, without alpha")
    if images.shape[1:] != image_shape:
        raise InputError(f"samples: images are {images.shape[1:3]} pixels, the reference's {image_shape[:2]}; score them against their own size")
    if len(images) != count:
        raise InputError(f"samples: {len(images)} images, {count} were declared; a score belongs to its count, so draw them all again")
    if count <= NEIGHBOURS:
        raise InputError(f"samples: {count} images; the scores need at least {NEIGHBOURS + 1}")
    if labels.shape != (count,) or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"samples: labels are {labels.dtype} {labels.shape}; expected one integer for each of the {count} images")
    if labels.min() < 0:
        raise InputError(f"samples: label {labels.min()} at index {labels.argmin()}; classes count from 0")
    per_class = np.bincount(labels)
    if balanced and per_class.max() - per_class.min() > 1:
        raise InputError(
            f"samples: labels were declared balanced, yet class {per_class.argmax()} has {per_class.max()} images and class {per_class.argmin()} "
            f"{per_class.min()}; declare them random or draw them again"
        )


def find_repeats(images: np.ndarray, reference_images: np.ndarray) -> Repeats:
    """Compare every image's bytes with the other samples' and the reference's; refuse more duplicates than chance explains."""
    digests = [_digest(image) for image in images]
    duplicates = len(digests) - len(set(digests))
    if duplicates > MAX_DUPLICATE_SHARE * len(images):
        raise InputError(
            f"samples: {duplicates} of {len(images)} images repeat an earlier one byte for byte, more than {MAX_DUPLICATE_SHARE:.0%}; "
            "the sampler failed (blank images?) or drew some seeds twice"
        )
    real = {_digest(image) for image in reference_images}
    return Repeats(duplicates, sum(digest in real for digest in digests))


def _digest(image: np.ndarray) -> bytes:
    return blake2b(np.ascontiguousarray(image), digest_size=16).digest()
