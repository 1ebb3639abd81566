"""Distances between student and target features, both (B, N, D) -> scalar, computed in float32.

Source: SRA section 3.2 (smooth l1); released SiT-SRA/loss.py (the others). Every mean runs over samples, tokens and channels alike.
"""

from collections.abc import Callable
from functools import partial

import torch.nn.functional as F
from torch import Tensor

from sra.spec.methods.sra import SraOptions
from sra.spec.methods.sra2 import Sra2Options

Distance = Callable[[Tensor, Tensor], Tensor]


def distance_of(options: SraOptions | Sra2Options) -> Distance:
    """The distance an experiment names."""
    return {
        "smooth_l1": partial(smooth_l1, beta=options.beta),
        "l1": l1,
        "l2": l2,
        "cosine": cosine,
        "cosine_over_tokens_official": cosine_over_tokens_official,
    }[options.distance]


def smooth_l1(student: Tensor, target: Tensor, beta: float) -> Tensor:
    """Squared error over 2 beta where the error is below beta, absolute error less beta / 2 elsewhere."""
    return F.smooth_l1_loss(student.float(), target.float(), beta=beta)


def l1(student: Tensor, target: Tensor) -> Tensor:
    return F.l1_loss(student.float(), target.float())


def l2(student: Tensor, target: Tensor) -> Tensor:
    return F.mse_loss(student.float(), target.float())


def cosine(student: Tensor, target: Tensor) -> Tensor:
    """1 - cosine between the two vectors of each token; 0 to 2."""
    return (1 - F.cosine_similarity(student.float(), target.float(), dim=2)).mean()


def cosine_over_tokens_official(student: Tensor, target: Tensor) -> Tensor:
    """The same along the token axis: released code names no dim, and the default is 1, so each channel is compared over the tokens."""
    return (1 - F.cosine_similarity(student.float(), target.float(), dim=1)).mean()
