"""Augmentation of small images: each moves by its own few pixels, which keeps its class where mirroring would not."""

import torch
from torch import Tensor
from torch.nn import functional as F


def shifted(images: Tensor, most: int, generator: torch.Generator, mode: str, value: float | None = None) -> Tensor:
    """Each of (B, C, H, W) moved by up to `most` whole pixels each way, as drawn by a generator of the CPU.

    mode, value: what comes in at the edge, as in torch's `pad`.
    """
    batch, channels, height, width = images.shape
    padded = F.pad(images, (most,) * 4, mode=mode, value=value)
    down, right = torch.randint(2 * most + 1, (2, batch, 1), generator=generator)
    rows, columns = down + torch.arange(height), right + torch.arange(width)
    image, channel = torch.arange(batch).view(-1, 1, 1, 1), torch.arange(channels).view(1, -1, 1, 1)
    places = (image, channel, rows[:, None, :, None], columns[:, None, None, :])
    return padded[tuple(place.to(images.device) for place in places)]
