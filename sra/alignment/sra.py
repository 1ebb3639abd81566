"""SRA: align an early block at higher noise with a later block of the EMA model at lower noise.

Source: arXiv 2505.02831v5, section 3.2 and Table 5; released SiT-SRA/loss.py and DiT-SRA/diffusion/gaussian_diffusion.py. Where the two
disagree, `SraOptions` names the variant.
"""

from typing import Self

import torch
from torch import Generator, Tensor, nn

from sra.alignment.base import Alignment, StudentPass
from sra.alignment.distances import distance_of
from sra.alignment.weight_schedule import WeightSchedule
from sra.models.heads import Initialize, ProjectionHead, initialization_of
from sra.models.initial import initialize_linears
from sra.spec.methods.sra import SraOptions
from sra.spec.run import RunSpec


class SraAlignment(Alignment):
    """dist( head( student block m at (x_t, t) ), teacher block n at (x_{t-k}, t-k) ), k ~ U[0, max_interval) of the time range."""

    draws = {"interval": ()}

    def __init__(
        self,
        options: SraOptions,
        width: int,
        schedule: WeightSchedule,
        generator: Generator | None = None,
        initialize: Initialize = initialize_linears,
    ):
        super().__init__(schedule, taps=(options.student_block,))
        self.options = options
        self.head = ProjectionHead(width, generator, initialize) if options.head == "mlp" else nn.Identity()
        self.distance = distance_of(options)

    @classmethod
    def of_run(cls, options: SraOptions, run: RunSpec, encoder_width: int | None, generator: Generator) -> Self:
        return cls(options, run.model.width, WeightSchedule.of_run(options, run), generator, initialization_of(run.model))

    def loss(self, seen: StudentPass) -> Tensor:
        # The teacher sees the same latents, noise and condition, only earlier in time.
        batch = seen.batch
        earlier = batch.process.earlier(batch.timestep, self.interval(seen.draws["interval"]))
        shown = batch.at(earlier.clamp(min=self.options.teacher_time_floor))

        # Nothing reads the blocks after the target, so the teacher stops there. (Not inference_mode: the loss saves the target for backward.)
        with torch.no_grad():
            target = seen.teacher.features(shown.noisy, shown.timestep, shown.condition, until=self.options.teacher_block)

        return self.distance(self.head(seen.features[self.options.student_block]), target)

    def interval(self, draw: Tensor) -> Tensor:
        """k of each sample as a share of the time range, (B,) float64: exact enough that 0.7 of 1000 steps is 700, not 699."""
        share = draw.double() if self.options.interval == "uniform" else torch.ones_like(draw, dtype=torch.float64)
        return self.options.max_interval * share
