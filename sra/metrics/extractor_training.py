"""Training of the small extractor: seconds on one core, the same weights every time."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sra.core.errors import InputError, StageError
from sra.core.progress import Progress
from sra.core.seeds import derive_seed
from sra.metrics.exact import one_thread
from sra.metrics.extractors import DigitsExtractor, DigitsNetwork, network_input

STEPS, BATCH = 700, 64
LEARNING_RATE, WEIGHT_DECAY = 3e-3, 1e-2
SHIFT = 2  # pixels; digits and clothes keep their class when moved, not when mirrored


def train_digits_extractor(images: np.ndarray, labels: np.ndarray, seed: int) -> DigitsExtractor:
    """A classifier of images (N, 32, 32, 3) uint8 with labels (N,) in 0 ... K-1, trained on one core whatever the machine has."""
    _check(images, labels)
    inputs, targets = network_input(images, torch.device("cpu")), torch.from_numpy(labels.astype(np.int64))
    with one_thread(), torch.random.fork_rng(devices=[]):
        # Layers draw their first weights from the global generator; the fork gives it back as it was.
        torch.manual_seed(derive_seed(seed, "extractor weights"))
        network = DigitsNetwork(classes=int(labels.max()) + 1).train()
        optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True)
        generator = torch.Generator().manual_seed(derive_seed(seed, "extractor batches"))
        with Progress("train extractor", STEPS, "steps") as progress:
            for step in range(STEPS):
                chosen = torch.randint(len(inputs), (BATCH,), generator=generator)
                loss = functional.cross_entropy(network(_shifted(inputs[chosen], generator)), targets[chosen])
                if not loss.isfinite():
                    raise StageError(f"train extractor: the loss is {loss.item()} at step {step}; check the images of the train split")
                # Half a cosine from the full rate to zero.
                optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 + math.cos(math.pi * step / STEPS)) / 2
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                progress.advance()
    return DigitsExtractor(network)


def accuracy(extractor: DigitsExtractor, images: np.ndarray, labels: np.ndarray, batch: int = 256) -> float:
    """Share of images (N, 32, 32, 3) uint8 whose predicted class is their label."""
    starts = range(0, len(images), batch)
    hits = sum(int((extractor.features(images[at : at + batch]).predicted.numpy() == labels[at : at + batch]).sum()) for at in starts)
    return hits / len(images)


def _check(images: np.ndarray, labels: np.ndarray) -> None:
    size = DigitsExtractor.image_size
    if images.dtype != np.uint8 or images.shape[1:] != (size, size, 3):
        raise InputError(f"train split: images are {images.dtype} {images.shape}; {DigitsExtractor.name} needs uint8 (N, {size}, {size}, 3)")
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer) or labels.min(initial=0) < 0:
        raise InputError(f"train split: labels are {labels.dtype} {labels.shape}; expected {len(images)} integers from 0")
    if len(np.unique(labels)) < 2:
        raise InputError("train split: all labels are equal; a classifier needs at least 2 classes")


def _shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image of (B, 3, H, W) moved by up to SHIFT pixels each way; the border repeats."""
    count, _, height, width = images.shape
    padded = functional.pad(images, [SHIFT] * 4, mode="replicate")
    down, right = torch.randint(2 * SHIFT + 1, (2, count), generator=generator)
    rows = (down[:, None] + torch.arange(height))[:, None, :, None]
    columns = (right[:, None] + torch.arange(width))[:, None, None, :]
    return padded[torch.arange(count)[:, None, None, None], torch.arange(3)[None, :, None, None], rows, columns]
