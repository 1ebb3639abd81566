"""The taps: their layout, their independence of batch and bias, the arithmetic they run in, saving, and training."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from sra.core.errors import InputError
from sra.metrics.exact import full_float32
from sra.metrics.extractor_files import load_extractor
from sra.metrics.extractor_training import ExtractorTraining, accuracy, train_small_extractor
from sra.metrics.extractors import spatial_features
from sra.metrics.small_extractor import CONFIG_FILE, WEIGHTS_FILE, SmallExtractor, SmallNetwork


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (21, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def extractor():
    torch.manual_seed(0)
    network = SmallNetwork(classes=10)
    # Running statistics other than 0 and 1, so that a network left in training mode would be seen.
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return SmallExtractor(network)


def test_spatial_features_are_seven_channels_in_row_column_channel_order():
    channels, size = 192, 17
    channel, row, column = torch.meshgrid(torch.arange(channels), torch.arange(size), torch.arange(size), indexing="ij")
    coded = (1e4 * channel + 1e2 * row + column)[None]
    vector = spatial_features(coded)
    assert vector.shape == (1, 2023)
    expected = [1e4 * c + 1e2 * r + k for r in range(size) for k in range(size) for c in range(7)]
    assert vector[0].tolist() == expected


def test_the_taps_have_the_shapes_and_signs_of_the_fid_networks(extractor, images):
    found = extractor.features(images)
    assert found.pooled.shape == (21, 64)
    assert found.spatial.shape == (21, 4 * 4 * 7)
    assert found.logits.shape == (21, 10)
    assert {found.pooled.dtype, found.spatial.dtype, found.logits.dtype} == {torch.float32}
    for tap in (found.pooled, found.spatial):
        assert tap.min() >= 0  # after ReLU
        assert tap.max() > 0


def test_larger_images_are_seen_as_means_of_their_pixels(extractor, images):
    """Each pixel written k x k times gives the same means, so the same taps; a mean need not be a whole level."""
    own = extractor.features(images)
    for times in (2, 3):
        enlarged = images.repeat(times, axis=1).repeat(times, axis=2)
        torch.testing.assert_close(extractor.features(enlarged).pooled, own.pooled)
    spread = np.random.default_rng(1).integers(0, 256, (21, 64, 64, 3), dtype=np.uint8)
    halved = spread.reshape(21, 32, 2, 32, 2, 3).mean((2, 4))
    seen = torch.from_numpy(halved).permute(0, 3, 1, 2).float() / 127.5 - 1
    with full_float32():
        torch.testing.assert_close(extractor.features(spread).pooled, extractor.network.taps(seen)[1])


def test_logits_leave_the_bias_out_and_predictions_use_it(extractor, images):
    found = extractor.features(images)
    classifier = extractor.network.classifier
    torch.testing.assert_close(found.logits, found.pooled @ classifier.weight.T)
    unloved = int(found.logits.mean(0).argmin())
    assert unloved not in found.predicted.tolist()
    classifier.bias[unloved] = 100
    biased = extractor.features(images)
    torch.testing.assert_close(biased.logits, found.logits)
    assert biased.predicted.tolist() == [unloved] * 21


def test_features_do_not_depend_on_the_batch(extractor, images):
    together = extractor.features(images)
    alone = [extractor.features(images[at : at + 1]) for at in range(21)]
    torch.testing.assert_close(together.pooled, torch.cat([one.pooled for one in alone]), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(together.spatial, torch.cat([one.spatial for one in alone]), rtol=1e-5, atol=1e-6)


def test_extraction_runs_without_tf32_and_leaves_the_settings_as_they_were(extractor, images, monkeypatch):
    def flags():
        return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32

    seen = []
    taps = extractor.network.taps
    monkeypatch.setattr(extractor.network, "taps", lambda x: (seen.append(flags()), taps(x))[1])
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        before = flags()
        extractor.features(images)
        assert seen == [(False, False)]
        assert flags() == before == (True, True)
        with pytest.raises(KeyError), full_float32():
            raise KeyError
        assert flags() == before
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False


def test_saved_and_loaded_is_the_same_extractor_and_the_same_bytes(extractor, images, tmp_path):
    extractor.save(tmp_path / "a")
    loaded = load_extractor(tmp_path / "a")
    assert torch.equal(loaded.features(images).pooled, extractor.features(images).pooled)
    assert not loaded.network.training
    loaded.save(tmp_path / "b")
    for name in (WEIGHTS_FILE, CONFIG_FILE):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_wider_one_comes_back_with_its_name_and_width(images, tmp_path):
    wide = train_small_extractor(images, np.arange(21) % 3, 0, ExtractorTraining(width=2, steps=2), name="fashion_cnn")
    assert wide.features(images).pooled.shape == (21, 128)
    wide.save(tmp_path)
    loaded = load_extractor(tmp_path)
    assert loaded.name == "fashion_cnn"
    assert torch.equal(loaded.features(images).pooled, wide.features(images).pooled)


def edit_config(folder, **changes):
    config = json.loads((folder / CONFIG_FILE).read_text())
    (folder / CONFIG_FILE).write_text(json.dumps(config | changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / CONFIG_FILE).unlink(), "no such file"),
        (lambda folder: (folder / CONFIG_FILE).write_text("[]"), "the key 'extractor' is missing"),
        (lambda folder: edit_config(folder, extractor="small_cn"), "unknown extractor 'small_cn'; did you mean 'small_cnn'"),
        (lambda folder: edit_config(folder, classes=7), "not a whole small_cnn extractor"),
        (lambda folder: edit_config(folder, classes="ten"), "not a whole small_cnn extractor"),
        (lambda folder: (folder / WEIGHTS_FILE).unlink(), "not a whole small_cnn extractor"),
        (lambda folder: (folder / WEIGHTS_FILE).write_bytes((folder / WEIGHTS_FILE).read_bytes()[:-100]), "not a whole small_cnn extractor"),
    ],
    ids=["no config", "config of another kind", "unknown name", "other classes", "classes no number", "no weights", "truncated weights"],
)
def test_a_damaged_folder_is_refused_in_one_line(extractor, tmp_path, damage, message):
    extractor.save(tmp_path)
    damage(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        load_extractor(tmp_path)
    assert "\n" not in str(caught.value)


def test_training_gives_the_same_weights_whatever_the_cores(images, tmp_path):
    labels, short = np.arange(21) % 3, ExtractorTraining(steps=4)
    threads = torch.get_num_threads()
    try:
        for name, count in (("a", 1), ("b", 2)):
            torch.manual_seed(count)  # nor on what ran before
            torch.set_num_threads(count)
            train_small_extractor(images, labels, 5, short).save(tmp_path / name)
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(threads)
    assert (tmp_path / "a" / WEIGHTS_FILE).read_bytes() == (tmp_path / "b" / WEIGHTS_FILE).read_bytes()
    train_small_extractor(images, labels, 6, short).save(tmp_path / "c")
    assert (tmp_path / "a" / WEIGHTS_FILE).read_bytes() != (tmp_path / "c" / WEIGHTS_FILE).read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda images, labels: (images / 255, labels), "images are float64"),
        (lambda images, labels: (images[:, ::2, ::2], labels), "needs uint8"),
        (lambda images, labels: (images, labels[:-1]), "expected 21 integers"),
        (lambda images, labels: (images, labels - 1), "expected 21 integers from 0"),
        (lambda images, labels: (images, labels * 0), "all labels are equal"),
    ],
    ids=["floats", "size", "label count", "negative label", "one class"],
)
def test_training_refuses_images_and_labels_that_it_cannot_use(images, change, message):
    with pytest.raises(InputError, match=message):
        train_small_extractor(*change(images, np.arange(21) % 3), seed=0)


@pytest.mark.slow
def test_it_learns_the_digits():
    # Imported here: nothing else in this file needs scikit-learn.
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    grey = [Image.fromarray(np.round(image * 255 / 16).astype(np.uint8)).resize((32, 32), Image.Resampling.BICUBIC) for image in digits.images]
    images = np.stack([np.repeat(np.asarray(image)[..., None], 3, axis=2) for image in grey])
    train, held_out, labels, held_out_labels = train_test_split(images, digits.target, test_size=0.2, random_state=0, stratify=digits.target)
    assert accuracy(train_small_extractor(train, labels, seed=0), held_out, held_out_labels) >= 0.98
