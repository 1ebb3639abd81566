"""Contrastive flow matching: the predicted velocity also keeps away from the target of another sample.

Source: arXiv 2506.05350, eq. 4; gstoica27/DeltaFM at 489f536. The loss of flow matching is the run's own, so the method adds the second term alone.
"""

from typing import Self

import torch
from torch import Generator, Tensor

from sra.alignment.base import Alignment, StudentPass
from sra.alignment.weight_schedule import WeightSchedule
from sra.spec.methods.contrastive import ContrastiveOptions
from sra.spec.run import RunSpec


class ContrastiveAlignment(Alignment):
    """Minus the mean squared error between each sample's prediction and the target of another sample of its group, which gets no gradient.

    A mean over the samples of a group that are contrasted, then over groups.
    """

    draws = {"negative": ()}

    def __init__(self, options: ContrastiveOptions, schedule: WeightSchedule, null_class: int | None):
        """null_class: what a dropped class is called; None where conditions are captions."""
        super().__init__(schedule)
        self.options, self.null_class = options, null_class

    @classmethod
    def of_run(cls, options: ContrastiveOptions, run: RunSpec, encoder_width: int | None, generator: Generator) -> Self:
        return cls(options, WeightSchedule.of_run(options, run), run.model.classes)

    def loss(self, seen: StudentPass) -> Tensor:
        batch = seen.batch
        target = batch.process.target(batch)
        allowed = self.allowed(batch.condition)
        chosen = negatives(seen.draws["negative"], allowed)
        error = (seen.output.float() - target[chosen].float()).square().mean(dim=(1, 2, 3))
        counted = allowed.any(dim=2).flatten()
        if not self.options.contrast_null and self.null_class is not None:
            counted = counted & (batch.condition != self.null_class)
        counted, error = counted.unflatten(0, (-1, self.options.group)), error.unflatten(0, (-1, self.options.group))
        # As released, a group's mean is over the samples that are contrasted; where there is none it is 0, and theirs no number.
        return -(torch.where(counted, error, 0).sum(dim=1) / counted.sum(dim=1).clamp(min=1)).mean()

    def allowed(self, condition: Tensor) -> Tensor:
        """Whether sample j of a group may be the negative of sample i, (G, g, g) bool: any but itself, or those of other classes alone."""
        size = self.options.group
        others = ~torch.eye(size, dtype=torch.bool, device=condition.device).expand(len(condition) // size, -1, -1)
        if self.options.negatives == "any":
            return others
        classes = condition.unflatten(0, (-1, size))
        return others & (classes.unsqueeze(2) != classes.unsqueeze(1))


def negatives(draw: Tensor, allowed: Tensor) -> Tensor:
    """One allowed sample for each, uniformly: places (B,) int64 in the batch. draw: (B,) uniform in [0, 1).  allowed: (G, g, g) bool.

    A sample that may have none gets itself.
    """
    groups, size, _ = allowed.shape
    count = allowed.sum(dim=2)
    nth = (draw.double().view(groups, size) * count).long().clamp(max=(count - 1).clamp(min=0))
    # The first place where as many allowed ones have passed as were drawn, and one more.
    passed = allowed.cumsum(dim=2) == (nth + 1).unsqueeze(2)
    within = torch.where(count > 0, passed.int().argmax(dim=2), torch.arange(size, device=draw.device))
    return (within + size * torch.arange(groups, device=draw.device).unsqueeze(1)).flatten()
