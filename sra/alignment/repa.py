"""REPA and iREPA: align a block with the patch tokens that a pretrained encoder gives for the clean image.

Source: Yu et al. 2024 (arXiv 2410.06940), eq. 8; released loss.py and models/sit.py. What iREPA changes (arXiv 2512.10794; End2End-Diffusion/iREPA
at 99ad4ac), the projector and the targets, are options of it.
"""

from typing import Literal, Self

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from sra.alignment.base import Alignment, StudentPass
from sra.alignment.weight_schedule import WeightSchedule
from sra.core.errors import InputError
from sra.encoders.targets import Targets
from sra.models.heads import Initialize, Projector, TokenConvolution, initialization_of
from sra.models.initial import initialize_linears
from sra.spec.methods.repa import RepaOptions
from sra.spec.run import RunSpec

SPATIAL_EPSILON = 1e-6


class RepaAlignment(Alignment):
    """cosine: minus the cosine between projector(student token) and encoder token, averaged over tokens and samples; -1 is perfect."""

    def __init__(
        self,
        options: RepaOptions,
        width: int,
        encoder_width: int,
        schedule: WeightSchedule,
        generator: Generator | None = None,
        initialize: Initialize = initialize_linears,
    ):
        super().__init__(schedule, taps=(options.block,))
        self.options = options
        self.reads = frozenset({"tokens", "summary"} if options.align_summary else {"tokens"})
        if options.projector == "conv":
            self.projector = TokenConvolution(width, encoder_width, options.kernel, generator)
        else:
            self.projector = Projector(width, options.projector_width, encoder_width, generator, options.projector_layers, initialize)

    @classmethod
    def of_run(cls, options: RepaOptions, run: RunSpec, encoder_width: int | None, generator: Generator) -> Self:
        if encoder_width is None:
            raise ValueError(f"run {run.run}: REPA needs the width of encoder {options.encoder}")
        return cls(options, run.model.width, encoder_width, WeightSchedule.of_run(options, run), generator, initialization_of(run.model))

    def loss(self, seen: StudentPass) -> Tensor:
        projected, targets = self.projector(seen.features[self.options.block]), self.targets(seen.targets)
        if projected.shape != targets.shape:
            raise InputError(
                f"encoder {self.options.encoder}: features (batch, tokens, width) are {tuple(targets.shape)}, the model aligns "
                f"{tuple(projected.shape)}; encode at the image size that gives as many tokens as the model has"
            )
        # In half precision the squared norms overflow (sihyun-yu/REPA issue 46), so the rest is float32 whatever surrounds it.
        with torch.autocast(projected.device.type, enabled=False):
            if self.options.target == "spatial":
                targets = spatially_normalised(targets.float(), self.options.mean_share, self.options.deviation)
            student, target = F.normalize(projected.float(), dim=2), F.normalize(targets.float(), dim=2)
            if self.options.objective == "nt_xent":
                return nt_xent(student, target, self.options.temperature)
            return -(student * target).sum(dim=2).mean()

    def targets(self, given: Targets) -> Tensor:
        """The encoder's tokens (B, N, E), after its summary where the student has a token for that too (REG)."""
        return torch.cat([given.summary.unsqueeze(1), given.tokens], dim=1) if self.options.align_summary else given.tokens


def spatially_normalised(targets: Tensor, mean_share: float, deviation: Literal["unbiased", "paper"]) -> Tensor:
    """Encoder tokens (B, N, E) less a share of their mean over the N tokens, over their deviation; each image and channel for itself.

    Source: iREPA (arXiv 2512.10794), section 4, and its released code, whose deviation divides by N - 1 and adds 1e-6 to the root.
    """
    centred = targets - mean_share * targets.mean(dim=1, keepdim=True)
    if deviation == "paper":
        return centred / (targets.var(dim=1, keepdim=True, correction=0) + SPATIAL_EPSILON).sqrt()
    return centred / (targets.std(dim=1, keepdim=True) + SPATIAL_EPSILON)


def nt_xent(student: Tensor, target: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of finding each token's own target among all targets of its image, by cosine over temperature (arXiv 2002.05709, eq. 1).

    student, target: (B, N, E), each token of length 1. REPA does not say where its negatives come from; the patches of one image keep the
    loss independent of how a batch is split.
    """
    similarity = student @ target.transpose(1, 2) / temperature
    own = torch.arange(similarity.shape[1], device=similarity.device).expand(len(similarity), -1)
    return F.cross_entropy(similarity.flatten(0, 1), own.flatten())
