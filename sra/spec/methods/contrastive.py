"""Contrastive flow matching (arXiv 2506.05350; gstoica27/DeltaFM at 489f536): the velocity also keeps away from another sample's."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from sra.spec.methods.base import Origin, WeightedOptions
from sra.spec.scale import Carrier


class ContrastiveOptions(WeightedOptions):
    """Minus the mean squared error between the predicted velocity and the target of another sample of the group.

    The weight is the paper's; at 1, the default of the released flag, the whole loss is linear in the prediction and has no minimum.
    """

    ORIGIN: ClassVar = Origin(
        "Contrastive flow matching", "another sample's velocity, kept away from", "2506.05350", "gstoica27/DeltaFM", "489f536", "MIT"
    )
    FAMILIES: ClassVar = ("sit", "mmdit")
    NOT_OTHERS: ClassVar = "it contrasts velocities, which a chain of noise levels has not"

    method: Literal["contrastive"] = "contrastive"
    weight: Annotated[float, Field(ge=0)] = 0.05
    group: PositiveInt = 32  # theirs is what one device holds of the batch
    negatives: Literal["any", "other_class"] = "any"  # any: samples of the same class included, as the released command
    contrast_null: bool = True  # whether samples whose class was dropped are contrasted too

    @model_validator(mode="after")
    def _has_a_minimum(self) -> Self:
        if self.weight >= 1:
            raise ValueError(f"weight {self.weight:g}: from 1 on the loss has no minimum; give less than 1, the paper has 0.05")
        if self.group < 2:
            raise ValueError(f"group {self.group}: a sample is contrasted with another of its group; give 2 or more")
        return self

    def carried(self, to: Carrier) -> Self:
        return self.model_copy(update={"group": to.group(self.group)})

    @property
    def groups_of(self) -> int:
        return self.group

    @property
    def words(self) -> str:
        negatives = "" if self.negatives == "any" else ", negatives of other classes"
        return f"contrastive flow matching: groups of {self.group}{negatives}, {self.weight_words}"
