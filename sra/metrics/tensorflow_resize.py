"""The resize of the FID Inception graph: bilinear as TensorFlow 1 did it, where output pixel i samples the input at i * size / output.

Without the half-pixel centres of later libraries the image moves by up to half a pixel, enough to change FID in the second decimal.
Source: TensorFlow 1.x, resize_bilinear with align_corners=False; bit-equal to torch-fidelity's `interpolate_bilinear_2d_like_tensorflow1x`.
"""

from functools import lru_cache

import torch
from torch import Tensor


def tensorflow_resize(images: Tensor, size: int) -> Tensor:
    """(B, H, W, C) uint8 or float32 -> (B, size, size, C) float32, on the same device and in the same range."""
    batch, height, width, channels = images.shape
    # Along the width first: the other order rounds differently. A row is one vector of W * C numbers, which gathers fastest.
    rows = _sampled(images.float().reshape(batch * height, width * channels), _grid(width, size, channels, images.device))
    columns = _sampled(rows.view(batch, height, size * channels), _grid(height, size, 1, images.device), trailing=1)
    return columns.view(batch, size, size, channels)


def _sampled(values: Tensor, grid: tuple[Tensor, Tensor, Tensor], trailing: int = 0) -> Tensor:
    """Linear interpolation along dimension 1; `trailing` dimensions follow it. Not `lerp`, whose formula rounds differently."""
    low, high, weight = grid
    below = values.index_select(1, low)
    return values.index_select(1, high).sub_(below).mul_(weight.view(-1, *[1] * trailing)).add_(below)


@lru_cache(maxsize=64)
def _grid(size: int, output: int, repeats: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Indices of the lower and the upper neighbour and the upper one's weight, (output * repeats,) each, for pixels of `repeats` numbers."""
    position = torch.arange(output, dtype=torch.float32) * torch.tensor(size / output, dtype=torch.float32)
    low = position.long()
    high = (low + 1).clamp(max=size - 1)
    weight = (position - low).repeat_interleave(repeats)
    low, high = ((index[:, None] * repeats + torch.arange(repeats)).flatten() for index in (low, high))
    return low.to(device), high.to(device), weight.to(device)
