"""What the options of every alignment method have in common."""

from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt

from sra.spec.base import Strict
from sra.spec.scale import Carrier

Family = Literal["sit", "dit", "mmdit"]
FAMILY_NAMES: dict[str, str] = {"sit": "SiT", "dit": "DiT", "mmdit": "MMDiT"}


def left_out_at(default: Any, description: str | None = None) -> Any:
    """An option that came after runs were trained: at its default it is left out of config.json, so that those runs stay what they are."""
    return Field(default, exclude_if=lambda value: value == default, description=description)


@dataclass(frozen=True)
class Origin:
    """Where a method comes from, for people who compare methods.

    name: as its paper writes it.  signal: what the model learns from beside its own task, in one phrase.  arxiv: number of its paper.
    code, commit, licence: of the official repository on GitHub, as it was read; None where there is none.
    unchecked: why its loss and gradients are held to no official code; empty where tests/parity holds them to it.
    """

    name: str
    signal: str
    arxiv: str
    code: str | None = None
    commit: str | None = None
    licence: str | None = None
    unchecked: str = ""


class MethodOptions(Strict):
    """Base of an alignment method's options: one class for each `method`, listed in `sra.spec.methods.known`.

    ORIGIN: its paper and code; None in what is made of others and has no paper of its own.
    BLOCKS: the options that name blocks, counted from 1 in the paper's model; a run that is trained needs all of them.
    FAMILIES: the models that the method trains, and NOT_OTHERS why no others.
    """

    ORIGIN: ClassVar[Origin | None] = None
    BLOCKS: ClassVar[tuple[str, ...]] = ()
    FAMILIES: ClassVar[tuple[Family, ...]] = ("sit", "dit", "mmdit")
    NOT_OTHERS: ClassVar[str] = ""
    CHANGES_TIMES: ClassVar[bool] = False  # whether it decides what the student sees, which only one method of a run can
    IN_STEP: ClassVar[bool] = False  # whether it needs more of an encoder than tokens that can be stored, so that the encoder runs in each step

    @property
    def parts(self) -> "tuple[MethodOptions, ...]":
        """The alignments that train together; the method itself unless it is made of others."""
        return (self,)

    @property
    def name(self) -> str:
        """What its paper calls it."""
        return self.ORIGIN.name if self.ORIGIN else self.method

    @property
    def words(self) -> str:
        """The method in one line, for people."""
        return " and ".join(part.words for part in self.parts)

    @property
    def blocks_words(self) -> str:
        """Its blocks in one word: `3 → 8`; empty for a method that has none."""
        return " → ".join(str(getattr(self, name)) for name in self.BLOCKS)

    @classmethod
    def origins(cls) -> tuple[Origin, ...]:
        """Its own, or those of its parts."""
        return (cls.ORIGIN,) if cls.ORIGIN else ()

    @property
    def groups_of(self) -> int:
        """Samples that one loss compares with each other: a batch, a process's share and a micro-batch of it are multiples of this."""
        return 1

    def carried(self, to: Carrier) -> Self:
        """The same method in a model of another size.

        Raises ValueError for a block that the paper's model has not, and for two that must differ and fall together.
        """
        return self.model_copy(update={name: to.block(block) for name in self.BLOCKS if (block := getattr(self, name)) is not None})

    def scaled(self, factor: float) -> Self:
        """The same method with each of its weights times `factor`, those of its parts together.

        Raises ValueError where no weight would change, and for a weight that the method does not allow.
        """
        if not any(part.weight for part in self.parts):
            raise ValueError(f"method {self.method} has no weight that a factor would change; choose a method with one")
        return self._weighing(factor)

    def _weighing(self, factor: float) -> Self:
        """`scaled`, whether it changes anything or not."""
        return self

    def check_fits(self, family: str, batch: int) -> None:
        """Raises ValueError where the method cannot train such a model with such a batch."""
        for part in self.parts:
            if family not in part.FAMILIES:
                known = " and ".join(FAMILY_NAMES[name] for name in part.FAMILIES)
                raise ValueError(
                    f"method {part.method} trains {known}, not {FAMILY_NAMES[family]}: {part.NOT_OTHERS}; choose another method or model"
                )
            if batch % part.groups_of:
                raise ValueError(
                    f"method {part.method} compares samples in groups of {part.groups_of}, which do not divide the preset's batch {batch}; "
                    f"give a group that does"
                )


class WeightedOptions(MethodOptions):
    """Base of the options of one alignment: a loss with a weight, from the first step or until one of them."""

    weight: NonNegativeFloat
    stop_step: PositiveInt | None = Field(None, description="step of the paper's scale from which the weight is 0; never by default")

    @property
    def weight_words(self) -> str:
        """How a line about the method says its weight, and when it stops."""
        return f"λ {self.weight:g}{self.stop_words}"

    @property
    def stop_words(self) -> str:
        """How a line about the method ends; empty for one that does not stop."""
        return f", until step {self.stop_step} of the paper" if self.stop_step else ""

    def acts_at(self, step: int, paper_steps_per_step: float) -> bool:
        """Whether its loss is computed at a step here, counted from 0."""
        return bool(self.weight) and not is_stopped(self.stop_step, step, paper_steps_per_step)

    def first_stopped(self, paper_steps_per_step: float) -> int | None:
        """The first step here, counted from 0, that it no longer acts at; None for one that does not stop, or never acts."""
        if not self.weight or self.stop_step is None:
            return None
        near = ceil(self.stop_step / paper_steps_per_step)  # but for rounding
        return next(step for step in (near - 1, near, near + 1) if not self.acts_at(step, paper_steps_per_step))

    def _weighing(self, factor: float) -> Self:
        return type(self).model_validate({**self.model_dump(), "weight": factor * self.weight})


def is_stopped(stop_step: int | None, step: int, paper_steps_per_step: float) -> bool:
    """Whether a step here, counted from 0, stands for one of the paper's from `stop_step` on."""
    return stop_step is not None and step * paper_steps_per_step >= stop_step


def apart(options: MethodOptions, earlier: str, later: str, to: Carrier) -> MethodOptions:
    """The options themselves, after carrying. Raises ValueError where two blocks that must differ have fallen together."""
    if getattr(options, earlier) >= getattr(options, later):
        raise ValueError(
            f"{earlier} and {later} fall together on block {getattr(options, later)} of the {to.here.depth} that the preset's model has; "
            f"choose blocks further apart"
        )
    return options


class BaselineOptions(MethodOptions):
    """The baseline: generation loss alone."""

    ORIGIN: ClassVar = Origin("No alignment", "its own task alone", "2401.08740", "willisma/SiT", "947f95b", "MIT")

    method: Literal["none"] = "none"

    @property
    def parts(self) -> tuple[MethodOptions, ...]:
        return ()

    @property
    def words(self) -> str:
        return "baseline: generation loss alone"
