"""Vision encoders (timm): the patch tokens that REPA aligns with. DINOv2 for the paper, a small one of the same class for the digits.

Source: REPA (arXiv 2410.06940) and its utils.py: last layer's normalised patch tokens, bicubic resize on the normalised image.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional as F

from sra.core.errors import InputError
from sra.core.progress import Progress
from sra.core.seeds import derive_seed
from sra.encoders.folders import reproducible_training, saved_whole
from sra.encoders.pixels import require_uint8_images

WEIGHTS = "model.safetensors"


class VisionEncoder:
    """A frozen timm vision transformer with the preprocessing that its own config names."""

    def __init__(self, network: nn.Module):
        from timm.data import resolve_model_data_config  # timm takes 5 s to import

        self.network = network.eval().requires_grad_(False)
        config = resolve_model_data_config(network)
        self.input_size: int = network.patch_embed.img_size[0]
        self.interpolation: str = config["interpolation"]
        self.mean, self.std = (torch.tensor(config[key]).view(1, 3, 1, 1) for key in ("mean", "std"))

    @classmethod
    def load(cls, source: Path | str, grid: int | None = None, device: str = "cpu") -> "VisionEncoder":
        """From a folder (config.json and model.safetensors), or by timm's name when `source` is no folder but a string.

        grid: tokens on a side, when not those of the config: the input becomes grid x patch pixels and the position embedding is
        resampled. REPA feeds DINOv2 (trained at 518 pixels) 224 of them for a 256-pixel image, which is grid 16.
        """
        import timm  # 5 s to import, and only encoders need it

        local = Path(source).is_dir()
        if not local and not (isinstance(source, str) and re.fullmatch(r"([\w.-]+/)?[\w.-]+", source)):
            raise InputError(f"{source}: no such folder; {_what_to_fetch(source)}")
        for file in ("config.json", WEIGHTS) if local else ():
            if not (Path(source) / file).exists():
                raise InputError(f"{source}: {file} is missing; {_what_to_fetch(source)}")
        name = f"local-dir:{source}" if local else f"hf-hub:{source}" if "/" in source else source
        try:
            # The size must be known before the weights are loaded, so the patch comes from a model without any.
            size = grid and grid * timm.create_model(name, pretrained=False).patch_embed.patch_size[0]
            return cls(timm.create_model(name, pretrained=True, img_size=size).to(device))
        except (OSError, RuntimeError, ValueError, SafetensorError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(f"{source}: the encoder cannot be loaded ({reason}); {_what_to_fetch(source)}") from None

    def sha256(self) -> str:
        """Hash of every weight by name: what stands in a receipt for a model that came from a hub, not from a file of ours."""
        total = sha256()
        for name, tensor in sorted(self.network.state_dict().items()):
            total.update(name.encode() + b"\0" + tensor.cpu().contiguous().numpy().tobytes())
        return total.hexdigest()

    @torch.no_grad()
    def tokens(self, images: Tensor) -> Tensor:
        """(B, H, W, 3) uint8 -> (B, N, E) float32: patch tokens in reading order after the final norm, without class or register tokens."""
        require_uint8_images(images)
        device = next(self.network.parameters()).device
        pixels = images.to(device).permute(0, 3, 1, 2).float() / 255
        pixels = (pixels - self.mean.to(device)) / self.std.to(device)
        if pixels.shape[-1] != self.input_size:
            pixels = F.interpolate(pixels, self.input_size, mode=self.interpolation)
        return self.network.forward_features(pixels)[:, self.network.num_prefix_tokens :].float()


def _what_to_fetch(source: Path | str) -> str:
    return f"fetch config.json and {WEIGHTS} of a timm model (timm/vit_base_patch14_dinov2.lvd142m for the paper) and put them in {source}"


@dataclass(frozen=True)
class EncoderTraining:
    """How the small encoder is trained. The defaults take about 30 s on one core for 1,437 digits."""

    epochs: int = 40
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    shift: int = 3  # pixels: each image moves by up to this many in both directions, which is all the augmentation digits bear


def train_encoder(images: Tensor, labels: Tensor, folder: Path, seed: int, training: EncoderTraining = EncoderTraining()) -> VisionEncoder:
    """Train a small vision transformer on images (N, 32, 32, 3) uint8 and labels (N,) int64, save it to `folder` and load it back.

    Same images and seed give the same bytes.
    """
    from timm.models import save_for_hf  # timm takes 5 s to import

    with reproducible_training(derive_seed(seed, "encoder")) as generator:
        network = small_network(classes=int(labels.max()) + 1)
        _fit(network.train(), images, labels, training, generator)
    with saved_whole(folder, WEIGHTS) as temporary:
        save_for_hf(network, temporary, safe_serialization=True)
    return VisionEncoder.load(folder)


def small_network(classes: int) -> nn.Module:
    """A 4-layer transformer of width 64 on 32 x 32 pixels: 4 x 4 tokens, classified from their mean. About 214 thousand parameters.

    Without a class token every patch token carries the class, as REPA's target tokens do. Initialised from torch's global generator.
    """
    import timm  # 5 s to import, and only encoders need it

    return timm.create_model(
        "vit_tiny_patch16_224",  # the architecture's name in timm; every size in it is replaced
        img_size=32,
        patch_size=8,
        embed_dim=64,
        depth=4,
        num_heads=4,
        num_classes=classes,
        class_token=False,
        global_pool="avg",
        fc_norm=False,  # keeps the final norm before the pooling, where `tokens` reads
        pretrained_cfg_overlay={"tag": "digits", "license": None},  # or the saved config would claim timm's own weights
    )


def _fit(network: nn.Module, images: Tensor, labels: Tensor, training: EncoderTraining, generator: torch.Generator) -> None:
    pixels = images.permute(0, 3, 1, 2).float() / 127.5 - 1  # timm's vit_tiny has mean and std 0.5
    steps_per_epoch = len(pixels) // training.batch
    steps = training.epochs * steps_per_epoch
    optimizer = torch.optim.AdamW(network.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, training.learning_rate, total_steps=steps, pct_start=0.1)
    with Progress("train encoder", steps, "steps") as progress:
        for _ in range(training.epochs):
            order = torch.randperm(len(pixels), generator=generator)[: steps_per_epoch * training.batch]
            for batch in order.split(training.batch):
                loss = F.cross_entropy(network(_shifted(pixels[batch], training.shift, generator)), labels[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                progress.advance(loss=loss.item())


def _shifted(pixels: Tensor, shift: int, generator: torch.Generator) -> Tensor:
    """Each image (B, 3, H, W) moved by its own whole number of pixels, at most `shift`; the background (-1) comes in at the edge."""
    batch, channels, height, width = pixels.shape
    padded = F.pad(pixels, (shift,) * 4, value=-1.0)
    down, right = torch.randint(2 * shift + 1, (2, batch, 1), generator=generator)
    rows, columns = down + torch.arange(height), right + torch.arange(width)
    image, channel = torch.arange(batch).view(-1, 1, 1, 1), torch.arange(channels).view(1, -1, 1, 1)
    return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]


@torch.no_grad()
def accuracy(encoder: VisionEncoder, images: Tensor, labels: Tensor) -> float:
    """Share of images (N, H, W, 3) uint8 that the encoder's own classifier labels (N,) right."""
    features = encoder.tokens(images)
    return float((encoder.network.forward_head(features).argmax(1) == labels).double().mean())
