"""From the specification of a model to the network."""

from torch import Generator

from sra.models.dit import DiffusionTransformer
from sra.models.initial import initial_weights
from sra.models.mmdit import MultimodalDiffusionTransformer
from sra.models.trunk import Transformer
from sra.spec.run import ModelSpec


def build_model(spec: ModelSpec, seed: int) -> Transformer:
    """A new transformer on the CPU, the same for the same seed, whatever the global random state."""
    with initial_weights(seed, "model") as generator:
        return empty_model(spec, generator)


def empty_model(spec: ModelSpec, generator: Generator | None = None) -> Transformer:
    """A new transformer whose weights are about to be replaced."""
    return (MultimodalDiffusionTransformer if spec.text else DiffusionTransformer)(spec, generator)
