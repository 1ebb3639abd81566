"""Two times in one image: DTS + AS (arXiv 2607.02508; vvvvvjdy/SRA at 1723f85) and Self-Flow (arXiv 2603.06507; black-forest-labs/Self-Flow)."""

from typing import ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt

from sra.spec.base import Share
from sra.spec.methods.base import Origin, WeightedOptions, apart
from sra.spec.scale import Carrier


class DualTimesOptions(WeightedOptions):
    """Dual timestep sampling and attention separation: tokens in two groups, each noised at its own time, and SRA on top.

    A share `ratio` of an image's tokens, drawn anew each time, has the run's usual time and the rest a second one. While samples are drawn there is
    one time, so the model is a plain SiT. The defaults are those of the released training command; with weight 0 what is left is the augmentation
    alone, which the paper says the gain is.
    """

    ORIGIN: ClassVar = Origin(
        "DTS + AS", "a later block of the averaged model, each image at two times", "2607.02508", "vvvvvjdy/SRA", "1723f85", "MIT"
    )
    BLOCKS: ClassVar = ("student_block", "teacher_block")
    FAMILIES: ClassVar = ("sit",)
    NOT_OTHERS: ClassVar = "it gives tokens times of their own, which is defined for the velocity of class-conditional models alone"
    CHANGES_TIMES: ClassVar = True

    method: Literal["dts_as"] = "dts_as"
    student_block: PositiveInt
    teacher_block: PositiveInt
    weight: NonNegativeFloat = 0.5
    ratio: Share = 0.25
    times: Literal["two", "one"] = "two"
    separation: Literal["both", "student", "none"] = Field("both", description="whose tokens attend to those of their own group alone")
    # own: each group a little earlier, by its own draw; minimum: all tokens at the earlier of the two times; same: as the student.
    teacher_times: Literal["own", "minimum", "same"] = "own"
    max_interval: Share = 0.2  # of own
    teacher_labels: Literal["undropped", "shared"] = "undropped"  # of the teacher: those before dropout (released here), or the student's
    # tokens_official: the released cosine names no dim, so each channel is compared over the tokens.
    cosine_axis: Literal["channels", "tokens_official"] = "channels"

    @property
    def words(self) -> str:
        times = f"{self.times} time{'s' if self.times == 'two' else ''} an image, {self.ratio:g} of the tokens apart"
        apart = {"both": "attention separated", "student": "the student's attention separated", "none": "full attention"}[self.separation]
        aligned = f"blocks {self.student_block} → {self.teacher_block}, λ {self.weight:g}" if self.weight else "no alignment (control)"
        return f"{self.ORIGIN.name}: {times}, {apart}, {aligned}{self.stop_words}"

    @property
    def groups_tokens(self) -> bool:
        """Whether anything tells the two groups apart."""
        return self.times == "two" or self.separation != "none"

    def carried(self, to: Carrier) -> Self:
        return apart(super().carried(to), "student_block", "teacher_block", to)


class SelfFlowOptions(DualTimesOptions):
    """The student sees two times with full attention, the averaged model every token at the earlier of them (arXiv 2603.06507, and its authors).

    No training code is public. Blocks are 0.3 and 0.7 of the depth; how times are drawn on ImageNet is not said, here uniformly; nor whether the
    teacher sees dropped classes, here the student's.
    """

    ORIGIN: ClassVar = Origin(
        "Self-Flow",
        "a later block of the averaged model at the earlier of an image's two times",
        "2603.06507",
        "black-forest-labs/Self-Flow",
        "53db4f0",
        "Apache-2.0",
        unchecked="its code only draws samples",
    )

    method: Literal["self_flow"] = "self_flow"
    weight: NonNegativeFloat = 0.8
    separation: Literal["both", "student", "none"] = "none"
    teacher_times: Literal["own", "minimum", "same"] = "minimum"
    teacher_labels: Literal["undropped", "shared"] = "shared"
