"""What an external encoder says of the clean images of a batch."""

from collections.abc import Callable
from dataclasses import dataclass, fields

from torch import Tensor


@dataclass(frozen=True)
class Targets:
    """tokens: (B, N, E) of the patches, in reading order."""

    tokens: Tensor

    def moved(self, move: Callable[[Tensor], Tensor]) -> "Targets":
        """With every tensor passed through `move`."""
        return Targets(**{field.name: move(getattr(self, field.name)) for field in fields(self)})

    @property
    def tensors(self) -> list[Tensor]:
        return [getattr(self, field.name) for field in fields(self)]
