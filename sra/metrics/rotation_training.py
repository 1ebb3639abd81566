"""Training of the extractor that no label teaches: half a minute on one core, the same weights every time."""

from dataclasses import dataclass

import numpy as np
import torch

from sra.data.shifts import shifted
from sra.metrics.extractor_training import SHIFT, Examples, ExtractorTraining, check_images, fitted
from sra.metrics.rotation_extractor import TURNS, RotationExtractor, RotationNetwork, turned
from sra.metrics.small_extractor import network_input


@dataclass(frozen=True)
class RotationTraining(ExtractorTraining):
    """How it is trained.  width: see RotationNetwork.  batch: images a step, each of which is seen in all four directions."""

    batch: int = 16


def train_rotation_extractor(
    images: np.ndarray, seed: int, training: ExtractorTraining = RotationTraining(), device: str = "cpu", name: str = "fashion_rotation"
) -> RotationExtractor:
    """An extractor of images (N, 32, 32, 3) uint8 that has seen nothing but them. On a CPU it is one core's work, whatever the machine has."""
    check_images(images)
    place = torch.device(device)
    inputs = network_input(images, place)

    def examples(generator: torch.Generator) -> Examples:
        chosen = torch.randint(len(inputs), (training.batch,), generator=generator).to(place)
        return turned(shifted(inputs[chosen], SHIFT, generator, "replicate"))

    return RotationExtractor(fitted(lambda: RotationNetwork(training.width), examples, seed, training, place), device, name)


@torch.no_grad()
def turn_accuracy(extractor: RotationExtractor, images: np.ndarray, batch: int = 256) -> float:
    """Share of images (N, 32, 32, 3) uint8 in all four directions whose turn it tells; a quarter by chance."""
    hits = 0
    for start in range(0, len(images), batch):
        seen, turns = turned(extractor.seen(images[start : start + batch]))
        hits += int((extractor.network(seen).argmax(1) == turns).sum())
    return hits / (TURNS * len(images))
