"""Kernel distance between two sets of features, the number behind KID.

Source: Bińkowski et al. 2018: the unbiased estimate of the squared maximum mean discrepancy under a cubic kernel, averaged over subsets.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sra.core.errors import InputError
from sra.core.seeds import derive_seed

DEGREE = 3
OFFSET = 1.0
SUBSETS = 100
SUBSET_SIZE = 1000


@dataclass(frozen=True)
class KernelDistance:
    """mean: over the subsets; unbiased, so it may be below 0.  sd: of the subsets about it (divided by their number, as torch-fidelity prints)."""

    mean: float
    sd: float


def kernel_distance(reference: Tensor, samples: Tensor, seed: int, subsets: int = SUBSETS, size: int = SUBSET_SIZE) -> KernelDistance:
    """Lower is better; its expectation does not depend on the number of features.

    reference: (N, d), samples: (M, d), any float dtype. Each subset draws `size` of either without repetition, as a function of (seed, subset).
    """
    for name, features in (("reference", reference), ("sample", samples)):
        if len(features) < size or size < 2:
            raise InputError(f"KID: subsets of {size} from {len(features)} {name} features; a subset takes at least 2 and at most all of them")
    distances = torch.tensor([_of_subset(reference, samples, seed, subset, size) for subset in range(subsets)], dtype=torch.float64)
    return KernelDistance(float(distances.mean()), float(distances.std(correction=0)))


def _of_subset(reference: Tensor, samples: Tensor, seed: int, subset: int, size: int) -> float:
    generator = torch.Generator().manual_seed(derive_seed(seed, "kid", subset))
    drawn = [features[torch.randperm(len(features), generator=generator)[:size].to(features.device)] for features in (reference, samples)]
    return unbiased_discrepancy(*drawn)


def unbiased_discrepancy(u: Tensor, v: Tensor) -> float:
    """Squared maximum mean discrepancy between u (n, d) and v (m, d), n, m >= 2, in float64 (Gretton et al. 2012, eq. 3)."""
    u, v = u.double(), v.double()
    # A vector's kernel with itself would bias the mean within a set, so the diagonals stay out.
    within = [(kernel.sum() - kernel.trace()) / (len(kernel) * (len(kernel) - 1)) for kernel in (cubic_kernel(u, u), cubic_kernel(v, v))]
    return float(within[0] + within[1] - 2 * cubic_kernel(u, v).mean())


def cubic_kernel(u: Tensor, v: Tensor) -> Tensor:
    """(u . v / d + 1)^3 for each pair of u (n, d) and v (m, d): (n, m)."""
    return (u @ v.T).div_(u.shape[1]).add_(OFFSET).pow_(DEGREE)
