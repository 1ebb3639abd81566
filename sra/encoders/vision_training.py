"""Training of the small vision transformer that stands for DINOv2 on the digits and on scenes of them."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sra.core.progress import Progress
from sra.core.seeds import derive_seed
from sra.data.shifts import shifted
from sra.encoders.folders import refuse_diverged, reproducible_training, saved_whole
from sra.encoders.vision import WEIGHTS, VisionEncoder

SHOWN_EVERY = 10  # steps


@dataclass(frozen=True)
class EncoderTraining:
    """How the small encoder is trained. The defaults take about 30 s on one core for 1,437 digits.

    width: of its tokens, a multiple of its four heads.  steps: rounded up to whole epochs; None: those of `epochs`.
    """

    width: int = 64
    steps: int | None = None
    epochs: int = 40
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    shift: int = 3  # pixels: each image moves by up to this many in both directions, which is all the augmentation digits bear
    position_scale: float = 1.0  # of the initial position embedding, whose deviation is 0.02


DIGITS = EncoderTraining()
# 900 steps for 6,400 scenes, in as much time. What a scene shows depends on where it shows it: with small positions hundreds of steps pass before
# left and right differ. Scenes are centred, and moving them, against the edges of the patches, takes more steps to learn than it saves.
SCENES = EncoderTraining(epochs=9, learning_rate=3e-3, shift=0, position_scale=15)


def train_encoder(images: Tensor, labels: Tensor, folder: Path, seed: int, training: EncoderTraining = DIGITS, device: str = "cpu") -> VisionEncoder:
    """Train a small vision transformer on images (N, 32, 32, 3) uint8 and labels int64, save it to `folder` and load it back.

    labels: (N,), or (N, A) where each image has A attributes, learnt together. Same images and seed give the same bytes on a CPU.
    """
    from timm.models import save_for_hf  # timm takes 5 s to import

    with reproducible_training(derive_seed(seed, "encoder"), device) as generator:
        network = small_network(sum(classes_of(labels)), training.width)
        network.pos_embed.data.mul_(training.position_scale)
        _fit(network.to(device).train(), images.to(device), labels.to(device), training, generator)
        refuse_diverged(network, "encoder")
    with saved_whole(folder, WEIGHTS) as temporary:
        save_for_hf(network, temporary, safe_serialization=True)
    return VisionEncoder.load(folder, device=torch.device(device))


def classes_of(labels: Tensor) -> list[int]:
    """Number of classes of each attribute in labels (N,) or (N, A), which must show the last class of each."""
    return (_columns(labels).amax(0) + 1).tolist()


def small_network(classes: int, width: int = EncoderTraining.width) -> nn.Module:
    """A 4-layer transformer on 32 x 32 pixels: 4 x 4 tokens, classified from their mean. About 214 thousand parameters at width 64.

    Without a class token every patch token carries the class, as REPA's target tokens do. Initialised from torch's global generator.
    """
    import timm  # 5 s to import, and only encoders need it

    return timm.create_model(
        "vit_tiny_patch16_224",  # the architecture's name in timm; every size in it is replaced
        img_size=32,
        patch_size=8,
        embed_dim=width,
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
    batch_size = min(training.batch, len(pixels))
    steps_per_epoch = len(pixels) // batch_size
    epochs = math.ceil(training.steps / steps_per_epoch) if training.steps else training.epochs
    steps = epochs * steps_per_epoch
    optimizer = torch.optim.AdamW(network.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, training.learning_rate, total_steps=steps, pct_start=0.1)
    classes = classes_of(labels)
    with Progress("train encoder", steps, "steps") as progress:
        for _ in range(epochs):
            order = torch.randperm(len(pixels), generator=generator)[: steps_per_epoch * batch_size].to(pixels.device)
            for batch in order.split(batch_size):
                scores = network(shifted(pixels[batch], training.shift, generator, "constant", -1.0)).split(classes, dim=1)
                loss = sum(map(F.cross_entropy, scores, _columns(labels[batch]).unbind(1)))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                progress.advance(**({"loss": loss.item()} if schedule.last_epoch % SHOWN_EVERY == 0 else {}))  # reading it waits for a GPU


def _columns(labels: Tensor) -> Tensor:
    """Labels (N,) or (N, A) as columns (N, A), one of each attribute."""
    return labels.view(len(labels), -1)


@torch.no_grad()
def accuracy(encoder: VisionEncoder, images: Tensor, labels: Tensor, classes: list[int]) -> float:
    """Share of images (N, H, W, 3) uint8 whose labels (N,) or (N, A) the encoder's own classifier gets right, all A of them.

    classes: of each attribute, as in training.
    """
    scores = encoder.network.forward_head(encoder.tokens(images)).split(classes, dim=1)
    found = torch.stack([score.argmax(1) for score in scores], dim=1)
    return float((found == _columns(labels).to(found.device)).all(1).double().mean())
