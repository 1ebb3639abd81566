"""Mean and deviation of each channel of a store's latents: what latents of any autoencoder are standardised by."""

import numpy as np

from sra.core.errors import InputError
from sra.data.store import ArrayStore

MOST_IMAGES = 10_000  # evenly spaced ones of a larger store; with 32 x 32 places each that is far more than a deviation needs
ROWS_AT_A_TIME = 1024
ROUNDING = 1e-12  # of the mean square of a channel, what a variance of 0 may come out as


def channel_statistics(latents: ArrayStore) -> np.ndarray:
    """(2, C) float32, means and standard deviations over images, places and draws of the posterior, in the scale in which the network sees latents.

    A function of the store alone, summed in float64. Raises InputError for a channel that says nothing.
    """
    count = min(len(latents), MOST_IMAGES)
    rows = np.arange(count) * len(latents) // count
    channels = latents.row_shape[0] // 2
    sums = np.zeros((2, channels))
    for start in range(0, count, ROWS_AT_A_TIME):
        moments = latents.rows(rows[start : start + ROWS_AT_A_TIME]).astype(np.float64)
        means, deviations = moments[:, :channels], moments[:, channels:]
        # Of a draw: the square of its mean, and the variance about that.
        sums += [means.sum(axis=(0, 2, 3)), (means**2 + deviations**2).sum(axis=(0, 2, 3))]
    mean, square = sums / (count * np.prod(latents.row_shape[1:]))
    variance = square - mean**2
    if (flat := np.flatnonzero(variance <= ROUNDING * square)).size:
        raise InputError(f"{latents.manifest}: channel {flat[0]} is the same in all latents, which scale: unit would divide by; give scale: model")
    return (latents.facts["scaling_factor"] * np.stack([mean, np.sqrt(variance)])).astype(np.float32)
