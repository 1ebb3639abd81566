"""The mean of the training latents, (C, h, w): what the mean velocity of flow matching is made of."""

from pathlib import Path

import numpy as np
from torch import Tensor, from_numpy

from sra.core.errors import InputError
from sra.core.npz import write_npz
from sra.core.progress import Progress
from sra.core.receipts import verify_contents, write_receipt
from sra.data.latents import posterior_mean
from sra.data.store import ArrayStore
from sra.spec.scale import Latent

KIND = "latent mean"
ROWS_AT_A_TIME = 1024


def write_latent_mean(latents: ArrayStore, output: Path) -> None:
    """Write npz: arr_0 (C, h, w) float32, the mean over all images of their posteriors' means times the scaling factor, summed in float64."""
    channels, *size = latents.row_shape
    total = np.zeros((channels // 2, *size))
    with Progress("mean latent", len(latents), "images") as progress:
        for start in range(0, len(latents), ROWS_AT_A_TIME):
            rows = np.arange(start, min(start + ROWS_AT_A_TIME, len(latents)))
            total += posterior_mean(latents.rows(rows).astype(np.float64), latents.facts["scaling_factor"]).sum(axis=0)
            progress.advance(len(rows))
    write_npz(output, {"arr_0": (total / len(latents)).astype(np.float32)})
    write_receipt(output, KIND, hashes={"latents": latents.sha256}, images=len(latents))


def latent_mean_of(file: Path, latent: Latent) -> Tensor:
    """(C, h, w) float32. Raises InputError for a file that is damaged, or of latents of another shape."""
    verify_contents(file, KIND)
    with np.load(file, allow_pickle=False) as stored:
        mean = stored["arr_0"]
    expected = (latent.channels, latent.size, latent.size)
    if mean.shape != expected:
        raise InputError(f"{file}: is of latents {mean.shape}, the run's are {expected}; make it of the store that the run trains on")
    return from_numpy(mean)
