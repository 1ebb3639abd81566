"""Training of small extractors: seconds on one core, the same weights every time."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sra.core.errors import InputError, StageError
from sra.core.progress import Progress
from sra.core.seeds import derive_seed
from sra.data.shifts import shifted
from sra.metrics.exact import one_thread
from sra.metrics.small_extractor import SmallExtractor, SmallNetwork, TrainedExtractor, network_input

WEIGHT_DECAY = 1e-2
SHIFT = 2  # pixels; digits and clothes keep their class when moved, not when mirrored

Examples = tuple[Tensor, Tensor]  # what a network sees in a step, (B, 3, 32, 32), and what it should tell of each, (B,) int64
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class ExtractorTraining:
    """How the small extractor is trained. The defaults take 14 s on one core. width: see SmallNetwork."""

    width: int = 1
    steps: int = 700
    batch: int = 64
    learning_rate: float = 3e-3


def train_small_extractor(
    images: np.ndarray,
    labels: np.ndarray,
    seed: int,
    training: ExtractorTraining = ExtractorTraining(),
    device: str = "cpu",
    name: str = "digits_cnn",
) -> SmallExtractor:
    """A classifier of images (N, 32, 32, 3) uint8 with labels (N,) in 0 ... K-1. On a CPU it is one core's work, whatever the machine has."""
    check_images(images)
    _check_labels(images, labels)
    place = torch.device(device)
    inputs, targets = network_input(images, place), torch.from_numpy(labels.astype(np.int64)).to(place)

    def examples(generator: torch.Generator) -> Examples:
        chosen = torch.randint(len(inputs), (training.batch,), generator=generator).to(place)
        return shifted(inputs[chosen], SHIFT, generator, "replicate"), targets[chosen]

    network = fitted(lambda: SmallNetwork(int(labels.max()) + 1, training.width), examples, seed, training, place)
    return SmallExtractor(network, device, name)


def fitted(
    build: Callable[[], Network], examples: Callable[[torch.Generator], Examples], seed: int, training: ExtractorTraining, place: torch.device
) -> Network:
    """A network that was trained to give each image of `examples`, drawn anew for each step, the largest logit at its target."""
    with one_thread(), torch.random.fork_rng(devices=[]):
        # Layers draw their first weights from the global generator; the fork gives it back as it was.
        torch.manual_seed(derive_seed(seed, "extractor weights"))
        network = build().to(place).train()
        optimizer = torch.optim.AdamW(network.parameters(), lr=training.learning_rate, weight_decay=WEIGHT_DECAY, fused=True)
        generator = torch.Generator().manual_seed(derive_seed(seed, "extractor batches"))
        with Progress("train extractor", training.steps, "steps") as progress:
            for step in range(training.steps):
                seen, wanted = examples(generator)
                loss = functional.cross_entropy(network(seen), wanted)
                if not loss.isfinite():
                    raise StageError(f"train extractor: the loss is {loss.item()} at step {step}; check the images of the train split")
                # Half a cosine from the full rate to zero.
                optimizer.param_groups[0]["lr"] = training.learning_rate * (1 + math.cos(math.pi * step / training.steps)) / 2
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                progress.advance()
    return network


def accuracy(extractor: SmallExtractor, images: np.ndarray, labels: np.ndarray, batch: int = 256) -> float:
    """Share of images (N, 32, 32, 3) uint8 whose predicted class is their label."""
    starts = range(0, len(images), batch)
    hits = sum(int((extractor.features(images[at : at + batch]).predicted.cpu().numpy() == labels[at : at + batch]).sum()) for at in starts)
    return hits / len(images)


def check_images(images: np.ndarray) -> None:
    """Raises InputError for images that no extractor is trained on here."""
    size = TrainedExtractor.image_size
    if images.dtype != np.uint8 or images.shape[1:] != (size, size, 3):
        raise InputError(f"train split: images are {images.dtype} {images.shape}; a small extractor needs uint8 (N, {size}, {size}, 3)")


def _check_labels(images: np.ndarray, labels: np.ndarray) -> None:
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer) or labels.min(initial=0) < 0:
        raise InputError(f"train split: labels are {labels.dtype} {labels.shape}; expected {len(images)} integers from 0")
    if len(np.unique(labels)) < 2:
        raise InputError("train split: all labels are equal; a classifier needs at least 2 classes")
