"""What the training loop asks of an alignment method."""

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Generator, Tensor, nn

from sra.alignment.schedules import WeightSchedule
from sra.alignment.targets import Targets
from sra.diffusion.batch import NoisyBatch
from sra.models.trunk import Transformer
from sra.spec.methods.base import MethodOptions
from sra.spec.run import RunSpec


@dataclass(frozen=True)
class StudentPass:
    """One forward pass of the student, and what a loss can compare it with.

    features: the raw residual stream (B, N, D) after each tapped block, by block.  output: (B, O, H, W), what the network predicts.
    teacher: the averaged model; whoever reads it runs it.  draws: (B, ...) uniform in [0, 1) by name, those that the method declares.
    targets: what an external encoder says of the clean images; None where no method of this step reads them.
    """

    batch: NoisyBatch
    features: dict[int, Tensor]
    output: Tensor
    teacher: Transformer
    draws: dict[str, Tensor]
    targets: Targets | None = None


class Alignment(nn.Module):
    """A method declares which blocks of the student it reads, where its target comes from and how much it weighs at each step.

    Its parameters, if any, are trained with the student and dropped after training.

    schedule: of its weight.  taps: blocks (from 1) whose output the student hands over.  draws: its own random numbers, by name the shape that
    one image has.  reads: what `loss` needs beside the student's pass, "tokens" of an encoder or "latent_mean"; at weight 0 it is neither read from
    disk nor computed.
    """

    draws: ClassVar[dict[str, tuple[int, ...]]] = {}
    reads: frozenset[str] = frozenset()

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

    def loss(self, seen: StudentPass) -> Tensor:
        """Scalar float32, unweighted: a mean over samples (over groups of them, where the options declare some), so that parts of a batch that
        hold whole groups average to the whole.
        """
        raise NotImplementedError
