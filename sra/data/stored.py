"""Numbers that a network computed, on their way into a file: what is not finite, or too large for the file's type, stops the work at once.

A NaN that is stored is found hours later, as a loss that is not finite or as a black image, where nothing says which image it came from.
"""

from collections.abc import Callable

import numpy as np

from sra.core.errors import InputError
from sra.spec.scale import StoredDtype

STORED = {"fp32": np.float32, "fp16": np.float16}  # as presets and options name them


def as_stored(values: np.ndarray, dtype: StoredDtype, first_row: int, named: Callable[[int], str], what: str, maker: str) -> np.ndarray:
    """Values (b, ...) float32 as the file holds them.

    first_row: place of the first in the whole.  named: the image or caption of a row, for a person.  what: the values, as "its latent".
    maker: whose weights made them. Raises InputError naming the first row that is not finite or that `dtype` cannot hold.
    """
    with np.errstate(over="ignore"):
        stored = values.astype(STORED[dtype])
    row = first_not_finite(stored)
    if row is None:
        return stored
    where, largest = named(first_row + row), np.abs(values[row]).max()
    if np.isfinite(largest):
        raise InputError(f"{where}: {what} reaches {largest:.3g}, which {dtype} cannot hold; give --dtype fp32")
    raise InputError(f"{where}: {what} is not finite in float32, expected numbers; check the weights of {maker}")


def first_not_finite(values: np.ndarray) -> int | None:
    """The first row of values (b, ...) with NaN or infinity in it."""
    broken = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    return int(broken.argmax()) if broken.any() else None
