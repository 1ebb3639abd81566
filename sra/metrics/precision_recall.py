"""Improved precision and recall: which samples look real, which real images the samples reach.

Source: Kynkäänniemi et al. 2019 (k = 3); distances, counts and ties as in the ADM suite (evaluations/evaluator.py, `ManifoldEstimator`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sra.metrics.exact import full_float32

NEIGHBOURS = 3
BLOCK = 10_000  # the ADM suite's; in its half precision mode a block is also the unit that falls back to float32

Mode = Literal["fp32", "adm_fp16"]


@dataclass(frozen=True)
class PrecisionRecall:
    """Both in [0, 1]."""

    precision: float
    recall: float


def precision_recall(reference: Tensor, samples: Tensor, mode: Mode = "fp32", block: int = BLOCK) -> PrecisionRecall:
    """Precision: share of samples inside the ball of any reference image. Recall: share of reference images inside the ball of any sample.

    reference: (N, d), samples: (M, d) float32. A ball reaches to its centre's third nearest neighbour within the own set and is closed.
    Both shares depend on N and M. `adm_fp16` rounds distances as the ADM suite does, whose ties lift both numbers by about 0.003.
    """
    for name, features in (("reference", reference), ("sample", samples)):
        if len(features) <= NEIGHBOURS:
            raise ValueError(f"{NEIGHBOURS} neighbours need more than {NEIGHBOURS} {name} features, got {len(features)}")
    distances = {"fp32": squared_distances, "adm_fp16": half_squared_distances}[mode]
    with full_float32():
        reference_radii = neighbour_radii(reference, distances, block)
        sample_radii = neighbour_radii(samples, distances, block)

        sample_is_inside = torch.zeros(len(samples), dtype=torch.bool, device=samples.device)
        reference_is_inside = torch.zeros(len(reference), dtype=torch.bool, device=reference.device)
        for rows in _blocks(len(reference), block):
            for columns in _blocks(len(samples), block):
                between = distances(reference[rows], samples[columns])
                sample_is_inside[columns] |= (between <= reference_radii[rows, None]).any(0)
                reference_is_inside[rows] |= (between <= sample_radii[None, columns]).any(1)
    return PrecisionRecall(float(sample_is_inside.double().mean()), float(reference_is_inside.double().mean()))


def neighbour_radii(features: Tensor, distances: Callable[[Tensor, Tensor], Tensor], block: int) -> Tensor:
    """Squared distance of each of the (N, d) features to its third nearest neighbour: (N,) float32."""
    radii = []
    for rows in _blocks(len(features), block):
        nearest = torch.empty(len(features[rows]), 0, device=features.device)
        # Each feature is its own nearest, so the four smallest end with the third neighbour.
        for columns in _blocks(len(features), block):
            nearest = _smallest(torch.cat([nearest, _smallest(distances(features[rows], features[columns]))], dim=1))
        radii.append(nearest.amax(1))
    return torch.cat(radii)


def _smallest(values: Tensor) -> Tensor:
    """The four smallest of each row, or all of a shorter row."""
    return values.topk(min(NEIGHBOURS + 1, values.shape[1]), dim=1, largest=False).values


def squared_distances(u: Tensor, v: Tensor) -> Tensor:
    """(n, m) float32 from u (n, d) and v (m, d), clipped at 0."""
    products = u @ v.T
    return ((u.square().sum(1)[:, None] - 2 * products) + v.square().sum(1)[None, :]).clamp_(min=0)


def half_squared_distances(u: Tensor, v: Tensor) -> Tensor:
    """`squared_distances` rounded to float16 at each stored value (features, norms, products); as float32.

    Sums run in float32, as tensor cores do. A block with any overflow (squared norms above 65,504) is computed in float32 as a whole.
    """
    half_u, half_v = u.half().float(), v.half().float()
    norms_u, norms_v = half_u.square().sum(1).half(), half_v.square().sum(1).half()
    products = (half_u @ half_v.T).half()
    rounded = ((norms_u[:, None] - 2 * products) + norms_v[None, :]).clamp_(min=0)
    return rounded.float() if bool(rounded.isfinite().all()) else squared_distances(u, v)


def _blocks(count: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
