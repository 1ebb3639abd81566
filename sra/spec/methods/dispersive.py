"""Dispersive loss (arXiv 2506.09027; raywang4/DispLoss at c58de8d): samples of a group push each other apart, without any target."""

from typing import ClassVar, Literal, Self

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from sra.spec.methods.base import Origin, WeightedOptions
from sra.spec.scale import Carrier


class DispersiveOptions(WeightedOptions):
    """The logarithm of the mean of exp(-squared distance / (temperature x numbers of a sample)) over the pairs of a group.

    The recipe's default is the code behind the paper's tables (`jax`: group 16, weight 0.5, temperature 0.5, a quarter of the depth); the PyTorch
    code has group 32, weight 0.25, temperature 1 and the last block.
    """

    ORIGIN: ClassVar = Origin("Dispersive loss", "the other samples of a group, kept away from", "2506.09027", "raywang4/DispLoss", "c58de8d", "MIT")
    BLOCKS: ClassVar = ("block",)

    method: Literal["dispersive"] = "dispersive"
    block: PositiveInt
    weight: NonNegativeFloat = 0.5
    temperature: PositiveFloat = 0.5
    # Theirs is what one device holds of the batch; a declared group gives the same loss on any number of devices.
    group: PositiveInt = 16
    diagonal: Literal["kept", "dropped"] = "kept"  # each sample's distance to itself, 0: kept in released code
    tokens: Literal["flat", "mean"] = "flat"  # all tokens as one vector (released), or their mean (ours)

    def carried(self, to: Carrier) -> Self:
        return super().carried(to).model_copy(update={"group": to.group(self.group)})

    @property
    def groups_of(self) -> int:
        return self.group

    @property
    def words(self) -> str:
        return f"dispersive loss: block {self.block}, groups of {self.group}, τ {self.temperature:g}, {self.weight_words}"
