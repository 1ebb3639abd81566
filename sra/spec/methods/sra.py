"""Self-representation alignment (SRA, arXiv 2505.02831v5), section 3.2 and Table 5."""

from typing import ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from sra.spec.base import Share
from sra.spec.methods.base import Origin, WeightedOptions, left_out_at


class SraOptions(WeightedOptions):
    """Self-representation alignment, section 3.2 and Table 5. Blocks count from 1."""

    ORIGIN: ClassVar = Origin("SRA", "a later block of the averaged model, at less noise", "2505.02831", "vvvvvjdy/SRA", "1723f85", "MIT")
    BLOCKS: ClassVar = ("student_block", "teacher_block")

    method: Literal["sra"] = "sra"
    student_block: PositiveInt | None = Field(None, description="None only in a run of released weights whose size has no block in the paper")
    teacher_block: PositiveInt | None = Field(None, description="likewise")
    # k ~ U[0, max_interval) or k = max_interval for every sample, as a share of the time range (Table 1, "time interval").
    interval: Literal["uniform", "fixed"] = "uniform"
    max_interval: Share = 0.2
    weight: NonNegativeFloat = 0.2
    # official_decay: released code lets the weight fall tenfold per 1000 epochs after epoch 149 (256 px), per 800 after 99 (512 px).
    schedule: Literal["constant", "official_decay"] = "constant"
    # cosine_over_tokens_official: the released `F.cosine_similarity` without dim compares along the token axis.
    distance: Literal["smooth_l1", "cosine", "cosine_over_tokens_official", "l1", "l2"] = "smooth_l1"
    beta: PositiveFloat = 0.05  # of smooth l1; released code, SiT-SRA/loss.py
    head: Literal["mlp", "none"] = "mlp"
    # Lowest teacher time on the DDPM grid: the paper truncates to 0, the released DiT-SRA/train.py to 1.
    teacher_time_floor: Literal[0, 1] = 0
    stop_step: PositiveInt | None = left_out_at(None, "step of the paper's scale from which the weight is 0; never by default")

    @model_validator(mode="after")
    def _student_is_not_deeper(self):
        if (self.student_block is None) != (self.teacher_block is None):
            raise ValueError("student_block and teacher_block go together; give both")
        if self.student_block is not None and self.student_block > self.teacher_block:
            raise ValueError(f"student_block {self.student_block} is deeper than teacher_block {self.teacher_block}; the paper needs m <= n")
        return self

    @property
    def words(self) -> str:
        interval = f"k ~ U[0, {self.max_interval:g})" if self.interval == "uniform" else f"k = {self.max_interval:g}"
        head = "with head" if self.head == "mlp" else "without head"
        blocks = "blocks not said" if self.student_block is None else f"blocks {self.student_block} → {self.teacher_block}"
        return f"SRA: {blocks}, {interval}, λ {self.weight:g}, {self.distance}, {head}{self.stop_words}"
