"""Maximum mean discrepancy between two sets of embeddings under a Gaussian kernel, the number behind CMMD.

Source: Jayasumana et al. 2024 (arXiv 2401.09603): unit vectors of CLIP ViT-L/14 at 336 pixels, bandwidth 10, times 1000. The paper calls its
estimate unbiased; the code it released (cmmd/distance.py) averages each vector's kernel with itself too, which is the biased one, never
below 0. Published numbers come from the code.
"""

from typing import Literal

import torch
from torch import Tensor

from sra.core.errors import InputError

Estimator = Literal["biased", "unbiased"]

BANDWIDTH = 10.0  # of the kernel exp(-|x - y|^2 / (2 BANDWIDTH^2))
SCALE = 1000.0  # makes the number readable
BLOCK = 2048  # rows of the kernel matrix in memory at a time


def maximum_mean_discrepancy(reference: Tensor, samples: Tensor, estimator: Estimator = "biased") -> float:
    """SCALE times the squared discrepancy between reference (N, d) and samples (M, d), unit vectors of any float dtype, in float64.

    Lower is better. biased: the mean over all pairs (Gretton et al. 2012, eq. 5), as the released code. unbiased: without the pairs of a
    vector with itself (eq. 3), so two halves of one set average 0 and some values are below it.
    """
    if reference.ndim != 2 or samples.ndim != 2 or reference.shape[1] != samples.shape[1]:
        raise ValueError(f"expected embeddings (N, d) and (M, d), got {tuple(reference.shape)} and {tuple(samples.shape)}")
    least = {"biased": 1, "unbiased": 2}.get(estimator)
    if least is None:
        raise ValueError(f"unknown estimator {estimator!r}; use biased or unbiased")
    for name, embeddings in (("reference", reference), ("sample", samples)):
        if len(embeddings) < least:
            raise InputError(f"CMMD ({estimator}): {len(embeddings)} {name} images; it takes at least {least}")
    reference, samples = reference.double(), samples.double()
    # With ones subtracted from all kernels they cancel in the sum, and a vector's kernel with itself becomes 0.
    within = [_total(x, x) / (len(x) * (len(x) - (estimator == "unbiased"))) for x in (reference, samples)]
    across = _total(reference, samples) / (len(reference) * len(samples))
    return SCALE * (within[0] + within[1] - 2 * across)


def _total(x: Tensor, y: Tensor) -> float:
    """Sum of kernel - 1 over all pairs of x (n, d) and y (m, d), float64. Kernels near 1 keep their digits this way."""
    total = torch.zeros((), dtype=torch.float64, device=x.device)
    for rows in x.split(BLOCK):
        squares = rows.square().sum(1)[:, None] + y.square().sum(1) - 2 * rows @ y.T
        total += torch.expm1(squares.clamp(min=0) / (-2 * BANDWIDTH**2)).sum()
    return float(total)
