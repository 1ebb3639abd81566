"""What an external encoder says of the clean images of a batch."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Targets:
    """Of images (B, ...), without gradient; what is not asked for is None or empty.

    tokens: (B, N, E) of the patches, in reading order.  summary: (B, E), the token that sums the image up.
    attention: (B, H, N, N) logits among the patches, of each block in order.
    """

    tokens: Tensor | None = None
    summary: Tensor | None = None
    attention: tuple[Tensor, ...] = ()

    def moved(self, move: Callable[[Tensor], Tensor]) -> "Targets":
        """With every tensor passed through `move`."""
        tokens, summary = (None if tensor is None else move(tensor) for tensor in (self.tokens, self.summary))
        return Targets(tokens, summary, tuple(map(move, self.attention)))

    @property
    def tensors(self) -> list[Tensor]:
        """Those that there are, always in the same order."""
        return [tensor for tensor in (self.tokens, self.summary, *self.attention) if tensor is not None]
