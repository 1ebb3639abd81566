"""The shapes of encoders that are known by name (config/weights.tsv): what a model of them, or an estimate, needs before any weights are there."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Tower:
    """A frozen vision or text transformer. beside: tokens of no patch.  mlp: hidden width over width (DINOv2-g's gated MLP has as many weights)."""

    depth: int
    width: int
    beside: int = 1
    mlp: int = 4

    def flops(self, tokens: int) -> int:
        """Of one image or caption with so many patches or text tokens. The embedding of patches, below 1 %, is left out."""
        n, d = tokens + self.beside, self.width
        return self.depth * (2 * (4 + 2 * self.mlp) * n * d**2 + 4 * n**2 * d)


# ViT: Dosovitskiy et al. 2021 (arXiv 2010.11929), Table 1; DINOv2-g: Oquab et al. 2023 (arXiv 2304.07193), Table 16; CLIP: Radford et al. 2021
# (arXiv 2103.00020), Table 20. The small ones are ours.
_B, _L, _H = Tower(12, 768), Tower(24, 1024), Tower(32, 1280)
ENCODERS = {"dinov2b": _B, "dinov2l": _L, "dinov2g": Tower(40, 1536), "dinob": _B, "mael": _L, "clipl": _L, "mocov3b": _B}
ENCODERS |= {"ijepah": replace(_H, beside=0), "digits_vit": Tower(4, 64, beside=0), "scenes_vit": Tower(4, 64, beside=0)}
ENCODERS |= {"fashion_vit": Tower(4, 128, beside=0), "fashion_toy_vit": Tower(4, 32, beside=0), "fashion_cpu_vit": Tower(4, 64, beside=0)}
_SMALL = Tower(2, 64, mlp=2)
TEXT_ENCODERS = {"clip_l14": replace(_B, beside=0), "scenes_clip": replace(_SMALL, beside=0)}
# What compares an image with its caption: the image's tower, and how many patches it cuts; the caption's costs little beside it.
JUDGES = {"clip_l14": (_L, 16**2), "clip_l14_336": (_L, 24**2), "pickscore": (_H, 16**2), "scenes_clip": (_SMALL, 4**2)}
