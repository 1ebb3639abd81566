"""What a comparison is: a component of ours, the official code it must equal, and how far the two are apart."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sra.core.npz import read_npz

FIXTURES = Path(__file__).parent / "fixtures"

# Folder of the checkout -> repository and the commit whose numbers the fixtures hold.
REPOSITORIES = {
    "DiT": ("facebookresearch/DiT", "ed81ce2229091fd4ecc9a223645f95cf379d582b"),
    "SiT": ("willisma/SiT", "947f95bd3a510e9af441d38c1e9f72e0eee873c5"),
    "REPA": ("sihyun-yu/REPA", "67f714503e3892f993844aab088ffc5791c92613"),
    "SRA": ("vvvvvjdy/SRA", "1723f85069408f6df7d11db35549575c97bfa5b2"),
    "LayerSync": ("vita-epfl/LayerSync", "4001d6df0b1fd1e642e6a0849a71270f8ad8b0d3"),
    "DispLoss": ("raywang4/DispLoss", "c58de8d45b3ef4166d3b701e03f44bf3302b5309"),
    "iREPA": ("End2End-Diffusion/iREPA", "99ad4ac234efe8de52ce157120f72856e836d09f"),
    "DeltaFM": ("gstoica27/DeltaFM", "489f536eaa90d1db54f6ed5499162c9b4634fecb"),
    "REG": ("Martinser/REG", "021ea2e50c38c5803bd9afff16316958a01fbd1d"),
}


@dataclass(frozen=True)
class Comparison:
    """One row of the page's table. differences: computes ours and gives the relative difference of each thing compared, by name."""

    component: str
    code: str  # a key of REPOSITORIES
    compared: str
    differences: Callable[[], dict[str, float]]
    tolerance: float = 1e-5

    @property
    def repository(self) -> str:
        return REPOSITORIES[self.code][0]

    @property
    def commit(self) -> str:
        return REPOSITORIES[self.code][1][:7]


@lru_cache
def fixture(name: str) -> dict[str, np.ndarray]:
    return read_npz(FIXTURES / f"{name}.npz")


def official(name: str, key: str) -> Tensor:
    """One array that the official code gave."""
    return torch.from_numpy(np.array(fixture(name)[key]))


def named(prefix: str, differences: dict[str, float]) -> dict[str, float]:
    """The same, each name after a prefix: how several things make one row."""
    return {f"{prefix}: {name}": value for name, value in differences.items()}


def relative(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference over the largest value: max |a - b| / max |b|."""
    if ours.shape != theirs.shape:
        raise ValueError(f"ours is {tuple(ours.shape)}, the official one {tuple(theirs.shape)}")
    ours, theirs = ours.detach().double(), theirs.double()
    difference, scale = (ours - theirs).abs().max().item(), theirs.abs().max().item()
    return difference / scale if scale else (0.0 if difference == 0 else float("inf"))


def relative_by_part(ours: Iterable[Tensor], theirs: Tensor) -> float:
    """The largest `relative` of tensors that the fixture holds one after another, so that small ones count as much as large ones."""
    parts = list(ours)
    if sum(map(len, parts)) != len(theirs):
        raise ValueError(f"ours has {sum(map(len, parts))} numbers, the official one {len(theirs)}")
    return max(relative(part, piece) for part, piece in zip(parts, theirs.split([len(part) for part in parts]), strict=True))
