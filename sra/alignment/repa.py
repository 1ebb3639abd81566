"""REPA: align a block with the patch tokens that a pretrained encoder gives for the clean image.

Source: Yu et al. 2024 (arXiv 2410.06940), eq. 8; released loss.py and models/sit.py.
"""

from typing import Self

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from sra.alignment.base import Alignment
from sra.core.errors import InputError
from sra.diffusion.batch import NoisyBatch
from sra.models.heads import Initialize, Projector, initialization_of
from sra.models.initial import initialize_linears
from sra.models.trunk import Transformer
from sra.spec.method import RepaOptions
from sra.spec.run import RunSpec


class RepaAlignment(Alignment):
    """cosine: minus the cosine between projector(student token) and encoder token, averaged over tokens and samples; -1 is perfect."""

    reads_targets = True

    def __init__(
        self,
        options: RepaOptions,
        width: int,
        encoder_width: int,
        generator: Generator | None = None,
        paper_steps_per_step: float = 1.0,
        initialize: Initialize = initialize_linears,
    ):
        super().__init__()
        self.options = options
        self.paper_steps_per_step = paper_steps_per_step
        self.taps = (options.block,)
        self.projector = Projector(width, options.projector_width, encoder_width, generator, options.projector_layers, initialize)

    @classmethod
    def of_run(cls, options: RepaOptions, run: RunSpec, encoder_width: int | None, generator: Generator) -> Self:
        if encoder_width is None:
            raise ValueError(f"run {run.run}: REPA needs the width of encoder {options.encoder}")
        return cls(options, run.model.width, encoder_width, generator, run.training.paper_steps_per_step, initialization_of(run.model))

    def weight(self, step: int) -> float:
        """Constant, and 0 once the paper's step `stop_step` is reached (stopping early: HASTE, arXiv 2505.16792)."""
        stopped = self.options.stop_step is not None and step * self.paper_steps_per_step >= self.options.stop_step
        return 0.0 if stopped else self.options.weight

    def loss(self, batch: NoisyBatch, features: dict[int, Tensor], teacher: Transformer, draw: Tensor, targets: Tensor | None) -> Tensor:
        projected = self.projector(features[self.options.block])
        if projected.shape != targets.shape:
            raise InputError(
                f"encoder {self.options.encoder}: features (batch, tokens, width) are {tuple(targets.shape)}, the model aligns "
                f"{tuple(projected.shape)}; encode at the image size that gives as many tokens as the model has"
            )
        # In half precision the squared norms overflow (sihyun-yu/REPA issue 46), so the rest is float32 whatever surrounds it.
        with torch.autocast(projected.device.type, enabled=False):
            student, target = F.normalize(projected.float(), dim=2), F.normalize(targets.float(), dim=2)
            if self.options.objective == "nt_xent":
                return nt_xent(student, target, self.options.temperature)
            return -(student * target).sum(dim=2).mean()


def nt_xent(student: Tensor, target: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of finding each token's own target among all targets of its image, by cosine over temperature (arXiv 2002.05709, eq. 1).

    student, target: (B, N, E), each token of length 1. REPA does not say where its negatives come from; the patches of one image keep the
    loss independent of how a batch is split.
    """
    similarity = student @ target.transpose(1, 2) / temperature
    own = torch.arange(similarity.shape[1], device=similarity.device).expand(len(similarity), -1)
    return F.cross_entropy(similarity.flatten(0, 1), own.flatten())
