"""What the official centre crops give for the formula's images."""

import hashlib
from collections.abc import Callable

import numpy as np
import PIL.Image
import torch
from checkouts import Official
from formula import CROPPED_TO, IMAGES, image, picked
from torch import Tensor


def crop_arrays(official: Official) -> dict[str, Tensor]:
    found = {}
    for code, crop in crops(official).items():
        for size in CROPPED_TO:
            cropped = [crop(image(*shape), size) for shape in IMAGES]
            found[f"{code}/{size}/sha256"] = torch.tensor([list(hashlib.sha256(one.tobytes()).digest()) for one in cropped], dtype=torch.uint8)
            found[f"{code}/{size}/pixels"] = torch.stack([picked(one) for one in cropped])
    return found


def crops(official: Official) -> dict[str, Callable[[np.ndarray, int], np.ndarray]]:
    """The crop of each code, as a function of an image (height, width, 3) uint8 and a size."""
    dit = official.function("DiT/train.py", "center_crop_arr")
    repa, sra = (official.function(f"{name}/preprocessing/dataset_tools.py", "center_crop_imagenet") for name in ("REPA", "SRA"))
    return {
        "dit": lambda pixels, size: np.asarray(dit(PIL.Image.fromarray(pixels), size)),
        "repa": lambda pixels, size: np.ascontiguousarray(repa(size, pixels)),
        "sra": lambda pixels, size: np.ascontiguousarray(sra(size, pixels)),
    }
