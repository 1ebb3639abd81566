"""REPA: align a block with the patch tokens that a pretrained encoder gives for the clean image.

Source: Yu et al. 2024 (arXiv 2410.06940), eq. 8; released loss.py and models/sit.py.
"""

import torch.nn.functional as F
from torch import Generator, Tensor

from sra.alignment.base import Alignment
from sra.core.errors import InputError
from sra.diffusion.batch import NoisyBatch
from sra.models.dit import DiffusionTransformer
from sra.models.heads import Projector
from sra.spec.method import RepaOptions


class RepaAlignment(Alignment):
    """Minus the cosine between projector(student token) and encoder token, averaged over tokens and samples; -1 is perfect."""

    needs_targets = True

    def __init__(self, options: RepaOptions, width: int, encoder_width: int, generator: Generator | None = None):
        super().__init__()
        self.options = options
        self.taps = (options.block,)
        self.projector = Projector(width, options.projector_width, encoder_width, generator)

    def weight(self, step: int) -> float:
        return self.options.weight

    def loss(
        self, batch: NoisyBatch, features: dict[int, Tensor], teacher: DiffusionTransformer | None, draw: Tensor, targets: Tensor | None
    ) -> Tensor:
        projected = self.projector(features[self.options.block])
        if projected.shape != targets.shape:
            raise InputError(
                f"encoder {self.options.encoder}: features (batch, tokens, width) are {tuple(targets.shape)}, the model aligns "
                f"{tuple(projected.shape)}; encode at the image size that gives as many tokens as the model has"
            )
        # In half precision the squared norms overflow (sihyun-yu/REPA issue 46).
        return -(F.normalize(projected.float(), dim=2) * F.normalize(targets.float(), dim=2)).sum(dim=2).mean()
