"""Alignment of attention (HASTE, arXiv 2505.16792): where the student's tokens look, as an encoder's do; stopped early."""

from typing import ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from sra.spec.methods.base import Origin, WeightedOptions
from sra.spec.scale import Carrier


class AttentionOptions(WeightedOptions):
    """Cross-entropy of a range of the student's blocks against as many last blocks of the encoder.

    The paper's pairs are blocks 5 to 8 of XL with 9 to 12 of DINOv2-B. For other sizes it says nothing, and its code would take the same blocks of B
    and stop before them; the recipe's default is as many blocks that end at REPA's. A range is carried to another depth by its two ends.
    """

    ORIGIN: ClassVar = Origin(
        "HASTE",
        "patch tokens and attention of an external encoder, until a step",
        "2505.16792",
        "NUS-HPC-AI-Lab/HASTE",
        "eb7b1f1",
        unchecked="its code has no licence",
    )
    BLOCKS: ClassVar = ("first_block", "last_block")
    FAMILIES: ClassVar = ("sit", "dit")
    NOT_OTHERS: ClassVar = "its tokens attend to a text, which the encoder's have not"
    IN_STEP: ClassVar = True

    method: Literal["attention"] = "attention"
    first_block: PositiveInt
    last_block: PositiveInt
    encoder: str = Field("dinov2b", description="an encoder of weights.tsv, or timm/NAME for any vision transformer of timm")
    weight: NonNegativeFloat = 0.5

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.first_block > self.last_block:
            raise ValueError(f"first_block {self.first_block} comes after last_block {self.last_block}; exchange them")
        return self

    @property
    def words(self) -> str:
        blocks = f"blocks {self.first_block} to {self.last_block}"
        return f"attention of {blocks} as in the last of encoder {self.encoder}, {self.weight_words}"

    @property
    def blocks_words(self) -> str:
        return f"{self.first_block} to {self.last_block}" if self.first_block < self.last_block else str(self.first_block)

    def carried(self, to: Carrier) -> Self:
        return super().carried(to).model_copy(update={"encoder": to.encoder(self.encoder)})
