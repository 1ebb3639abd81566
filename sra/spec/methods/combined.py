"""Methods that are made of others, each part with its own weight and head."""

from typing import Literal, Self

from pydantic import create_model, model_validator

from sra.spec.methods.base import MethodOptions, Origin
from sra.spec.scale import Carrier


class CombinedOptions(MethodOptions):
    """Several methods at once; every field but `method` holds the options of one of them."""

    @classmethod
    def part_fields(cls) -> dict[str, type[MethodOptions]]:
        """The options of each part by its field."""
        return {name: field.annotation for name, field in cls.model_fields.items() if name != "method"}

    @classmethod
    def origins(cls) -> tuple[Origin, ...]:
        return super().origins() or tuple(origin for part in cls.part_fields().values() for origin in part.origins())

    @property
    def parts(self) -> tuple[MethodOptions, ...]:
        return tuple(part for name in self.part_fields() for part in getattr(self, name).parts)

    @property
    def blocks_words(self) -> str:
        named = [part for part in self.parts if part.BLOCKS]
        return ", ".join(f"{part.method} {part.blocks_words}" if len(named) > 1 else part.blocks_words for part in named)

    def carried(self, to: Carrier) -> Self:
        return self.model_copy(update={name: getattr(self, name).carried(to) for name in self.part_fields()})

    def _weighing(self, factor: float) -> Self:
        return self.model_copy(update={name: getattr(self, name)._weighing(factor) for name in self.part_fields()})

    @model_validator(mode="after")
    def _one_decides_what_the_student_sees(self) -> Self:
        owners = [part.method for part in self.parts if part.CHANGES_TIMES]
        if len(owners) > 1:
            raise ValueError(f"{' and '.join(owners)} each decide what the student sees; one run can have one of them")
        return self


def combination(title: str, *parts: type[MethodOptions], method: str | None = None, origin: Origin | None = None) -> type[CombinedOptions]:
    """The options of a method that is made of others. It is called by their names with + between them, or has a name and an origin of its own."""
    fields = {part.model_fields["method"].default: (part, ...) for part in parts}
    name = method or "+".join(fields)
    made = create_model(title, __base__=CombinedOptions, __doc__=f"{' and '.join(fields)} at once.", method=(Literal[name], name), **fields)
    made.ORIGIN = origin
    return made
