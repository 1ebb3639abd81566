"""Fashion-MNIST as an image archive: real images of clothes in ten classes, between the digits and ImageNet.

Source: Xiao, Rasul & Vollgraf 2017 (arXiv 1708.07747), 60,000 images to train on and 10,000 held out, 28 x 28 grey, read by torchvision. A border
of two black pixels, the source's own background, makes them 32 x 32; from the archive on they are treated as ImageNet images are.
"""

import gzip
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError

import numpy as np

from sra.core.errors import InputError
from sra.data.made import NamedImages, Request, write_pngs
from sra.spec.config import typed

if TYPE_CHECKING:
    from torchvision.datasets import FashionMNIST

IMAGE_SIZE, SOURCE_SIZE = 32, 28
IMAGES = 70_000
SPLITS = {"train": "train", "held_out": "t10k"}  # ours: how the source calls it
# Places of their names are the source's labels; the number in front keeps their order in a sorted list of folders.
CLASSES = ("t_shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle_boot")
LARGEST_FILE = 64 << 20  # bytes unpacked; the largest of the real ones has 47,040,016
GZIP = b"\x1f\x8b"
PLACES = (".", "raw", "FashionMNIST/raw")  # the last two: below the root of torchvision's FashionMNIST
PAGE = "github.com/zalandoresearch/fashion-mnist"


def images(request: Request) -> NamedImages:
    """The first of each split, named `<split>/<class>/<number:05d>.png` by their place there; six of seven of `request.images` to train on."""
    source = read_fashion(request.source) if request.source else download_fashion(request.downloads / "fashion_mnist")
    return _padded(source, request.images)


def write_fashion(path: Path, source: "dict[str, FashionMNIST]", images: int = IMAGES) -> None:
    """Write an uncompressed zip of RGB PNGs, `train/<class>/<number:05d>.png` and `held_out/<class>/<number:05d>.png`.

    images: of both splits, six of seven to train on, the first of each split of `source`. `number` is the place there. Equal bytes on every call.
    """
    write_pngs(path, _padded(source, images))


def padded(grey: np.ndarray) -> np.ndarray:
    """One image (28, 28) uint8 -> (32, 32, 3) uint8, three equal channels, in the middle of black."""
    border = (IMAGE_SIZE - SOURCE_SIZE) // 2
    return np.repeat(np.pad(grey, border)[..., None], 3, axis=2)


def read_fashion(folder: Path) -> "dict[str, FashionMNIST]":
    """Both splits from a folder with the source's four files, as downloaded (.gz) or unpacked, or from the root of torchvision's FashionMNIST.

    Raises InputError for one that is missing or wrong.
    """
    folder = Path(folder)
    with tempfile.TemporaryDirectory() as root:
        raw = Path(root, "FashionMNIST", "raw")
        raw.mkdir(parents=True)
        for split in SPLITS.values():
            for name in (f"{split}-images-idx3-ubyte", f"{split}-labels-idx1-ubyte"):
                (raw / name).write_bytes(_unpacked(folder, name))
        return _opened(Path(root), folder, download=False)


def download_fashion(folder: Path) -> "dict[str, FashionMNIST]":
    """Both splits by torchvision, which keeps the files in `folder` and checks what it downloads. Raises InputError where there is no network."""
    return _opened(Path(folder), Path(folder), download=True)


def _padded(source: "dict[str, FashionMNIST]", count: int) -> NamedImages:
    return ((name, padded(grey)) for name, grey in _named(source, count))


def _opened(root: Path, shown: Path, download: bool) -> "dict[str, FashionMNIST]":
    from torchvision.datasets import FashionMNIST  # seconds to import, needed here alone

    try:
        return {split: FashionMNIST(str(root), train=split == "train", download=download) for split in SPLITS}
    except (URLError, OSError, RuntimeError, AssertionError, ValueError, TypeError, KeyError, IndexError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        if download:
            fetch = f"fetch its four .gz files from {PAGE} (Debian: apt-get install dataset-fashion-mnist)"
            raise InputError(f"{shown}: Fashion-MNIST cannot be downloaded ({reason}); {fetch} and name their folder: {typed('fashion')}") from None
        raise InputError(f"{shown}: its files are not those of Fashion-MNIST ({reason}); fetch them again from {PAGE}") from None


def _unpacked(folder: Path, name: str) -> bytes:
    """The content of one of the source's files: packed or not, which its first bytes say, with a dash or a dot before idx, there or in the
    folders that torchvision makes. An empty or broken file does not hide a good one beside it.
    """
    names = [f"{base}{suffix}" for base in (name, name.replace("-idx", ".idx")) for suffix in (".gz", "")]
    found = [folder / place / spelled for place in PLACES for spelled in names if (folder / place / spelled).is_file()]
    if not found:
        raise InputError(f"{folder / name}.gz: no such file; name a folder with the four files of {PAGE}: {typed('fashion')}")
    errors = []
    for file in found:
        try:
            return _content(file)
        except InputError as error:
            errors.append(error)
    raise errors[0]


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            packed = file.read(2) == GZIP
        with gzip.open(path) if packed else path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be unpacked ({error}); fetch it again from {PAGE}") from None
    if not content and not packed:
        raise InputError(f"{path}: is empty, so a download broke off; fetch it again from {PAGE}")
    if len(content) > LARGEST_FILE:
        raise InputError(f"{path}: unpacks to more than {LARGEST_FILE >> 20} MB, which no file of Fashion-MNIST does; fetch it again from {PAGE}")
    return content


def _named(source: "dict[str, FashionMNIST]", images: int) -> Iterator[tuple[str, np.ndarray]]:
    """Name in the archive and grey pixels (28, 28) of each image. Raises InputError when the source has fewer, or others."""
    counts = {"train": images * 6 // 7, "held_out": images - images * 6 // 7}
    for split, count in counts.items():
        data = source[split]
        pixels, labels = data.data.numpy(), data.targets.tolist()
        if pixels.shape[1:] != (SOURCE_SIZE, SOURCE_SIZE) or len(labels) != len(pixels) or not set(labels) <= set(range(len(CLASSES))):
            raise InputError(f"Fashion-MNIST: split {split} has images {pixels.shape} and {len(labels)} labels; fetch its files again from {PAGE}")
        if len(pixels) < count:
            raise InputError(f"Fashion-MNIST: split {split} has {len(pixels)} images, expected at least {count}; fetch its files again from {PAGE}")
        for number in range(count):
            yield f"{split}/{labels[number]}_{CLASSES[labels[number]]}/{number:05d}.png", pixels[number]
