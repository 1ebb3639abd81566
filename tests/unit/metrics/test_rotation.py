"""The extractor that no label teaches: what it sees, what it is held to, and the order in which a distance in its features puts damages."""

import json

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch.nn import functional

from sra.core.errors import InputError
from sra.core.files import read_json
from sra.metrics.extractor_files import load_extractor
from sra.metrics.extractor_training import ExtractorTraining, train_small_extractor
from sra.metrics.frechet import FeatureStatistics, frechet_distance
from sra.metrics.rotation_extractor import RotationExtractor, RotationNetwork, turned
from sra.metrics.rotation_training import RotationTraining, train_rotation_extractor, turn_accuracy
from sra.metrics.small_extractor import CONFIG_FILE, WEIGHTS_FILE


@pytest.fixture(scope="module")
def digits():
    """Images (1797, 32, 32, 3) uint8 that are all upright, and their labels."""
    source = load_digits()
    grey = torch.from_numpy(source.images).float()[:, None] * 255 / 16
    large = functional.interpolate(grey, (32, 32), mode="bicubic").clamp(0, 255).round().byte()
    return large.permute(0, 2, 3, 1).repeat(1, 1, 1, 3).numpy(), source.target


@pytest.fixture(scope="module")
def trained(digits):
    """On all digits but the last 300."""
    return train_rotation_extractor(digits[0][:-300], 0, RotationTraining(steps=150), name="digits_rotation")


def test_every_image_is_seen_in_all_four_directions():
    image = torch.arange(9.0).view(1, 1, 3, 3)
    seen, turns = turned(torch.cat([image, -image]))
    assert turns.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert torch.equal(seen[0], image[0])
    assert seen[2, 0].tolist() == [[2, 5, 8], [1, 4, 7], [0, 3, 6]]  # a quarter to the left
    assert torch.equal(seen[4], image[0].flip(1, 2))
    assert torch.equal(seen[6, 0], torch.rot90(image[0, 0], 3))
    assert torch.equal(seen[1::2], -seen[0::2])


def test_it_tells_the_turn_of_images_that_it_has_not_seen(trained, digits):
    assert turn_accuracy(trained, digits[0][-300:]) > 0.6  # 0.25 by chance; some digits are the same upside down
    untrained = RotationExtractor(RotationNetwork(), "cpu", "untrained")
    assert turn_accuracy(untrained, digits[0][-300:]) < 0.4


def test_no_label_is_given_to_it_and_no_class_is_told_by_it(trained, digits):
    found = trained.features(digits[0][:21])
    assert (trained.classes, found.predicted, trained.task) == (None, None, "rotation")
    assert (found.pooled.shape, found.spatial.shape, found.logits.shape) == ((21, 64), (21, 4 * 4 * 7), (21, 4))
    assert {found.pooled.dtype, found.spatial.dtype, found.logits.dtype} == {torch.float32}
    enlarged = digits[0][:21].repeat(2, axis=1).repeat(2, axis=2)
    torch.testing.assert_close(trained.features(enlarged).pooled, found.pooled)


def test_the_same_images_and_seed_give_the_same_bytes_whatever_the_cores(digits, tmp_path):
    threads, short = torch.get_num_threads(), RotationTraining(steps=4, width=2)
    try:
        for name, count in (("a", 1), ("b", 2)):
            torch.manual_seed(count)  # nor on what ran before
            torch.set_num_threads(count)
            train_rotation_extractor(digits[0], 5, short).save(tmp_path / name)
    finally:
        torch.set_num_threads(threads)
    train_rotation_extractor(digits[0], 6, short).save(tmp_path / "c")
    weights = {name: (tmp_path / name / WEIGHTS_FILE).read_bytes() for name in "abc"}
    assert weights["a"] == weights["b"] != weights["c"]


def test_saved_and_loaded_is_the_same_extractor(trained, digits, tmp_path):
    trained.save(tmp_path)
    loaded = load_extractor(tmp_path)
    assert read_json(tmp_path / CONFIG_FILE) == {"extractor": "rotation_cnn", "name": "digits_rotation", "width": 1}
    assert torch.equal(loaded.features(digits[0][:5]).pooled, trained.features(digits[0][:5]).pooled)
    assert not any(module.training for module in loaded.network.modules())
    (tmp_path / CONFIG_FILE).write_text(json.dumps({"extractor": "rotation_cnn", "name": "x", "width": 3}))
    with pytest.raises(InputError, match="not a whole rotation_cnn extractor"):
        load_extractor(tmp_path)


def test_images_of_another_size_are_refused(digits):
    with pytest.raises(InputError, match="needs uint8"):
        train_rotation_extractor(digits[0][:, ::2, ::2], 0)


def noisy(images: np.ndarray, sd: float) -> np.ndarray:
    return np.clip(images + np.random.default_rng(0).normal(0, sd, images.shape[:3])[..., None], 0, 255).astype(np.uint8)


def blurred(images: np.ndarray, times: int) -> np.ndarray:
    seen = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    for _ in range(times):
        seen = functional.avg_pool2d(functional.pad(seen, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return seen.permute(0, 2, 3, 1).round().byte().numpy()


def test_damages_are_ordered_as_by_the_classifier(trained, digits):
    """More noise, more blur and more classes missing are further from the real images, in the features of both networks."""
    images, labels = digits
    classifier = train_small_extractor(images[:-300], labels[:-300], 0, ExtractorTraining(steps=150))
    half, of = images[::2], labels[::2]
    ladders = {
        "noise": [half, noisy(half, 10), noisy(half, 30)],
        "blur": [half, blurred(half, 1), blurred(half, 3)],
        "missing classes": [half, half[of != 0], half[(of != 0) & (of != 1) & (of != 7)], half[of == 3]],
    }
    for extractor in (classifier, trained):
        real = FeatureStatistics.of(extractor.features(images).pooled)
        for damage, ladder in ladders.items():
            distances = [frechet_distance(FeatureStatistics.of(extractor.features(images).pooled), real) for images in ladder]
            assert distances == sorted(distances), (extractor.name, damage, distances)
            assert distances[-1] > 3 * distances[0]
