"""Attention alignment of HASTE: where the student's tokens look, as an encoder's do.

Source: arXiv 2505.16792, section 3.2; NUS-HPC-AI-Lab/HASTE at eb7b1f1 (facts alone). HASTE is this and REPA, both stopped at one step.
"""

from typing import Self

import torch
from torch import Generator, Tensor

from sra.alignment.base import Alignment, StudentPass
from sra.alignment.weight_schedule import WeightSchedule
from sra.core.errors import InputError
from sra.spec.methods.attention import AttentionOptions
from sra.spec.run import ModelSpec, RunSpec


class AttentionAlignment(Alignment):
    """Cross-entropy of softmax(student's logits) under softmax(encoder's), averaged over pairs of blocks, heads and queries.

    The first heads of both are compared, as many as the one with fewer has. The encoder's tokens beside the patches are gone before its softmax.
    """

    reads = frozenset({"attention"})

    def __init__(self, options: AttentionOptions, model: ModelSpec, schedule: WeightSchedule):
        super().__init__(schedule)
        self.options, self.heads = options, model.heads
        self.attention_taps = tuple(range(options.first_block, options.last_block + 1))

    @classmethod
    def of_run(cls, options: AttentionOptions, run: RunSpec, encoder_width: int | None, generator: Generator) -> Self:
        return cls(options, run.model, WeightSchedule.of_run(options, run))

    def loss(self, seen: StudentPass) -> Tensor:
        given = seen.targets.attention
        if len(given) < len(self.attention_taps):
            raise InputError(
                f"encoder {self.options.encoder}: has {len(given)} blocks, the run aligns the attention of {len(self.attention_taps)}; "
                f"give a deeper encoder or a shorter range of blocks"
            )
        last_of_encoder = given[len(given) - len(self.attention_taps) :]
        pairs = zip((seen.attention[block] for block in self.attention_taps), last_of_encoder, strict=True)
        return torch.stack([attention_cross_entropy(student, target) for student, target in pairs]).mean()


def attention_cross_entropy(student: Tensor, target: Tensor) -> Tensor:
    """Of logits (B, H, N, N) and (B, H', N, N), already scaled: the mean over samples, heads and queries, by log-softmax in float32."""
    heads = min(student.shape[1], target.shape[1])
    with torch.autocast(student.device.type, enabled=False):
        wanted = target[:, :heads].float().softmax(dim=3)
        return -(wanted * student[:, :heads].float().log_softmax(dim=3)).sum(dim=3).mean()
