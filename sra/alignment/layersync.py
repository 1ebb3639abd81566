"""LayerSync: align a block with a later block of the same pass.

Source: arXiv 2510.12581; vita-epfl/LayerSync at 4001d6d.
"""

from typing import Self

from torch import Generator, Tensor

from sra.alignment.base import Alignment, StudentPass
from sra.alignment.distances import cosine
from sra.alignment.weight_schedule import WeightSchedule
from sra.spec.methods.layersync import LayerSyncOptions
from sra.spec.run import RunSpec


class LayerSyncAlignment(Alignment):
    """1 - cosine between each token of the student's block and the same token of the target block, which gets no gradient from it."""

    def __init__(self, options: LayerSyncOptions, schedule: WeightSchedule):
        super().__init__(schedule, taps=(options.student_block, options.target_block))
        self.options = options

    @classmethod
    def of_run(cls, options: LayerSyncOptions, run: RunSpec, encoder_width: int | None, generator: Generator) -> Self:
        return cls(options, WeightSchedule.of_run(options, run))

    def loss(self, seen: StudentPass) -> Tensor:
        return cosine(seen.features[self.options.student_block], seen.features[self.options.target_block].detach())
