"""What the training loop asks of an alignment method."""

from dataclasses import dataclass, field
from typing import Self

from torch import Generator, Tensor, nn

from sra.alignment.weight_schedule import WeightSchedule
from sra.diffusion.batch import NoisyBatch
from sra.encoders.targets import Targets
from sra.models.groups import TokenGroups
from sra.models.trunk import Transformer
from sra.spec.methods.base import MethodOptions
from sra.spec.run import RunSpec


@dataclass(frozen=True)
class StudentPass:
    """One forward pass of the student, and what a loss can compare it with.

    features: the raw residual stream (B, N, D) after each tapped block, by block.  output: (B, O, H, W), what the network predicts.
    teacher: the averaged model; whoever reads it runs it.  draws: (B, ...) by name, those that the run's methods declare.
    targets: what an external encoder says of the clean images; None where no method of this step reads them.
    attention: (B, H, N, N) float32 logits by block, of those that are tapped.  summary: (B, E), what the extra token predicts, where there is one.
    """

    batch: NoisyBatch
    features: dict[int, Tensor]
    output: Tensor
    teacher: Transformer
    draws: dict[str, Tensor]
    targets: Targets | None = None
    attention: dict[int, Tensor] = field(default_factory=dict)
    summary: Tensor | None = None


class Alignment(nn.Module):
    """A method declares which blocks of the student it reads, where its target comes from and how much it weighs at each step.

    Its parameters, if any, are trained with the student and dropped after training.

    schedule: of its weight.  taps: blocks (from 1) whose output the student hands over.  attention_taps: those whose attention it compares, of the
    first `heads` heads.
    draws, noises: its own random numbers, uniform and normal, by name the shape that one image has.
    reads: what it needs beside the student's pass: of an encoder "tokens", "summary", "attention"; of the data "latent_mean", statistics
    of its "channels", and "undropped" conditions. At weight 0 it is neither read from disk nor computed.
    """

    draws: dict[str, tuple[int, ...]] = {}
    noises: dict[str, tuple[int, ...]] = {}
    reads: frozenset[str] = frozenset()
    attention_taps: tuple[int, ...] = ()
    heads: int = 0

    def __init__(self, schedule: WeightSchedule, taps: tuple[int, ...] = ()):
        super().__init__()
        self.schedule, self.taps = schedule, taps

    @classmethod
    def of_run(cls, options: MethodOptions, run: RunSpec, encoder_width: int | None, generator: Generator) -> Self:
        """A new alignment for a run's model, initialised from `generator`. encoder_width: None where the run has no encoder."""
        raise NotImplementedError

    def weight(self, step: int) -> float:
        """Factor of the loss at a training step, counted from 0. At 0 the loss is not computed and neither teacher nor encoder run."""
        return self.schedule.at(step)

    def reads_at(self, step: int) -> frozenset[str]:
        """What a step of training reads for it."""
        return self.reads if self.weight(step) else frozenset()

    def prepare(self, batch: NoisyBatch, draws: dict[str, Tensor], targets: Targets | None) -> NoisyBatch:
        """What the student sees. A method that changes it does so at every step, whatever it weighs, and is the only one of its run that does."""
        return batch

    def loss(self, seen: StudentPass) -> Tensor:
        """Scalar float32, unweighted: a mean over samples (over groups of them, where the options declare some), so that parts of a batch that
        hold whole groups average to the whole.
        """
        raise NotImplementedError


def token_groups(batch: NoisyBatch) -> TokenGroups | None:
    """The groups of a batch's tokens as a network takes them; None where all have one time."""
    return None if batch.groups is None else TokenGroups(batch.groups, batch.group_sizes, batch.separated)
