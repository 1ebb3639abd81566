"""One vector an image from a vision transformer: the features of FD-DINOv2, a second opinion beside the FID network.

Source: Stein et al. 2023 (dgm-eval) and EDM2 (calculate_metrics.py, the batched resize): the image resized to 224 pixels (bicubic,
antialiased, not rounded), ImageNet mean and standard deviation, the class token after the final norm of DINOv2 ViT-L/14. They load Meta's
own code; timm holds the same weights, but resamples the position embedding to 16 x 16 tokens in its own way, so values agree closely and
not to the last digit.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sra.core.errors import InputError
from sra.encoders.pixels import require_uint8_images
from sra.encoders.vision import VisionEncoder

INPUT_SIZE = 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, in [0, 1]


class GlobalFeatures:
    """A frozen timm vision transformer with a class token. sha256: of its weights as they were loaded."""

    def __init__(self, network: nn.Module, sha256: str):
        self.network, self.sha256 = network.eval().requires_grad_(False), sha256

    @classmethod
    def load(cls, source: Path | str, device: str = "cpu") -> "GlobalFeatures":
        """Load by timm's name, or from a folder or file as `VisionEncoder.load` takes them. Raises InputError for a network without class token."""
        encoder = VisionEncoder.load(source, device=device)
        if getattr(encoder.network, "cls_token", None) is None:
            raise InputError(f"{source}: has no class token, which stands for the whole image; give a DINOv2 of timm")
        sha256 = encoder.sha256()
        encoder.network.set_input_size(INPUT_SIZE)
        return cls(encoder.network, sha256)

    @torch.no_grad()
    def features(self, images: np.ndarray) -> Tensor:
        """Features (B, E) float32 of images (B, H, W, 3) uint8."""
        pixels = torch.from_numpy(images)
        require_uint8_images(pixels)
        pixels = pixels.to(self.network.cls_token.device).permute(0, 3, 1, 2).float()
        pixels = F.interpolate(pixels, (INPUT_SIZE, INPUT_SIZE), mode="bicubic", antialias=True) / 255
        mean, std = (torch.tensor(values, device=pixels.device).view(1, 3, 1, 1) for values in (MEAN, STD))
        return self.network.forward_features((pixels - mean) / std)[:, 0].float()
