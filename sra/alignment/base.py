"""What the training loop asks of an alignment method."""

from typing import Self

from torch import Generator, Tensor, nn

from sra.diffusion.batch import NoisyBatch
from sra.models.trunk import Transformer
from sra.spec.method import MethodOptions
from sra.spec.run import RunSpec


class Alignment(nn.Module):
    """A method declares which blocks of the student it reads, where its target comes from and how much it weighs at each step.

    Its parameters, if any, are trained with the student and dropped after training.
    """

    taps: tuple[int, ...] = ()  # blocks (from 1) whose output the student hands over
    reads_targets: bool = False  # whether `loss` reads encoder features; at weight 0 they are neither read from disk nor computed

    @classmethod
    def of_run(cls, options: MethodOptions, run: RunSpec, encoder_width: int | None, generator: Generator) -> Self:
        """A new alignment for a run's model, initialised from `generator`. encoder_width: None where the run has no encoder."""
        raise NotImplementedError

    def weight(self, step: int) -> float:
        """Factor of the loss at a training step, counted from 0. At 0 the loss is not computed and the teacher not run."""
        raise NotImplementedError

    def loss(self, batch: NoisyBatch, features: dict[int, Tensor], teacher: Transformer, draw: Tensor, targets: Tensor | None) -> Tensor:
        """Scalar float32, unweighted: a mean over samples, so that parts of a batch average to the whole.

        features: the student's (B, N, D) by block.  teacher: the averaged model; whoever reads it runs it.
        draw: (B,) uniform in [0, 1), the method's only randomness.  targets: (B, N, E) encoder features, or None.
        """
        raise NotImplementedError
