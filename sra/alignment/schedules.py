"""How much an alignment weighs as training goes on."""

from dataclasses import dataclass
from typing import Literal

from sra.spec.scale import Resolution

STEPS_PER_EPOCH = 5004  # of the paper: 1,281,167 images in batches of 256, the last batch dropped


@dataclass(frozen=True)
class WeightSchedule:
    """`constant`, as the paper has it, or `official_decay`, as released code has it (SiT-SRA/train.py and DiT-SRA/train.py).

    The decay is tenfold every 1000 epochs after epoch 149; at resolution 512, every 800 after epoch 99. Resolution and epochs are the
    paper's, whatever the images here: `paper_steps_per_step` says how many of the paper's steps one step here stands for.
    """

    weight: float
    rule: Literal["constant", "official_decay"]
    resolution: Resolution
    paper_steps_per_step: float

    def at(self, step: int) -> float:
        """The weight at a step, counted from 0."""
        if self.rule == "constant":
            return self.weight
        last_full_epoch, epochs_per_tenth = (99, 800) if self.resolution == 512 else (149, 1000)
        epoch = int(step * self.paper_steps_per_step // STEPS_PER_EPOCH)
        return self.weight * 0.1 ** (max(0, epoch - last_full_epoch) / epochs_per_tenth)
