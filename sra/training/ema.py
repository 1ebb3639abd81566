"""The exponential moving average of the weights: the teacher, and what is evaluated."""

import math

from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from sra.spec.recipe import Ema, RampEma
from sra.spec.scale import scaled_decay


def ema_decay(ema: Ema, step: int, ramp_steps: int | None, paper_steps_per_step: float) -> float:
    """Decay of the update after step number `step` (from 0).

    constant: section 3.2.  ramp: end - (end - start) (cos(pi t) + 1) / 2 over t in [0, 1], the momentum schedule of BYOL
    (arXiv 2006.07733, section 3.3) and DINO, which Table 6 names by its end points. Both are given for the paper's steps.
    """
    decay = ema.decay if not isinstance(ema, RampEma) else _ramp(ema, min(step / ramp_steps, 1.0))
    return scaled_decay(decay, paper_steps_per_step)


def _ramp(ema: RampEma, share: float) -> float:
    return ema.end - (ema.end - ema.start) * (math.cos(math.pi * share) + 1) / 2


def update_average(average: list[Tensor], weights: list[Tensor], decay: float) -> None:
    """Set average to decay average + (1 - decay) weights, in place; both lists have the same order."""
    get_ema_multi_avg_fn(decay)(average, weights, None)
