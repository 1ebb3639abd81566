"""Maps from a student's features to its target's: trained beside the model and dropped after training."""

import math
from collections.abc import Callable
from itertools import pairwise

from torch import Generator, Tensor, nn

from sra.models.initial import initialize_as_torch, initialize_linears
from sra.spec.run import ModelSpec

Initialize = Callable[[nn.Module, Generator | None], None]


def initialization_of(model: ModelSpec) -> Initialize:
    """Heads start by the rule of their model: Xavier's in DiT and SiT (released code), torch's own in MMDiT, where REPA's mmdit.py sets none."""
    return initialize_as_torch if model.text else initialize_linears


class ProjectionHead(nn.Module):
    """SRA: tokens (B, N, D) -> (B, N, D) through one hidden layer of 2 D (section 3.2; released SimpleHead, same key names)."""

    def __init__(self, width: int, generator: Generator | None = None, initialize: Initialize = initialize_linears):
        super().__init__()
        self.linear1 = nn.Linear(width, 2 * width)
        self.act = nn.SiLU()
        self.linear2 = nn.Linear(2 * width, width)
        initialize(self, generator)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.linear2(self.act(self.linear1(tokens)))


class Projector(nn.Sequential):
    """REPA and SRA 2: tokens (B, N, D) -> (B, N, E) through `layers` linear maps with SiLU between.

    REPA has three (released build_mlp, same key names), SRA 2 five (arXiv 2601.17830).
    """

    def __init__(
        self,
        width: int,
        hidden: int,
        out: int,
        generator: Generator | None = None,
        layers: int = 3,
        initialize: Initialize = initialize_linears,
    ):
        widths = [width, *[hidden] * (layers - 1), out]
        maps = [nn.Linear(before, after) for before, after in pairwise(widths)]
        super().__init__(*[layer for linear in maps for layer in (linear, nn.SiLU())][:-1])
        initialize(self, generator)


class TokenConvolution(nn.Module):
    """iREPA: tokens (B, N, D) of a square, row by row -> (B, N, E) through one convolution that keeps the square's size, without activation.

    Its kernel starts by Xavier's rule for the flattened kernel, as the linear maps of the other heads; the paper does not say how.
    """

    def __init__(self, width: int, out: int, kernel: int, generator: Generator | None = None):
        super().__init__()
        self.conv = nn.Conv2d(width, out, kernel, padding=kernel // 2)
        nn.init.xavier_uniform_(self.conv.weight.flatten(1).detach(), generator=generator)
        nn.init.zeros_(self.conv.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        side = math.isqrt(tokens.shape[1])
        return self.conv(tokens.transpose(1, 2).unflatten(2, (side, side))).flatten(2).transpose(1, 2)
