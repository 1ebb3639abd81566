"""Initial weights as a function of a seed: nothing here reads or moves torch's global random state."""

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
