"""The loss of one batch: generation plus whatever alignments weigh anything. This is the module that data parallel training wraps."""

from torch import Tensor, nn

from sra.alignment.base import StudentPass, token_groups
from sra.diffusion.batch import Process
from sra.models.trunk import Transformer
from sra.training.batches import TrainingBatch

Weights = dict[str, float] | dict[str, Tensor]  # of the alignments that act, by name; tensors are () float32 on the device


class Objective(nn.Module):
    """The student and the alignments' heads, under one forward."""

    def __init__(self, process: Process, model: Transformer, alignments: nn.ModuleDict):
        super().__init__()
        self.process, self.model, self.alignments = process, model, alignments

    def forward(self, batch: TrainingBatch, weights: Weights, teacher: Transformer) -> tuple[Tensor, dict[str, Tensor]]:
        """The total, () float32, and each unweighted part by name, detached. A method without a weight runs neither head nor teacher."""
        noisy = batch.noisy
        for alignment in self.alignments.values():
            noisy = alignment.prepare(noisy, batch.draws, batch.targets)
        acting = {name: alignment for name, alignment in self.alignments.items() if name in weights}
        taps, attention_taps = (
            tuple(sorted({tap for alignment in acting.values() for tap in getattr(alignment, kind)})) for kind in ("taps", "attention_taps")
        )
        heads = max((alignment.heads for alignment in acting.values()), default=0)
        student = self.model.run(noisy.noisy, noisy.timestep, noisy.condition, taps, attention_taps, heads, token_groups(noisy), noisy.noisy_summary)

        total = self.process.loss(student.output, noisy).mean()
        parts = {"generation": total.detach()}
        seen = StudentPass(noisy, student.features, student.output, teacher, batch.draws, batch.targets, student.attention, student.summary)
        for name, alignment in acting.items():
            loss = alignment.loss(seen)
            parts[name] = loss.detach()
            total = total + weights[name] * loss
        return total + self._zero_of(set(self.alignments) - set(acting)), parts

    def _zero_of(self, names: set[str]) -> Tensor | float:
        """0, with a gradient of 0 for heads that did not run: processes that train together wait for every gradient."""
        return sum(0.0 * parameter.sum() for name in names for parameter in self.alignments[name].parameters())
