"""Which split stand-ins are trained on and measured on, with which settings: digits by their classes, scenes by what captions say."""

import io
import json
import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from sra.commands.train_clip import train_clip
from sra.commands.train_encoder import train_encoder
from sra.commands.train_vae import train_vae
from sra.core.errors import InputError
from sra.core.files import write_json
from sra.core.receipts import read_receipt, recorded_sha256, write_receipt
from sra.data.captions import CaptionedSplit, annotation_path, write_caption_index
from sra.data.images import write_index
from sra.data.scenes import COLOURS, colour_of, halves, write_scenes
from sra.data.small_sets import labels_of, small_set
from sra.encoders import vae, vision_training
from sra.encoders.vae import VaeTraining
from sra.encoders.vision_training import EncoderTraining


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Path:
    """The index of 48 scenes to train on and 30 to measure on."""
    root = tmp_path_factory.mktemp("scenes")
    write_scenes(root, 0)
    for split, count in (("train", 48), ("val", 30)):
        content = json.loads(annotation_path(root, split).read_text())
        kept = {"images": content["images"][:count], "annotations": content["annotations"][: 5 * count]}
        write_json(annotation_path(root, split), content | kept)
    write_caption_index(root, root / "index.json", 32, {"train": 48, "val": 30})
    write_receipt(root / "index.json", "index")
    return root / "index.json"


def digits_of(folder: Path, **counts: int) -> Path:
    """The index of flat images of two classes, so many a split."""
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for split, count in counts.items():
            for number in range(count):
                buffer = io.BytesIO()
                Image.new("RGB", (32, 32), (40 + 100 * (number % 2),) * 3).save(buffer, "PNG")
                archive.writestr(f"{split}/{number % 2}/{number}.png", buffer.getvalue())
    write_index(folder / "images.zip", folder / "index.json", 32)
    write_receipt(folder / "index.json", "index")
    return folder / "index.json"


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    return digits_of(tmp_path_factory.mktemp("digits"), train=20, held_out=6)


def shortly(monkeypatch, module, name, short):
    """Train with `short` in place of the settings, and tell what was asked for."""
    asked, train = [], getattr(module, name)

    def trained(*given):
        *data, training, device = given
        asked.append((*data, training))
        return train(*data, short, device)

    monkeypatch.setattr(module, name, trained)
    return asked


def test_a_small_set_has_a_split_beside_train_whatever_its_name(scenes, digits, tmp_path):
    assert [len(split) for split in (small_set(scenes).train, small_set(scenes).held_out)] == [48, 30]
    assert [len(split) for split in (small_set(digits).train, small_set(digits).held_out)] == [20, 6]
    assert (small_set(scenes).captioned, small_set(digits).captioned) == (True, False)
    assert small_set(digits).held_out.whole().shape == (6, 32, 32, 3)


@pytest.mark.parametrize("counts", [{"train": 4}, {"train": 4, "val": 2, "test": 2}, {"val": 4, "test": 2}])
def test_what_is_no_small_set_is_refused(tmp_path, counts):
    index = digits_of(tmp_path, **counts)
    with pytest.raises(InputError, match=rf"index\.json: its splits are {', '.join(sorted(counts))}, expected train and one to measure on"):
        small_set(index)


def test_labels_are_what_the_scene_shows(scenes):
    split = CaptionedSplit(scenes, "train")
    labels, images, names = labels_of(split), split.whole(), list(COLOURS)
    assert labels.shape == (48, 4)
    for row, image in zip(labels.tolist(), images, strict=True):
        assert [colour_of(half) for half in halves(image)] == [names[row[1]], names[row[3]]]
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    read = [f"a {names[row[1]]} {words[row[0]]} left of a {names[row[3]]} {words[row[2]]}" for row in labels.tolist()]
    assert read == [captions[0] for captions in split.captions]


def test_labels_of_digits_are_their_classes(digits):
    assert sorted(labels_of(small_set(digits).held_out).tolist()) == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(("kind", "settings", "counts"), [("scenes", vae.SCENES, (48, 30)), ("digits", vae.DIGITS, (20, 6))])
def test_the_autoencoder_is_trained_as_the_index_asks_and_measured_on_what_is_held_out(request, tmp_path, monkeypatch, kind, settings, counts):
    index, measured, error = request.getfixturevalue(kind), [], vae.reconstruction_error
    asked = shortly(monkeypatch, vae, "train_vae", VaeTraining(steps=2, batch=8))
    monkeypatch.setattr(vae, "reconstruction_error", lambda network, images: (measured.append(len(images)), error(network, images))[1])
    train_vae(index, tmp_path / "vae", seed=3, device="cpu")
    [(images, folder, seed, training)] = asked
    assert (len(images), folder, seed, training) == (counts[0], tmp_path / "vae", 3, settings)
    assert measured == [counts[1]]
    receipt = read_receipt(tmp_path / "vae" / vae.WEIGHTS, "vae")
    assert 0 < receipt["facts"]["held_out_mean_squared_error"] < 1
    assert receipt["made_from"] == {"index": recorded_sha256(index)}


@pytest.mark.parametrize(("kind", "settings", "shape"), [("scenes", vision_training.SCENES, (48, 4)), ("digits", vision_training.DIGITS, (20,))])
def test_the_encoder_learns_all_that_captions_say(request, tmp_path, monkeypatch, kind, settings, shape):
    index, measured, accuracy = request.getfixturevalue(kind), [], vision_training.accuracy
    asked = shortly(monkeypatch, vision_training, "train_encoder", EncoderTraining(epochs=1, batch=16))
    monkeypatch.setattr(vision_training, "accuracy", lambda *given: (measured.append(given), accuracy(*given))[1])
    train_encoder(index, tmp_path / "encoder", seed=3, device="cpu")
    [(images, labels, folder, seed, training)] = asked
    assert (len(images), tuple(labels.shape), folder, seed, training) == (shape[0], shape, tmp_path / "encoder", 3, settings)
    [(_, held_out, held_out_labels, classes)] = measured
    assert len(held_out) == len(held_out_labels) == (30 if kind == "scenes" else 6)
    assert classes == ([10, 4, 10, 4] if kind == "scenes" else [2])
    assert torch.equal(held_out_labels, labels_of(small_set(index).held_out))
    facts = read_receipt(tmp_path / "encoder" / "model.safetensors", "encoder")["facts"]
    assert 0 <= facts["held_out_accuracy"] <= 1
    assert facts["parameters"] > 200_000


def test_the_settings_for_digits_are_the_plain_ones():
    assert VaeTraining() == vae.DIGITS
    assert EncoderTraining() == vision_training.DIGITS
    assert VaeTraining(steps=800, batch=16, learning_rate=8e-3, kl_weight=1e-3) == vae.SCENES


def test_an_index_without_captions_trains_no_clip(digits, tmp_path):
    with pytest.raises(InputError, match=r"index\.json: its images have no captions; give the JSON that `sra index-captions` writes"):
        train_clip(digits, tmp_path / "clip", 0)
    assert not (tmp_path / "clip").exists()
