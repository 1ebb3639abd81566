"""DTS + AS and Self-Flow: two times in one image, and SRA between the student that sees both and an averaged model that sees less noise.

Source: arXiv 2607.02508 and vvvvvjdy/SRA at 1723f85 (scripts/train.sh); arXiv 2603.06507. `DualTimesOptions` names the variants.
"""

from dataclasses import replace
from math import floor
from typing import Self

import torch
from torch import Generator, Tensor

from sra.alignment.base import Alignment, StudentPass, token_groups
from sra.alignment.distances import cosine, cosine_over_tokens_official
from sra.alignment.weight_schedule import WeightSchedule
from sra.diffusion.batch import NoisyBatch
from sra.models.heads import Initialize, ProjectionHead, initialization_of
from sra.models.initial import initialize_linears
from sra.spec.methods.two_times import DualTimesOptions
from sra.spec.run import ModelSpec, RunSpec


class TwoTimesAlignment(Alignment):
    """1 - cosine between head( student block m at both times ) and teacher block n at the times that the options say."""

    def __init__(
        self,
        options: DualTimesOptions,
        model: ModelSpec,
        schedule: WeightSchedule,
        generator: Generator | None = None,
        initialize: Initialize = initialize_linears,
    ):
        super().__init__(schedule, taps=(options.student_block,))
        self.options = options
        self.sizes = group_sizes(model.tokens, options.ratio)
        self.draws = {"groups": (model.tokens,), "second_time": (), "intervals": (2,)}
        self.reads = frozenset({"undropped"} if options.teacher_labels == "undropped" else ())
        self.head = ProjectionHead(model.width, generator, initialize)
        self.distance = cosine if options.cosine_axis == "channels" else cosine_over_tokens_official

    @classmethod
    def of_run(cls, options: DualTimesOptions, run: RunSpec, encoder_width: int | None, generator: Generator) -> Self:
        return cls(options, run.model, WeightSchedule.of_run(options, run), generator, initialization_of(run.model))

    def prepare(self, batch: NoisyBatch, draws: dict[str, Tensor], targets: None) -> NoisyBatch:
        """The batch with its tokens in two groups; at every step, whatever the alignment weighs."""
        if not self.options.groups_tokens:
            return batch
        # The tokens with the smallest draws are group 0.
        place = draws["groups"].argsort(dim=1, stable=True).argsort(dim=1)
        second = batch.process.timesteps(draws["second_time"]) if self.options.times == "two" else batch.timestep
        return replace(
            batch,
            timestep=torch.stack([batch.timestep, second], dim=1),
            groups=(place >= self.sizes[0]).long(),
            group_sizes=self.sizes,
            separated=self.options.separation != "none",
        )

    def loss(self, seen: StudentPass) -> Tensor:
        shown = self.shown_to_teacher(seen.batch, seen.draws["intervals"])
        condition = shown.condition if self.options.teacher_labels == "shared" else shown.undropped
        with torch.no_grad():
            target = seen.teacher.features(shown.noisy, shown.timestep, condition, self.options.teacher_block, token_groups(shown))
        return self.distance(self.head(seen.features[self.options.student_block]), target)

    def shown_to_teacher(self, batch: NoisyBatch, draw: Tensor) -> NoisyBatch:
        """The same latents and noise at the teacher's times. draw: (B, 2) uniform in [0, 1), how much earlier each group is, as a share."""
        rule = self.options.teacher_times
        if batch.groups is None:
            return batch if rule == "same" else batch.at(batch.process.earlier(batch.timestep, self.options.max_interval * draw[:, 0]))
        separated = self.options.separation == "both"
        if rule == "minimum" and not separated:
            return replace(batch, timestep=batch.timestep.amin(dim=1), groups=None, group_sizes=(), separated=False)
        times = {
            "own": batch.process.earlier(batch.timestep, self.options.max_interval * draw),
            "minimum": batch.timestep.amin(dim=1, keepdim=True).expand_as(batch.timestep),
            "same": batch.timestep,
        }
        return replace(batch, timestep=times[rule], separated=separated)


def group_sizes(tokens: int, ratio: float) -> tuple[int, int]:
    """How many of an image's tokens each group has: the nearest whole number to the ratio, halves up, and the rest."""
    first = floor(ratio * tokens + 0.5)
    return first, tokens - first
