"""Which images each training step sees: a function of (seed, step), so nothing is stored and training may stop and move anywhere."""

from functools import lru_cache

import numpy as np

from sra.core.errors import InputError
from sra.core.seeds import derive_seed


def batch_indices(count: int, batch: int, seed: int, step: int) -> np.ndarray:
    """Indices (batch,) int64 of step `step` (from 0) over `count` images, in the same order on every machine.

    An epoch has count // batch steps, each with its own images; the images left over wait for the next epoch's shuffle (SRA released
    code: drop_last).
    """
    if batch > count:
        raise InputError(f"batch {batch} is larger than the data set of {count} images; lower `batch` in the preset")
    epoch, place = divmod(step, count // batch)
    return _epoch_order(count, seed, epoch)[place * batch : (place + 1) * batch]


@lru_cache(maxsize=1)
def _epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    order = np.random.Generator(np.random.PCG64(derive_seed(seed, "order", epoch))).permutation(count)
    order.flags.writeable = False  # shared by every caller of the epoch
    return order
