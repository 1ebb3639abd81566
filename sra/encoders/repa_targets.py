"""How REPA feeds each family of pretrained encoders and which of its tokens become targets.

Source: REPA (arXiv 2410.06940, section 4.1) and its released code (sihyun-yu/REPA at 67f7145): `preprocess_raw_image` in train.py for the
pixels, `load_encoders` in utils.py and the models it names for the tokens.

One rule covers every family there: the input is as many pixels as give the diffusion model's token grid (16 at 256 pixels, 32 at 512), the
position embedding is resampled to that grid, and class and register tokens are dropped. So patch 14 sees 224 and 448 pixels, and patch
16 sees the image as it is. REPA runs 512 pixels with DINOv2 alone; the same rule for the others is ours.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from sra.encoders.pixels import require_uint8_images

Channels = tuple[float, float, float]
IMAGENET: tuple[Channels, Channels] = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean and deviation, as torchvision has them
OPENAI_CLIP: tuple[Channels, Channels] = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class Preprocessing:
    """How images become input, and which layer's patch tokens are the target."""

    mean: Channels = IMAGENET[0]
    std: Channels = IMAGENET[1]
    # Without antialiasing, as torch's interpolate does by default; REPA names bicubic for all that it resizes.
    interpolation: str = "bicubic"
    resizes_first: bool = False  # before the normalisation; both orders agree up to rounding
    final_norm: bool = True  # tokens after the encoder's last layer norm, or as the last block leaves them

    def pixels(self, images: Tensor, side: int) -> Tensor:
        """(B, H, W, 3) uint8 -> (B, 3, side, side) float32, normalised; on the device of the images."""
        require_uint8_images(images)
        steps = (self._resized, self._normalised) if self.resizes_first else (self._normalised, self._resized)
        pixels = images.permute(0, 3, 1, 2).float() / 255
        for step in steps:
            pixels = step(pixels, side)
        return pixels

    def _resized(self, pixels: Tensor, side: int) -> Tensor:
        return pixels if pixels.shape[-2:] == (side, side) else F.interpolate(pixels, (side, side), mode=self.interpolation)

    def _normalised(self, pixels: Tensor, side: int) -> Tensor:
        mean, std = (torch.tensor(values, device=pixels.device).view(1, 3, 1, 1) for values in (self.mean, self.std))
        return (pixels - mean) / std


@dataclass(frozen=True)
class Family:
    """Encoders that REPA feeds alike. A member's name in timm, ARCHITECTURE.TAG, has `architecture` in it and ends in `tag`."""

    name: str
    preprocessing: Preprocessing
    architecture: str = ""
    tag: str = ""
    # Where the checkpoint is when timm has no safetensors, and timm's name of REPA's choice for the converted file.
    fetch: str = ""
    file: str = ""

    def holds(self, architecture: str, tag: str) -> bool:
        return self.architecture in architecture and f"_{tag}".endswith(f"_{self.tag}" if self.tag else "")


FAMILIES = (
    # torch.hub's x_norm_patchtokens.
    Family("dinov2", Preprocessing(), architecture="dinov2"),
    # REPA's models/dinov1.py is not in its repository; after the final norm is how DINO itself reads features.
    Family("dino", Preprocessing(), tag="dino"),
    # models/mae_vit.py overrides forward_features and leaves the norm out.
    Family("mae", Preprocessing(final_norm=False), tag="mae"),
    # OpenAI's; models/clip_vit.py ends before ln_post and the projection.
    Family("clip", Preprocessing(*OPENAI_CLIP, resizes_first=True, final_norm=False), architecture="_clip_", tag="openai"),
    # timm's forward_features, with norm. timm has no such weights.
    Family(
        "mocov3",
        Preprocessing(),
        tag="mocov3",
        fetch="the ViT-B/16 or ViT-L/16 that github.com/LTH14/rcg links (REPA's own)",
        file="vit_base_patch16_224.mocov3.safetensors",
    ),
    # models/jepa.py: no class token, after the norm.
    Family(
        "ijepa",
        Preprocessing(),
        tag="ijepa",
        fetch="the ViT-H/14 that github.com/facebookresearch/ijepa links",
        file="vit_huge_patch14_gap_224.in1k_ijepa.safetensors",
    ),
)


def family_of(architecture: str, tag: str) -> Family | None:
    """The family of a timm model, as its name or its config.json says: `vit_large_patch16_224` with tag `mae`."""
    return next((family for family in FAMILIES if family.holds(architecture, tag)), None)
