"""Dispersive loss: the samples of a group push each other apart in the features of one block.

Source: arXiv 2506.09027, InfoNCE form with squared distances; raywang4/DispLoss at c58de8d.
"""

from math import log
from typing import Self

import torch
from torch import Generator, Tensor

from sra.alignment.base import Alignment, StudentPass
from sra.alignment.weight_schedule import WeightSchedule
from sra.spec.methods.dispersive import DispersiveOptions
from sra.spec.run import RunSpec


class DispersiveAlignment(Alignment):
    """log of the mean over pairs of exp(-|z_i - z_j|^2 / (temperature d)), z a sample's features of length d; all of them get gradient.

    Its least value is -log(group), when all samples are far apart.
    """

    def __init__(self, options: DispersiveOptions, schedule: WeightSchedule):
        super().__init__(schedule, taps=(options.block,))
        self.options = options

    @classmethod
    def of_run(cls, options: DispersiveOptions, run: RunSpec, encoder_width: int | None, generator: Generator) -> Self:
        return cls(options, WeightSchedule.of_run(options, run))

    def loss(self, seen: StudentPass) -> Tensor:
        features = seen.features[self.options.block]
        with torch.autocast(features.device.type, enabled=False):
            tokens = features.float()
            vectors = tokens.flatten(1) if self.options.tokens == "flat" else tokens.mean(dim=1)
            groups = vectors.unflatten(0, (-1, self.options.group))
            return dispersion(groups, self.options.temperature, self.options.diagonal == "kept").mean()


def dispersion(groups: Tensor, temperature: float, diagonal: bool) -> Tensor:
    """The loss of each group, (G,), of vectors (G, g, d). diagonal: whether a sample's distance to itself, 0, counts, as in released code."""
    _, size, length = groups.shape
    logits = -squared_distances(groups) / (temperature * length)
    if not diagonal:
        itself = torch.eye(size, dtype=torch.bool, device=groups.device)
        return logits.masked_fill(itself, -torch.inf).flatten(1).logsumexp(dim=1) - log(size * (size - 1))
    return logits.flatten(1).logsumexp(dim=1) - log(size**2)


def squared_distances(groups: Tensor) -> Tensor:
    """Between the vectors (G, g, d) of each group: (G, g, g), by the products of the vectors less their mean, which loses fewer digits."""
    centred = groups - groups.mean(dim=1, keepdim=True)
    squares = centred.square().sum(dim=2)
    distances = squares.unsqueeze(2) + squares.unsqueeze(1) - 2 * centred @ centred.transpose(1, 2)
    # What rounding leaves of a distance to oneself would be a gradient of nothing.
    itself = torch.eye(groups.shape[1], dtype=torch.bool, device=groups.device)
    return distances.masked_fill(itself, 0).clamp(min=0)
