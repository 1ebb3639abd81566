"""Our centre crop on the formula's images."""

import hashlib
from functools import cache

import numpy as np
import PIL.Image
from formula import CROPPED_TO, IMAGES, image, picked
from registry import Comparison, official, relative

from sra.data.crops import adm_center_crop


@cache
def cropped(width: int, height: int, size: int) -> np.ndarray:
    return np.asarray(adm_center_crop(PIL.Image.fromarray(image(width, height)), size))


def crop(code: str) -> dict[str, float]:
    """Some pixels of each image by their difference, all of them by their hash: 0 when it is the same, else infinity."""
    found = {}
    for size in CROPPED_TO:
        hashes, pixels = (official("crops", f"{code}/{size}/{what}") for what in ("sha256", "pixels"))
        for shape, sha256, expected in zip(IMAGES, hashes, pixels, strict=True):
            ours, name = cropped(*shape, size), f"{shape[0]} x {shape[1]} to {size}"
            found[f"{name}, pixels"] = relative(picked(ours), expected)
            found[f"{name}, hash"] = 0.0 if hashlib.sha256(ours.tobytes()).digest() == bytes(sha256.tolist()) else float("inf")
    return found


COMPARED = f"to 256 and 512 px, {len(IMAGES)} shapes from 131 × 97 to 2303 × 2065: every byte"
COMPARISONS = [Comparison("Centre crop", code, COMPARED, lambda code=code: crop(code.lower()), tolerance=0) for code in ("DiT", "REPA", "SRA")]
