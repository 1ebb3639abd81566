"""The baseline: no alignment at all."""

from torch import Tensor

from sra.alignment.base import Alignment
from sra.diffusion.batch import NoisyBatch
from sra.models.dit import DiffusionTransformer


class NoAlignment(Alignment):
    """Reads nothing, adds nothing."""

    def weight(self, step: int) -> float:
        return 0.0

    def loss(
        self, batch: NoisyBatch, features: dict[int, Tensor], teacher: DiffusionTransformer | None, draw: Tensor, targets: Tensor | None
    ) -> Tensor:
        return batch.latents.new_zeros(())
