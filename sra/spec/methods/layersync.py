"""LayerSync (arXiv 2510.12581; vita-epfl/LayerSync at 4001d6d): a block learns from a later block of the same pass."""

from typing import ClassVar, Literal, Self

from pydantic import NonNegativeFloat, PositiveInt, model_validator

from sra.spec.methods.base import Origin, WeightedOptions, apart
from sra.spec.scale import Carrier


class LayerSyncOptions(WeightedOptions):
    """Minus the cosine of two blocks' tokens, no head and no teacher.

    The released command names one pair, 8 <- 16 of XL; other sizes have it carried to their depth by the recipe. The script's own default, a block
    that is its own target, is no method and refused.
    """

    ORIGIN: ClassVar = Origin("LayerSync", "a later block of the same pass", "2510.12581", "vita-epfl/LayerSync", "4001d6d", "MIT")
    BLOCKS: ClassVar = ("student_block", "target_block")

    method: Literal["layersync"] = "layersync"
    student_block: PositiveInt
    target_block: PositiveInt
    weight: NonNegativeFloat = 0.2

    @model_validator(mode="after")
    def _target_is_deeper(self):
        if self.student_block >= self.target_block:
            raise ValueError(f"student_block {self.student_block} is not before target_block {self.target_block}; the target is a later block")
        return self

    @property
    def words(self) -> str:
        return f"LayerSync: blocks {self.student_block} → {self.target_block}, {self.weight_words}"

    def carried(self, to: Carrier) -> Self:
        return apart(super().carried(to), "student_block", "target_block", to)
