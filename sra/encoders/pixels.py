"""Between bytes and network values. Images are uint8 (B, H, W, 3) outside the networks and float (B, 3, H, W) in [-1, 1] inside."""

from typing import Literal

import torch
from torch import Tensor

Uint8Rule = Literal["floor", "round"]


def require_uint8_images(images: Tensor) -> None:
    """Refuse anything but bytes: float images in [0, 1] or [-1, 1] would be encoded without complaint into other latents."""
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[-1] != 3:
        raise ValueError(f"expected uint8 images (B, H, W, 3), got {str(images.dtype).removeprefix('torch.')} {tuple(images.shape)}")


def from_uint8(images: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) float32 in [-1, 1]: x / 127.5 - 1, as SRA's and REPA's preprocessing."""
    require_uint8_images(images)
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


def to_uint8(images: Tensor, rule: Uint8Rule) -> Tensor:
    """(B, 3, H, W) float, nominally in [-1, 1] -> (B, H, W, 3) uint8.

    floor: 255 (x + 1) / 2, clamped and truncated (SRA, REPA: generate.py). round: 127.5 x + 128, clamped and truncated (DiT, SiT:
    sample_ddp.py). About half of all bytes differ by one level between the two, which moves a score: the rule belongs to the sampler.
    """
    if rule == "floor":
        levels = 255 * ((images + 1) / 2)
    elif rule == "round":
        levels = 127.5 * images + 128
    else:
        raise ValueError(f"unknown uint8 rule {rule!r}; use floor or round")
    return levels.clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
