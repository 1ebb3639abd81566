"""How much an alignment weighs as training goes on."""

from dataclasses import dataclass
from typing import Literal, Self

from sra.spec.methods.base import WeightedOptions, is_stopped
from sra.spec.run import RunSpec
from sra.spec.scale import USUAL_RESOLUTION, Resolution

STEPS_PER_EPOCH = 5004  # of the paper: 1,281,167 images in batches of 256, the last batch dropped


@dataclass(frozen=True)
class WeightSchedule:
    """`constant`, as the paper has it, or `official_decay`, as released code has it (SiT-SRA/train.py and DiT-SRA/train.py).

    The decay is tenfold every 1000 epochs after epoch 149; at resolution 512, every 800 after epoch 99. Resolution and epochs are the
    paper's, whatever the images here: `paper_steps_per_step` says how many of the paper's steps one step here stands for.

    stop_step: the paper's step from which the weight is 0, as HASTE stops (arXiv 2505.16792); None: never.
    """

    weight: float
    rule: Literal["constant", "official_decay"] = "constant"
    resolution: Resolution = USUAL_RESOLUTION
    paper_steps_per_step: float = 1.0
    stop_step: int | None = None

    @classmethod
    def of_run(cls, options: WeightedOptions, run: RunSpec) -> Self:
        """The schedule of a method's options; one that has no rule is constant."""
        rule = getattr(options, "schedule", "constant")
        return cls(options.weight, rule, run.resolution, run.training.paper_steps_per_step, options.stop_step)

    def at(self, step: int) -> float:
        """The weight at a step, counted from 0."""
        if is_stopped(self.stop_step, step, self.paper_steps_per_step):
            return 0.0
        if self.rule == "constant":
            return self.weight
        last_full_epoch, epochs_per_tenth = (99, 800) if self.resolution == 512 else (149, 1000)
        epoch = int(step * self.paper_steps_per_step // STEPS_PER_EPOCH)
        return self.weight * 0.1 ** (max(0, epoch - last_full_epoch) / epochs_per_tenth)
