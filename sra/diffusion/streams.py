"""Noise and classes of generated images as functions of (seed, index): batches, shards and machines change nothing."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from sra.core.seeds import derive_seed


class SampleNoise:
    """Standard normal numbers from one stream for each image, drawn on the CPU so that every device sees the same."""

    def __init__(self, seed: int, indices: Sequence[int], shape: tuple[int, ...]):
        self.shape = shape
        self.streams = [Generator().manual_seed(derive_seed(seed, "sample", index)) for index in indices]

    def draw(self) -> Tensor:
        """The next numbers of every image, (B, *shape) float32: first the starting noise, then one draw for each noisy step."""
        return torch.stack([torch.randn(self.shape, generator=stream) for stream in self.streams])


def sample_labels(seed: int, indices: Sequence[int], classes: int, policy: str) -> Tensor:
    """Class of each image, (B,) int64: `random` is uniform, as the papers draw them; `balanced` goes round the classes."""
    if policy == "balanced":
        return torch.tensor([index % classes for index in indices])
    return torch.tensor([derive_seed(seed, "label", index) % classes for index in indices])
