"""Real images without statistics as a reference: the statistics are computed as ADM's evaluator does, said, and kept beside the images."""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sra.core.errors import InputError, StageError
from sra.core.files import sha256_of_file, sha256_of_json
from sra.core.npz import write_npz
from sra.core.receipts import receipt_path, verify_contents, write_receipt
from sra.metrics.arrays import can_be_images, images_in, open_arrays, other_images
from sra.metrics.extractors import Extractor
from sra.metrics.folders import open_folder
from sra.metrics.frechet import FeatureStatistics
from sra.metrics.reference import Reference, read_reference
from sra.metrics.samples import Images, digests_of
from sra.metrics.suite import RealFeatures, extract_batches

KIND = "statistics of real images"


@dataclass(frozen=True)
class ReadAs:
    """How a person wants real images to be read.  key: of the array in a file of several.  allow_jpeg, recursive: as of a folder of samples."""

    key: str | None = None
    allow_jpeg: bool = False
    recursive: bool | None = None


AS_USUAL = ReadAs()


@dataclass(frozen=True)
class RealImages:
    """images: (n, H, W, 3) uint8 in the file or folder at `path`.  key: of the array, None for a folder.  sha256: of all that was given."""

    path: Path
    images: Images
    key: str | None
    sha256: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Measured:
    """The reference with its statistics.  sha256: of the file that they are kept in, None where they could not be.

    features: what else the pass over the images gave, None when the statistics were read.
    """

    reference: Reference
    sha256: str | None
    features: RealFeatures | None


def holds_images_alone(path: Path) -> bool:
    """Whether the reference is a folder, or a file with neither mean nor covariance. Raises InputError for a file of another kind."""
    return path.is_dir() or not {"mu", "sigma"} & open_arrays(path).keys()


def open_real_images(path: Path, read_as: ReadAs) -> RealImages:
    """The images; none is decoded yet, but every byte is hashed."""
    if path.is_dir():
        if read_as.key:
            raise InputError(f"{path}: is a folder, which has no arrays to name; leave out --reference-key")
        folder = open_folder(path, read_as.allow_jpeg, read_as.recursive, what="reference images")
        images, key, sha256, notes = folder, None, folder.sha256(), folder.notes
    else:
        arrays = open_arrays(path)
        key = images_in(path, arrays, read_as.key, "--reference-key")
        images, sha256 = arrays[key], sha256_of_file(path)
        if not can_be_images(images):
            raise InputError(f"{path}: {key} is {images.dtype} {images.shape}; expected uint8 (N, H, W, 3) or mu and sigma beside them")
        notes = () if read_as.key else tuple(filter(None, [other_images(arrays, key)]))
    if len(images) < 2:
        raise InputError(f"{path}: {len(images)} images; a covariance needs at least 2")
    return RealImages(path, images, key, sha256, tuple(f"reference: {note}" for note in notes))


def outlined(real: RealImages, extractor: Extractor) -> Reference:
    """What a request can be checked against before the long pass: the images, and statistics whose numbers are not there yet (NaN)."""
    features = extractor.features(real.images[0:1])
    pooled, spatial = (_of_size(taps.shape[1], len(real.images)) for taps in (features.pooled, features.spatial))
    return Reference(pooled, spatial, real.images, real.notes, real.key)


def _of_size(dimensions: int, count: int) -> FeatureStatistics:
    nothing = torch.full((dimensions, dimensions), torch.nan, dtype=torch.float64)
    return FeatureStatistics(nothing[0], nothing, count)


def measured(real: RealImages, extractor: Extractor, extractor_sha256: str, batch: int, device: str) -> Measured:
    """The reference with statistics over all its images: those kept by an earlier call with the same images and extractor, or computed now."""
    kept = _kept_path(real, extractor, extractor_sha256)
    made_from = {"images": real.sha256, "extractor": extractor_sha256}
    found = _kept(kept, made_from, real.key)
    if found:
        _say(f"{real.path}: its statistics by {extractor.name} are read from {kept.name}")
        statistics, sha256 = found
        return Measured(Reference(statistics.pooled, statistics.spatial, real.images, real.notes, real.key), sha256, None)

    _say(f"{real.path}: holds {len(real.images)} images and no statistics; they are computed now by {extractor.name}")
    digests = digests_of(real.images, "the reference").values
    parts = (real.images[start : start + batch] for start in range(0, len(real.images), batch))
    features = extract_batches(parts, len(real.images), extractor, what="reference")
    reference = Reference(features.pooled_statistics, features.spatial_statistics, real.images, real.notes, real.key)
    facts = {"extractor": extractor.name, "key": real.key, "statistics_count": len(real.images), "batch": batch, "device": device}
    return Measured(reference, _keep(kept, reference, made_from, facts), RealFeatures(features.pooled, digests))


def _kept_path(real: RealImages, extractor: Extractor, extractor_sha256: str) -> Path:
    """Beside the images: their name, the extractor's, and a hash of both contents and of the key."""
    whole = Path(os.path.abspath(real.path))  # not of a link's target, which may lie on a disk of others
    name = re.sub(r"[^\w.-]", "_", extractor.name)
    return whole.with_name(f"{whole.name}.{name}-{sha256_of_json([real.sha256, real.key, extractor_sha256])[:16]}.npz")


def _kept(path: Path, made_from: dict[str, str], key: str | None) -> tuple[Reference, str] | None:
    """The statistics in a file of ours and its hash; None when there is none that is whole and of these images and this extractor."""
    if not path.exists():
        return None
    try:
        receipt = verify_contents(path, KIND)
        if dict(receipt["made_from"]) == made_from and receipt["facts"].get("key") == key:
            return read_reference(path, skip=("precision_recall",)), receipt["sha256"]
    except InputError as error:
        _say(f"{error} (computed again now)")
    return None


def _keep(path: Path, reference: Reference, made_from: dict[str, str], facts: dict) -> str | None:
    """Write the statistics and their receipt. A folder that takes no files costs the next call the same pass, and is no fault of this one."""
    arrays = {
        "mu": reference.pooled.mean.numpy(),
        "sigma": reference.pooled.covariance.numpy(),
        "mu_s": reference.spatial.mean.numpy(),
        "sigma_s": reference.spatial.covariance.numpy(),
        "statistics_count": np.int64(reference.pooled.count),
    }
    try:
        receipt_path(path).unlink(missing_ok=True)
        write_npz(path, arrays)
        receipt = write_receipt(path, KIND, hashes=made_from, **facts)
    except (InputError, StageError, OSError) as error:
        _say(f"the statistics were not kept, and are computed again by the next command ({error})")
        return None
    _say(f"the statistics are kept in {path}")
    return receipt["sha256"]


def _say(message: str) -> None:
    print(f"reference: {message}", file=sys.stderr, flush=True)
