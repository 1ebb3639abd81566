"""A set of generated images, and what makes one unfit to be scored."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

import numpy as np

from sra.core.errors import InputError
from sra.core.npz import Rows
from sra.core.progress import Progress
from sra.metrics.arrays import images_in, labels_in, open_arrays, other_images
from sra.metrics.folders import open_folder
from sra.metrics.labels import LabelPolicy, check_labels, check_policy
from sra.metrics.precision_recall import NEIGHBOURS

DIGEST_BYTES = 16
NEAR_CONSTANT = 4  # levels of 255 that each channel of an image may span and still show nothing
BYTES_AT_A_TIME = 1 << 26


class Images(Protocol):
    """N images as an array of (N, H, W, 3) that may lie on disk: slices of it are read when they are asked for."""

    shape: tuple[int, ...]
    dtype: np.dtype

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice) -> np.ndarray: ...


@dataclass(frozen=True)
class SampleSet:
    """images: (N, H, W, 3) uint8.  labels: (N,) integers, the class each image was asked to show; None where the file has none.

    captions: of N images, what each was asked to show; None where the file has none.  notes: what a reader of its scores should know.
    key, labels_key: the arrays of the file that were taken; None for a folder, and for labels that it has not.
    """

    images: Images
    labels: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    captions: list[str] | None = None
    key: str | None = None
    labels_key: str | None = None


@dataclass(frozen=True)
class Repeats:
    """duplicates: samples whose bytes equal an earlier sample's.  blank: further samples that show nothing.

    copied: samples whose bytes equal a reference image's; None when the reference has no images.
    """

    duplicates: int
    blank: int
    copied: int | None


@dataclass(frozen=True)
class Digests:
    """values: (N, 16) uint8, equal for images of equal bytes.  blank: (N,) bool, whether every channel is nearly constant."""

    values: np.ndarray
    blank: np.ndarray


def read_samples(
    path: Path, allow_jpeg: bool = False, key: str | None = None, labels_key: str | None = None, recursive: bool | None = None
) -> SampleSet:
    """The samples in an npz, a .npy or a folder of images; no image is read yet. Statistics in the file are never used in place of its images.

    key, labels_key: the arrays of an npz to take; None for those that cannot be mistaken.  recursive: whether sub-folders are read, as `open_folder`.
    """
    if Path(path).is_dir():
        if key or labels_key:
            raise InputError(f"{path}: is a folder, which has no arrays to name; leave out {'--key' if key else '--labels-key'}")
        images = open_folder(path, allow_jpeg, recursive)
        return SampleSet(images, None, images.notes)
    arrays = open_arrays(path)
    if "mu" in arrays or "sigma" in arrays:
        raise InputError(f"{path}: a sample file carries mu or sigma; it is a reference file, or its scores would not come from its images")
    name = images_in(path, arrays, key)
    labels = labels_in(path, arrays, name, labels_key)
    captions = None if "captions" not in arrays else _packed_captions(path, arrays["captions"])
    notes = [*([] if key else [other_images(arrays, name)]), *labels.notes]
    values = None if labels.key is None else arrays[labels.key].whole()
    return SampleSet(arrays[name], values, tuple(filter(None, notes)), captions, name, labels.key)


def read_caption_lines(path: Path) -> list[str]:
    """One caption a line of a UTF-8 text file, in the order of the images."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; give a text file with one caption a line, in the order of the images")
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")  # some editors begin a file with a mark that is no part of the first caption
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    return _none_empty(lines, f"{path}: line", first=1)


def _packed_captions(path: Path, rows: Rows) -> list[str]:
    """Captions kept as bytes of one width (numpy's S), which pads with zero bytes."""
    if rows.dtype.kind != "S" or rows.ndim != 1:
        raise InputError(f"{path}: captions are {rows.dtype} {rows.shape}; expected UTF-8 bytes of one width (numpy dtype S), one for each image")
    captions = []
    for number, caption in enumerate(rows.whole().tolist()):
        try:
            captions.append(caption.decode())
        except UnicodeDecodeError:
            raise InputError(f"{path}: caption {number} is not UTF-8; write captions as text.encode()") from None
    return _none_empty(captions, f"{path}: caption", first=0)


def _none_empty(captions: list[str], where: str, first: int) -> list[str]:
    """where: what the number of a caption, counted from `first`, is put after."""
    empty = next((number for number, caption in enumerate(captions, first) if not caption.strip()), None)
    if empty is not None:
        raise InputError(f"{where} {empty} is empty; every image needs the caption that it was drawn from")
    return captions


def check_samples(
    samples: SampleSet,
    image_shape: tuple[int, ...] | None,
    count: int,
    policy: LabelPolicy | None,
    classes: int | None = None,
    drawn: Sequence[int] | None = None,
) -> None:
    """Raise InputError unless the set holds `count` uint8 images of (H, W, 3) = `image_shape`, and labels of the claimed `policy`.

    image_shape: None when the reference has no images to compare with.  policy: None when nothing is claimed; any labels are then fine.
    classes, drawn: how many classes there are, and which of them were drawn from; None when nobody says.
    """
    images = samples.images
    if images.dtype != np.uint8:
        raise InputError(f"samples: images are {images.dtype}; expected uint8 in 0 ... 255, quantised by the sampler")
    if len(images.shape) != 4 or images.shape[-1] != 3:
        raise InputError(f"samples: images are {images.shape}; expected (N, H, W, 3), colour last, without alpha")
    if image_shape is not None and images.shape[1:] != image_shape:
        raise InputError(f"samples: images are {images.shape[1:3]} pixels, the reference's {image_shape[:2]}; score them against their own size")
    if len(images) != count:
        raise InputError(
            f"samples: {len(images)} images, {count} were declared; a score belongs to its count: complete or trim the set, "
            "or declare its count (--count), or give --allow-count for a score named by its count"
        )
    if count <= NEIGHBOURS:
        raise InputError(f"samples: {count} images; the scores need at least {NEIGHBOURS + 1}")
    if samples.labels is not None:
        check_labels(samples.labels, count, classes)
    if samples.captions is not None and len(samples.captions) != count:
        raise InputError(f"samples: {len(samples.captions)} captions for {count} images; give one for each, in the order of the images")
    if policy is not None:
        check_policy(samples.labels, policy, classes, drawn)


def digests_of(images: Images, what: str) -> Digests:
    """One pass over the images, which also reads every byte: a damaged file is found before any feature is computed."""
    batch = max(1, BYTES_AT_A_TIME // max(1, math.prod(images.shape[1:])))
    values, blank = np.empty((len(images), DIGEST_BYTES), np.uint8), np.empty(len(images), bool)
    with Progress(f"compare the bytes of {what}", len(images), "images") as progress:
        for start in range(0, len(images), batch):
            part = np.ascontiguousarray(images[start : start + batch])
            for row, image in enumerate(part, start):
                values[row] = np.frombuffer(blake2b(image, digest_size=DIGEST_BYTES).digest(), np.uint8)
                blank[row] = _is_blank(image)
            progress.advance(len(part))
    return Digests(values, blank)


def _is_blank(image: np.ndarray) -> bool:
    """Whether each channel of (H, W, 3) uint8 spans at most NEAR_CONSTANT levels."""
    # A few pixels settle almost every image.
    return all((np.ptp(pixels.reshape(-1, 3), axis=0) <= NEAR_CONSTANT).all() for pixels in (image[::16, ::16], image))


def find_repeats(samples: Digests, reference: np.ndarray | None, max_share: float) -> Repeats:
    """Compare every sample with the other samples and with the reference's digests (n, 16); refuse more repeats and blanks than declared."""
    keys = [value.tobytes() for value in samples.values]
    first = {}
    for row, key in enumerate(keys):
        first.setdefault(key, row)
    repeated = np.array([first[key] != row for row, key in enumerate(keys)])
    duplicates, blank = int(repeated.sum()), int((samples.blank & ~repeated).sum())
    if duplicates + blank > max_share * len(keys):
        unfit = repeated | samples.blank
        raise InputError(
            f"samples: {duplicates} of {len(keys)} images repeat an earlier one byte for byte and {blank} more are blank, more than "
            f"{max_share:.0%} (first: index {unfit.argmax()}); the sampler failed or drew some seeds twice, or declare the share by --max-duplicates"
        )
    real = None if reference is None else {value.tobytes() for value in reference}
    return Repeats(duplicates, blank, None if real is None else sum(key in real for key in keys))
