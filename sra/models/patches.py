"""Latents as the tokens of a transformer: one token a p x p patch, row by row."""

import torch
from torch import Tensor


def patches_of(image: Tensor, patch: int) -> Tensor:
    """An image (B, C, H, W) as patches (B, N, p p C), channels last, in the order of `unpatchify`."""
    grid = image.unflatten(3, (-1, patch)).unflatten(2, (-1, patch))
    return torch.einsum("bchpwq->bhwpqc", grid).flatten(3, 5).flatten(1, 2)
