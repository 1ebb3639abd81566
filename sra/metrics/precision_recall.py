"""Improved precision and recall: which samples look real, which real images the samples reach.

Source: Kynkäänniemi et al. 2019 (k = 3); distances, counts and ties as in the ADM suite (evaluations/evaluator.py, `ManifoldEstimator`).
No matrix of all distances exists at any time: blocks of it are made, read and forgotten.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sra.metrics.exact import full_float32

NEIGHBOURS = 3
STRIP = 1024  # rows of a half precision block that are made at once

Mode = Literal["fp32", "adm_fp16"]


@dataclass(frozen=True)
class PrecisionRecall:
    """Both in [0, 1]."""

    precision: float
    recall: float


@dataclass(frozen=True)
class Cloud:
    """features: (N, d) float32.  norms: (N,) float32, their squared lengths."""

    features: Tensor
    norms: Tensor

    @classmethod
    def of(cls, features: Tensor) -> "Cloud":
        return cls(features, torch.cat([part.square().sum(1) for part in features.split(STRIP)]))

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, rows: slice) -> "Cloud":
        return Cloud(self.features[rows], self.norms[rows])


def squared_distances(u: Cloud, v: Cloud) -> Tensor:
    """(n, m) float32 between n and m features, clipped at 0."""
    block = u.features @ v.features.T
    return torch.add(u.norms[:, None], block, alpha=-2, out=block).add_(v.norms).clamp_(min=0)


def half_squared_distances(u: Cloud, v: Cloud) -> Tensor:
    """`squared_distances` rounded to float16 at each stored value (features, norms, products); as float32.

    Sums run in float32, as tensor cores do. A block with any overflow (squared norms above 65,504) is computed in float32 as a whole.
    """
    half_v = v.features.half().float()
    norms_v = half_v.square().sum(1).half()
    block = torch.empty(len(u), len(v), device=half_v.device)
    for rows in _blocks(len(u), STRIP):
        half_u = u.features[rows].half().float()
        norms_u = half_u.square().sum(1).half()
        products = (half_u @ half_v.T).half()
        rounded = ((norms_u[:, None] - 2 * products) + norms_v).clamp_(min=0)
        if not rounded.isfinite().all():
            return squared_distances(u, v)
        block[rows] = rounded
    return block


@dataclass(frozen=True)
class Arithmetic:
    """How distances are computed.  block: rows and columns at once.  symmetric: (u, v) and (v, u) have the same distance."""

    distances: Callable[[Cloud, Cloud], Tensor]
    block: int
    symmetric: bool


ARITHMETIC: dict[str, Arithmetic] = {
    # Blocks that stay in a processor's cache.
    "fp32": Arithmetic(squared_distances, block=2048, symmetric=True),
    # The ADM suite's blocks, which are the unit that falls back to float32. Its roundings depend on the order of the two norms.
    "adm_fp16": Arithmetic(half_squared_distances, block=10_000, symmetric=False),
}


def precision_recall(reference: Tensor, samples: Tensor, mode: Mode = "fp32", block: int | None = None) -> PrecisionRecall:
    """Precision: share of samples inside the ball of any reference image. Recall: share of reference images inside the ball of any sample.

    reference: (N, d), samples: (M, d) float32. A ball reaches to its centre's third nearest neighbour within the own set and is closed.
    Both shares depend on N and M. `adm_fp16` rounds distances as the ADM suite does, whose ties lift both numbers by about 0.003.
    block: rows and columns of distances at a time, when not the mode's own; it is not part of the result but for ties at rounding.
    """
    for name, features in (("reference", reference), ("sample", samples)):
        if len(features) <= NEIGHBOURS:
            raise ValueError(f"{NEIGHBOURS} neighbours need more than {NEIGHBOURS} {name} features, got {len(features)}")
    arithmetic = ARITHMETIC[mode]
    block = block or arithmetic.block
    with full_float32():
        real, generated = Cloud.of(reference), Cloud.of(samples)
        real_radii, generated_radii = neighbour_radii(real, arithmetic, block), neighbour_radii(generated, arithmetic, block)

        generated_is_inside = torch.zeros(len(samples), dtype=torch.bool, device=samples.device)
        real_is_inside = torch.zeros(len(reference), dtype=torch.bool, device=reference.device)
        for rows in _blocks(len(reference), block):
            for columns in _blocks(len(samples), block):
                between = arithmetic.distances(real[rows], generated[columns])
                generated_is_inside[columns] |= (between <= real_radii[rows, None]).any(0)
                real_is_inside[rows] |= (between <= generated_radii[columns]).any(1)
    return PrecisionRecall(float(generated_is_inside.double().mean()), float(real_is_inside.double().mean()))


def neighbour_radii(cloud: Cloud, arithmetic: Arithmetic, block: int) -> Tensor:
    """Squared distance of each of N features to its third nearest neighbour: (N,) float32."""
    # Each feature is its own nearest, so the four smallest end with the third neighbour.
    nearest = torch.full((len(cloud), NEIGHBOURS + 1), float("inf"), device=cloud.features.device)
    for rows in _blocks(len(cloud), block):
        for columns in _blocks(len(cloud), block):
            if arithmetic.symmetric and columns.start < rows.start:
                continue  # read along its columns when the two had each other's places
            between = arithmetic.distances(cloud[rows], cloud[columns])
            nearest[rows] = _smallest(torch.cat([nearest[rows], _smallest(between, dim=1)], dim=1), dim=1)
            if arithmetic.symmetric and columns.start > rows.start:
                nearest[columns] = _smallest(torch.cat([nearest[columns], _smallest(between, dim=0).T], dim=1), dim=1)
    return nearest.amax(1)


def _smallest(values: Tensor, dim: int) -> Tensor:
    """The four smallest along a dimension, or all where it is shorter."""
    return values.topk(min(NEIGHBOURS + 1, values.shape[dim]), dim=dim, largest=False).values


def _blocks(count: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
