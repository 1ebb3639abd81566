"""Initial weights as a function of a seed: nothing here reads or moves torch's global random state."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Generator, nn

from sra.core.seeds import derive_seed


@contextmanager
def initial_weights(seed: int, purpose: str) -> Iterator[Generator]:
    """A generator for the weights of one module, for example `with initial_weights(0, "model") as generator`.

    torch's layers fill themselves from the global state before we overwrite them, so that state is put back on leaving.
    """
    with torch.random.fork_rng(devices=[]):
        yield torch.Generator().manual_seed(derive_seed(seed, "initial weights", purpose))


def initialize_linears(module: nn.Module, generator: Generator | None = None) -> None:
    """Xavier uniform weights and zero biases for every linear layer inside (DiT, models.py; SRA and REPA heads too)."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            nn.init.zeros_(layer.bias)


def initialize_as_torch(module: nn.Module, generator: Generator | None = None) -> None:
    """torch's own initial weights for every linear layer and convolution inside: weights and biases uniform within 1 / sqrt(inputs)."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            bound = 1 / math.sqrt(layer.weight[0].numel())
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
