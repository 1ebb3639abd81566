"""Sample packs as figures read them: a few images at named places, and what was asked for there."""

from pathlib import Path
from typing import Literal

import numpy as np

from sra.core.errors import InputError
from sra.core.npz import open_npz
from sra.core.receipts import receipt_path, verify_contents
from sra.spec.run import check_place

Asked = Literal["labels", "captions"]


class SamplePack:
    """Images `arr_0` (N, H, W, C) uint8 of an npz file, and `labels` (N,) or `captions` (N,), UTF-8 in bytes of one width.

    Only the images asked for are read; nothing is unpickled.
    """

    def __init__(self, path: Path, asked: Asked = "labels"):
        self.path = path
        if receipt_path(path).exists():
            check_place(path, verify_contents(path, "samples")["facts"]["run"])
        arrays = open_npz(path)
        if not {"arr_0", asked} <= arrays.keys():
            raise InputError(f"{path}: not a sample pack with arr_0 and {asked}; delete it and build it again")
        self._images, self.asked = arrays["arr_0"], arrays[asked].whole()
        self.shape, dtype = self._images.shape, self._images.dtype
        if dtype != np.uint8 or len(self.shape) != 4 or self.shape[3] not in (1, 3):
            raise InputError(f"{path}: arr_0 is {dtype} {self.shape}, expected uint8 images (N, H, W, 1 or 3); delete it and build it again")
        if self.asked.shape != (len(self),):
            raise InputError(f"{path}: {len(self)} images but {self.asked.size} {asked}; delete it and build it again")
        if asked == "captions" and self.asked.dtype.kind != "S":
            raise InputError(f"{path}: captions are {self.asked.dtype}, expected bytes in UTF-8; delete it and build it again")

    def __len__(self) -> int:
        return self.shape[0]

    def image(self, index: int) -> np.ndarray:
        """The image (H, W, 3) uint8; one channel is shown as grey."""
        image = self._images[index : index + 1][0]
        return image.repeat(3, axis=2) if image.shape[2] == 1 else image

    def first_of(self, label: int, count: int) -> list[int]:
        """Places of the first `count` images of a class, in the order in which they were drawn."""
        return np.flatnonzero(self.asked == label)[:count].tolist()

    def first(self, count: int) -> np.ndarray:
        """The first `count` images (count, H, W, C), as they are stored."""
        return self._images[:count]

    def caption(self, index: int) -> str:
        try:
            return self.asked[index].decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{self.path}: caption {index} is not UTF-8 ({error}); delete it and build it again") from None
