"""Handwritten digits as an image archive: the laptop's stand-in for ImageNet.

Source: Alpaydin & Kaynak 1998, "Optical Recognition of Handwritten Digits" (UCI), the 1,797 test images that scikit-learn ships:
8 x 8 grey, values 0 (paper) to 16 (ink). They are upsampled once, here, to the size of a data set; from the archive on they are treated as
ImageNet images are.
"""

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from sra.core.files import written_whole
from sra.core.seeds import derive_seed

IMAGE_SIZE = 32
INK = 16  # largest value in the source
HELD_OUT_EVERY = 5  # one digit in five, so 1,437 to train on and 360 held out
SPLIT_SEED = 0
EPOCH_OF_ZIP = (1980, 1, 1, 0, 0, 0)  # earliest date a zip can hold: the same bytes on every day


def write_digits(path: Path, image_size: int = IMAGE_SIZE) -> None:
    """Write an uncompressed zip of RGB PNGs: `train/<class>/<number:04d>.png` and `held_out/<class>/<number:04d>.png`.

    `number` is the digit's place in scikit-learn's order: the same split and names at every size. Equal bytes on every call.
    """
    from sklearn.datasets import load_digits  # seconds to import, needed here alone

    source = load_digits()
    held_out = held_out_numbers(source.target.tolist())
    splits = ["held_out" if number in held_out else "train" for number in range(len(source.target))]
    names = (f"{split}/{label}/{number:04d}.png" for number, (split, label) in enumerate(zip(splits, source.target, strict=True)))
    write_pngs(path, zip(names, (upsampled(image, image_size) for image in source.images), strict=True))


def write_pngs(path: Path, images: Iterable[tuple[str, np.ndarray]]) -> None:
    """An uncompressed zip of PNGs, name and pixels (H, W, 3) uint8 each, without times or systems in it: the same bytes on every day."""
    with written_whole(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, pixels in images:
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, format="PNG")
            member = zipfile.ZipInfo(name, EPOCH_OF_ZIP)
            member.create_system, member.external_attr = 3, 0o644 << 16  # Unix, whatever system writes it
            archive.writestr(member, buffer.getvalue())


def held_out_numbers(labels: list[int]) -> set[int]:
    """Every fifth digit of each class, in an order shuffled by hash: stratified to within one image."""
    shuffled = sorted(range(len(labels)), key=lambda number: (labels[number], derive_seed(SPLIT_SEED, "digits", "split", number)))
    return set(shuffled[::HELD_OUT_EVERY])


def upsampled(grey: np.ndarray, image_size: int = IMAGE_SIZE) -> np.ndarray:
    """One digit (8, 8), values 0 to 16 -> (image_size, image_size, 3) uint8, values 0 to 255, three equal channels.

    Bicubic (PIL's, a = -0.5) in floating point; its overshoot is clipped and the result rounded once.
    """
    values = np.rint(np.clip(enlarged(grey, image_size) * (255 / INK), 0, 255)).astype(np.uint8)
    return np.repeat(values[..., None], 3, axis=2)


def enlarged(grey: np.ndarray, size: int) -> np.ndarray:
    """One digit (8, 8) -> (size, size) float32 in the same units, bicubic: it may overshoot."""
    return np.asarray(Image.fromarray(grey.astype(np.float32)).resize((size, size), Image.Resampling.BICUBIC))
