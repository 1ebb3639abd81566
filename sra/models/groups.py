"""Tokens of one image in groups, each with a time of its own: a transformer keeps the tokens of a group together while it runs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class TokenGroups:
    """of: (B, N) int64, the group of each token.  sizes: tokens of each group, the same in every image.

    separated: whether a token attends to those of its own group alone.
    """

    of: Tensor
    sizes: tuple[int, ...]
    separated: bool = False

    def sorted(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, D) with those of group 0 first, each group in its own order."""
        return _gathered(tokens, self._order)

    def restored(self, tokens: Tensor) -> Tensor:
        """What `sorted` has put together, back in place."""
        return _gathered(tokens, self._places)

    @cached_property
    def _order(self) -> Tensor:
        return self.of.argsort(dim=1, stable=True)

    @cached_property
    def _places(self) -> Tensor:
        return self._order.argsort(dim=1)

    def attended(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attention of sorted tokens, (B, H, N, d) each; among all, or within each group."""
        if not self.separated:
            return F.scaled_dot_product_attention(query, key, value)
        parts = zip(*(tensor.split(self.sizes, dim=2) for tensor in (query, key, value)), strict=True)
        return torch.cat([F.scaled_dot_product_attention(*part) for part in parts], dim=2)

    def modulated(self, function: Callable[..., Tensor], *tokens: Tensor, by: tuple[Tensor, ...]) -> Tensor:
        """`function(*tokens, *by)` for each group's sorted tokens (B, n, D) with what it has of `by`, (B, G, D), as (B, 1, D); put together again.

        As many numbers as there are groups are computed, not as many as there are tokens.
        """
        parts = zip(*(each.split(self.sizes, dim=1) for each in tokens), strict=True)
        return torch.cat([function(*part, *(each[:, number : number + 1] for each in by)) for number, part in enumerate(parts)], dim=1)


def _gathered(tokens: Tensor, order: Tensor) -> Tensor:
    return tokens.gather(1, order.unsqueeze(2).expand(-1, -1, tokens.shape[2]))
