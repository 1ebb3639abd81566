"""Handwritten digits as an image archive: the laptop's stand-in for ImageNet.

Source: Alpaydin & Kaynak 1998, "Optical Recognition of Handwritten Digits" (UCI), the 1,797 test images that scikit-learn ships:
8 x 8 grey, values 0 (paper) to 16 (ink). They are upsampled once, here, to the size of a data set; from the archive on they are treated as
ImageNet images are.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from sra.core.seeds import derive_seed
from sra.data.made import NamedImages, Request, write_pngs

IMAGE_SIZE = 32
IMAGES, CLASSES = 1797, 10
INK = 16  # largest value in the source
HELD_OUT_EVERY = 5  # one digit in five, so 1,437 to train on and 360 held out
SPLIT_SEED = 0


def images(request: Request) -> NamedImages:
    """All of them at one size, named `<split>/<class>/<number:04d>.png` by their place in scikit-learn's order: the same names at every size."""
    from sklearn.datasets import load_digits  # seconds to import, needed here alone

    digits = load_digits()
    held_out = held_out_numbers(digits.target.tolist())
    for number, (label, grey) in enumerate(zip(digits.target, digits.images, strict=True)):
        split = "held_out" if number in held_out else "train"
        yield f"{split}/{label}/{number:04d}.png", upsampled(grey, request.image_size)


def write_digits(path: Path, image_size: int = IMAGE_SIZE) -> None:
    """Write them as an archive. Equal bytes on every call."""
    write_pngs(path, images(Request(IMAGES, CLASSES, image_size)))


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
