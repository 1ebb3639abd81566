"""The second opinion on small sets: a network that no label has taught, trained to tell how far an image was turned.

Source: Gidaris, Singh & Komodakis 2018 (RotNet, arXiv 1803.07728). Photographs of one kind of thing are all taken upright, so to tell the turn a
network must know the parts of the thing and where they belong. Turns by 90 degrees move whole pixels, and leave no trace of interpolation that
would give them away. Nothing teaches it to overlook blur, noise or contrast, as the augmentations of contrastive learning would: a distance in
its features has to see them. Digits do not suit it: 0, 1 and 8 stay what they are upside down, and 6 and 9 change places.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sra.metrics.exact import full_float32
from sra.metrics.extractors import Features, spatial_features
from sra.metrics.small_extractor import TrainedExtractor

ROTATION = "rotation_cnn"  # in the config of a folder that was trained here
TURNS = 4  # by 0, 90, 180 and 270 degrees


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside the identity."""

    def __init__(self, channels: int):
        super().__init__()
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(2))
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        inner = functional.gelu(self.norms[0](self.first(x)))
        return functional.gelu(x + self.norms[1](self.second(inner)))


class RotationNetwork(nn.Module):
    """Residual stages at 16, 8 and 4 pixels on 32 x 32 RGB images in [-1, 1], and a linear layer that tells the turn.

    Of another build than the classifier that scores and than the transformers that methods align with: identities, means between stages, GELU.
    width: w, times which there are 16, 32 and 64 channels.
    """

    def __init__(self, width: int = 1):
        super().__init__()
        self.width = width
        first, second, third = (width * channels for channels in (16, 32, 64))
        self.stem = nn.Sequential(nn.Conv2d(3, first, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(first), nn.GELU())
        self.early = nn.Sequential(ResidualBlock(first), _halved(first, second), ResidualBlock(second), _halved(second, third))
        self.last = ResidualBlock(third)
        self.head = nn.Linear(third, TURNS)

    def taps(self, images: Tensor) -> Tensor:
        """images (B, 3, 32, 32) -> the map (B, 64 w, 4, 4) before the last block.

        What comes after serves the turn alone: as in RotNet (its Table 1), earlier features tell classes apart better.
        """
        return functional.gelu(self.early(self.stem(images)))

    def told(self, taps: Tensor) -> Tensor:
        """Logits of the four turns (B, 4) from the map that `taps` gives."""
        return self.head(self.last(taps).mean((2, 3)))

    def forward(self, images: Tensor) -> Tensor:
        return self.told(self.taps(images))


def _halved(channels_in: int, channels_out: int) -> nn.Sequential:
    """Means of 2 x 2 places, in other channels."""
    return nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(channels_in, channels_out, 1))


class RotationExtractor(TrainedExtractor):
    """The network as an extractor: it knows turns and no classes, so its logits make no inception score."""

    KIND, task = ROTATION, "rotation"

    @torch.no_grad()
    def features(self, images: np.ndarray) -> Features:
        """The taps for images (B, 32 k, 32 k, 3) uint8, of which it sees the means over k x k pixels; pooled: (B, 64 w)."""
        with full_float32():
            inner = self.network.taps(self.seen(images))
            return Features(inner.mean((2, 3)), spatial_features(inner), self.network.told(inner) - self.network.head.bias, None)

    @classmethod
    def network_of(cls, config: dict) -> RotationNetwork:
        return RotationNetwork(config["width"])

    def facts(self) -> dict[str, int]:
        return {"width": self.network.width}


def turned(images: Tensor) -> tuple[Tensor, Tensor]:
    """Images (B, C, S, S) in all four directions, (4 B, C, S, S), and by how many quarters each is turned, (4 B,) int64."""
    turns = torch.arange(TURNS, device=images.device)
    return torch.cat([torch.rot90(images, turn, (2, 3)) for turn in range(TURNS)]), turns.repeat_interleave(len(images))
