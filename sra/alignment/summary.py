"""The extra token of REG: the network denoises an encoder's summary of the image beside the image, at the same time and with noise of its own.

Source: arXiv 2507.01467, section 3; Martinser/REG at 021ea2e. REG is this and REPA over the summary and the patches.
"""

from dataclasses import replace
from typing import Self

from torch import Generator, Tensor

from sra.alignment.base import Alignment, StudentPass
from sra.alignment.weight_schedule import WeightSchedule
from sra.diffusion.batch import NoisyBatch
from sra.encoders.targets import Targets
from sra.spec.methods.summary import SummaryOptions
from sra.spec.run import RunSpec


class SummaryAlignment(Alignment):
    """Mean squared error of the summary's velocity, noise - summary."""

    reads = frozenset({"summary"})

    def __init__(self, options: SummaryOptions, width: int, schedule: WeightSchedule):
        super().__init__(schedule)
        self.options = options
        self.noises = {"summary_noise": (width,)}

    @classmethod
    def of_run(cls, options: SummaryOptions, run: RunSpec, encoder_width: int | None, generator: Generator) -> Self:
        return cls(options, run.model.summary_width, WeightSchedule.of_run(options, run))

    def reads_at(self, step: int) -> frozenset[str]:
        """The token has a state at every step, whatever its loss weighs."""
        return self.reads

    def prepare(self, batch: NoisyBatch, draws: dict[str, Tensor], targets: Targets) -> NoisyBatch:
        summary = targets.summary.float()
        if self.options.summary_norm == "unit_variance":
            summary = summary / summary.square().mean(dim=1, keepdim=True).sqrt()
        return replace(batch, summary=summary, summary_noise=draws["summary_noise"])

    def loss(self, seen: StudentPass) -> Tensor:
        batch = seen.batch
        return (seen.summary.float() - (batch.summary_noise - batch.summary)).square().mean()
