"""Improved precision and recall: which samples look real, which real images the samples reach.

Source: Kynkäänniemi et al. 2019 (k = 3); counts and ties, and in half precision distances, as in the ADM suite (evaluations/evaluator.py,
`ManifoldEstimator`).
No matrix of all distances exists at any time: blocks of it are made, read and forgotten.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sra.metrics.exact import full_float32
from sra.metrics.neighbours import NEAREST, NEIGHBOURS, Balls, Distinct, Membership, blocks, common_centre, dtype_for, lower_bounds

BLOCK = 2048  # rows and columns of distances at a time: blocks that stay in a processor's cache
ADM_BLOCK = 10_000  # the ADM suite's, and in half precision the unit that falls back to float32
STRIP = 1024  # rows of a half precision block that are made at once

Mode = Literal["fp32", "adm_fp16"]


@dataclass(frozen=True)
class PrecisionRecall:
    """Precision and recall, both in [0, 1]."""

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


def precision_recall(reference: Tensor, samples: Tensor, mode: Mode = "fp32", block: int | None = None) -> PrecisionRecall:
    """Precision: share of samples inside the ball of any reference image. Recall: share of reference images inside the ball of any sample.

    reference: (N, d), samples: (M, d) float32, finite. A ball reaches to its centre's third nearest neighbour within the own set and is closed.
    Both shares depend on N and M.
    fp32: of float32 features exactly; ties included, the result is the same whatever the block, the threads and the device.
    adm_fp16: distances rounded to float16 as in the ADM suite, whose ties lift both. Measured: by 0.005 and 0.001 on 4,000 features each of
    Inception's squared length (about 440); and to 1 and 1 on 1,000 near duplicates each, c + 1e-4 N(0, 1) in 2,048 dimensions, which have
    0.491 and 0.510 by exact distances.
    block: rows and columns of distances at a time, when not the mode's own. The 10,000 of adm_fp16 are part of its definition.
    """
    for name, features in (("reference", reference), ("sample", samples)):
        if len(features) <= NEIGHBOURS:
            raise ValueError(f"{NEIGHBOURS} neighbours need more than {NEIGHBOURS} {name} features, got {len(features)}")
        if not torch.linalg.vector_norm(features, torch.inf).isfinite():
            raise ValueError(f"the {name} features are not all finite; nothing is near to them")
    with full_float32():
        found = _exactly(reference, samples, block or BLOCK) if mode == "fp32" else _in_half_precision(reference, samples, block or ADM_BLOCK)
    generated_is_inside, real_is_inside = found
    return PrecisionRecall(float(generated_is_inside.double().mean()), float(real_is_inside.double().mean()))


def _exactly(reference: Tensor, samples: Tensor, block: int) -> tuple[Tensor, Tensor]:
    """(M,) and (N,) bool: which samples lie inside a ball of the reference, which reference images inside a ball of the samples."""
    centre, dtype = common_centre(reference, samples), dtype_for(reference, samples)
    real, generated = Distinct.of(reference), Distinct.of(samples)
    real_balls, generated_balls = Balls(real, centre, dtype, block), Balls(generated, centre, dtype, block)
    among_real, among_generated = Membership(real_balls, generated_balls.centres), Membership(generated_balls, real_balls.centres)
    for rows in blocks(len(real), block):
        for columns in blocks(len(generated), block):
            bounds = lower_bounds(real_balls.centres[rows], generated_balls.centres[columns])
            among_real.see(rows, columns, bounds)
            among_generated.see(columns, rows, bounds.T)
    return among_real.settle()[generated.places], among_generated.settle()[real.places]


def _in_half_precision(reference: Tensor, samples: Tensor, block: int) -> tuple[Tensor, Tensor]:
    """The same two masks by the ADM suite's rounded distances."""
    real, generated = Cloud.of(reference), Cloud.of(samples)
    real_radii, generated_radii = half_radii(real, block), half_radii(generated, block)
    generated_is_inside = torch.zeros(len(samples), dtype=torch.bool, device=samples.device)
    real_is_inside = torch.zeros(len(reference), dtype=torch.bool, device=reference.device)
    for rows in blocks(len(reference), block):
        for columns in blocks(len(samples), block):
            between = half_squared_distances(real[rows], generated[columns])
            generated_is_inside[columns] |= (between <= real_radii[rows, None]).any(0)
            real_is_inside[rows] |= (between <= generated_radii[columns]).any(1)
    return generated_is_inside, real_is_inside


def half_radii(cloud: Cloud, block: int) -> Tensor:
    """Squared distance of each of N features to its third nearest neighbour, rounded as ADM's: (N,) float32.

    No block stands for its transpose: the roundings depend on the order of the two norms.
    """
    nearest = torch.full((len(cloud), NEAREST), float("inf"), device=cloud.features.device)
    for rows in blocks(len(cloud), block):
        for columns in blocks(len(cloud), block):
            between = half_squared_distances(cloud[rows], cloud[columns])
            nearest[rows] = _smallest(torch.cat([nearest[rows], _smallest(between)], dim=1))
    return nearest.amax(1)


def squared_distances(u: Cloud, v: Cloud) -> Tensor:
    """(n, m) float32 between n and m features, clipped at 0. Of close points it is rounding, as in the ADM suite."""
    block = u.features @ v.features.T
    return torch.add(u.norms[:, None], block, alpha=-2, out=block).add_(v.norms).clamp_(min=0)


def half_squared_distances(u: Cloud, v: Cloud) -> Tensor:
    """`squared_distances` rounded to float16 at each stored value (features, norms, products); as float32.

    Sums run in float32, as tensor cores do. A block with any overflow (squared norms above 65,504) is computed in float32 as a whole.
    """
    half_v = v.features.half().float()
    norms_v = half_v.square().sum(1).half()
    block = torch.empty(len(u), len(v), device=half_v.device)
    for rows in blocks(len(u), STRIP):
        half_u = u.features[rows].half().float()
        norms_u = half_u.square().sum(1).half()
        products = (half_u @ half_v.T).half()
        rounded = ((norms_u[:, None] - 2 * products) + norms_v).clamp_(min=0)
        if not rounded.isfinite().all():
            return squared_distances(u, v)
        block[rows] = rounded
    return block


def _smallest(values: Tensor) -> Tensor:
    """The four smallest values of each row, or all where it is shorter."""
    return values.topk(min(NEAREST, values.shape[1]), dim=1, largest=False).values
