"""What the training of a run computes from its first step on, each alignment counted only while it acts."""

from dataclasses import dataclass, replace
from itertools import pairwise

from sra.forecast.flops import TrainingFlops, training_flops
from sra.spec.run import RunSpec


@dataclass(frozen=True)
class Budget:
    """FLOPs of one run, by this preset's steps counted from 0.

    encoder_width: of the features that the run aligns with, which only methods with an encoder need.
    encoder, text_encoder: of one image or caption through a frozen network that runs in each step that reads it; 0 where what it makes is stored.
    """

    run: RunSpec
    encoder_width: int | None = None
    encoder: int = 0
    text_encoder: int = 0
    checkpointing: bool = False

    def of_image(self, step: int = 0) -> TrainingFlops:
        """Of one view of an image in that step."""
        flops = training_flops(self.run, self.encoder_width, self.checkpointing, step)
        return replace(flops, encoder=self.encoder if self.run.reads_encoder_at(step) else 0, text_encoder=self.text_encoder)

    def of_step(self, step: int = 0) -> int:
        """Of a whole batch in that step, all views of its images."""
        return self.run.training.samples * self.of_image(step).total

    def between(self, first: int, last: int) -> int:
        """Of the steps from `first` to before `last`, exactly. Raises ValueError where there are none such."""
        if not 0 <= first <= last:
            raise ValueError(f"steps {first} to {last} are no stretch of a training; give them in order, from 0 on")
        stops = (stop for stop in self.run.stops if first < stop < last)
        return sum((end - start) * self.of_step(start) for start, end in pairwise([first, *stops, last]))

    def knots(self, last: int) -> list[tuple[int, int]]:
        """(steps taken, FLOPs until then) from (0, 0) to `last`, with a knot at each stop on the way: straight lines between them are exact."""
        ends = [0, *(stop for stop in self.run.stops if stop < last), last]
        return [(end, self.between(0, end)) for end in ends]
