"""Small images, and an extractor whose features can be worked out by hand."""

import numpy as np
import pytest
import torch

from sra.metrics.extractors import Features


class PatchExtractor:
    """Pooled: the mean colour of each quarter (12 dims). Spatial: the mean grey of each quarter (4). Logits: the mean of each channel (3)."""

    name = "patches"
    image_size = None
    classes = None

    def features(self, images):
        quarters = torch.from_numpy(np.array(images)).float().unflatten(1, (2, -1)).unflatten(3, (2, -1)).mean((2, 4)) / 255  # (B, 2, 2, 3)
        logits = quarters.mean((1, 2)) * 10
        return Features(quarters.flatten(1), quarters.mean(3).flatten(1), logits, (logits + torch.tensor([0.0, 0.5, 0.0])).argmax(1))


@pytest.fixture
def patches():
    return PatchExtractor()


@pytest.fixture
def make_images():
    """images(seed, count): (count, 8, 8, 3) uint8 whose quarters vary in colour."""

    def images(seed, count):
        random = np.random.default_rng(seed)
        coarse = random.integers(30, 220, (count, 2, 2, 3))
        return (coarse.repeat(4, 1).repeat(4, 2) + random.integers(0, 30, (count, 8, 8, 3))).astype(np.uint8)

    return images
