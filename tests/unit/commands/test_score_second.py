"""The second distance, in features that no label taught: end to end, what the score says of it, and what is no second opinion."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sra.commands.make_reference import make_reference
from sra.commands.reference_features import reference_features
from sra.commands.score import score
from sra.commands.train_extractor import train_extractor
from sra.core.errors import InputError
from sra.core.files import read_json, sha256_of_file
from sra.core.receipts import read_receipt, recorded_sha256, write_receipt
from sra.metrics.extractor_files import load_extractor
from sra.metrics.frechet import FeatureStatistics, frechet_distance
from sra.metrics.rotation_extractor import RotationExtractor, RotationNetwork
from sra.metrics.small_extractor import WEIGHTS_FILE


@pytest.fixture(scope="module")
def second(captioned, tmp_path_factory):
    """A network of random weights under the receipt of a trained one, its reference of the val split, and 60 of that split's images as samples."""
    folder = tmp_path_factory.mktemp("second")
    torch.manual_seed(1)
    RotationExtractor(RotationNetwork(), "cpu", "fashion_rotation").save(folder / "fashion_rotation")
    write_receipt(folder / "fashion_rotation" / WEIGHTS_FILE, "extractor", name="fashion_rotation", held_out_accuracy=0.9)
    make_reference(captioned.index, folder / "fashion_rotation", 0, folder / "second.npz", split="val", device="cpu")
    np.savez(folder / "samples.npz", captioned.scenes(7, 60)[0])
    return SimpleNamespace(folder=folder, extractor=folder / "fashion_rotation", reference=folder / "second.npz", samples=folder / "samples.npz")


@pytest.fixture
def scored(captioned, second, tmp_path):
    def run(**options):
        usual = {"extractor": captioned.extractor, "allow_count": True, "replace": True, "device": "cpu"}
        asked = {"secondary": ("fd_selfsup",), "second_extractor": second.extractor, "second_reference": second.reference}
        return score([second.samples], captioned.reference, tmp_path / "score.json", **(usual | asked | options))

    return run


def test_the_distance_is_that_of_the_second_networks_features(scored, second, captioned, tmp_path):
    record = scored()
    features = load_extractor(second.extractor).features
    with np.load(second.samples) as arrays:
        ours = FeatureStatistics.of(features(arrays["arr_0"]).pooled)
    expected = frechet_distance(ours, FeatureStatistics.of(features(captioned.splits["val"][0]).pooled))
    assert record.metrics["fd_selfsup"] == pytest.approx(expected, rel=1e-4)
    assert record.metrics["fd_selfsup"] != record.metrics["fid"]
    assert record.names["fd_selfsup"] == "FD-selfsup@60"
    assert record.about["fd_selfsup"] == {
        "real_images": 120,
        "extractor": "fashion_rotation",
        "extractor_sha256": recorded_sha256(second.extractor / WEIGHTS_FILE),
        "reference_sha256": sha256_of_file(second.reference),
        "task": "rotation",
        "held_out_accuracy": 0.9,
    }
    assert read_json(tmp_path / "score.json")["metrics"]["fd_selfsup"] == record.metrics["fd_selfsup"]
    assert any(warning.startswith("FD-selfsup: ") for warning in record.warnings)  # 60 images are no more than 64 features


def test_the_other_scores_are_the_same_with_and_without_it(scored):
    alone, beside = scored(secondary=()), scored()
    assert {name: value for name, value in beside.metrics.items() if name != "fd_selfsup"} == alone.metrics
    assert "fd_selfsup" not in alone.about


def test_references_of_other_images_or_networks_are_refused(scored, second, captioned, tmp_path):
    make_reference(captioned.index, second.extractor, 0, tmp_path / "train.npz", device="cpu")
    cases = {
        "was made of other images (index or split) than the reference": {"second_reference": tmp_path / "train.npz"},
        "was made with another extractor than fashion_rotation": {"second_reference": captioned.reference},
        "no such file; make it by sra make-reference --images 0 with fashion_rotation": {"second_reference": tmp_path / "absent.npz"},
        "was trained on labels": {"second_extractor": captioned.extractor},
    }
    for message, options in cases.items():
        with pytest.raises(InputError) as caught:
            scored(**options)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_it_is_no_first_extractor(scored, second):
    with pytest.raises(InputError, match="its inception score would mean nothing; give it as --second-extractor"):
        scored(extractor=second.extractor)


def test_samples_of_a_size_that_it_does_not_take_are_refused_before_the_long_pass(scored, monkeypatch):
    monkeypatch.setattr(RotationExtractor, "image_size", 24)
    with pytest.raises(InputError, match=r"samples\.npz: samples: images are \(32, 32\) pixels; extractor fashion_rotation takes 24 x 24"):
        scored()


def test_the_stage_trains_it_without_labels_and_measures_it_on_what_is_held_out(monkeypatch, tmp_path):
    upright = np.zeros((40, 32, 32, 3), np.uint8)
    upright[:, :8] = np.random.default_rng(0).integers(100, 255, (40, 8, 32, 3))
    splits = {"train": (upright[:30], np.full(30, 9)), "held_out": (upright[30:], np.full(10, 9))}  # one label: a classifier would be refused
    monkeypatch.setattr("sra.commands.train_extractor.load_split", lambda index, split: splits[split])
    (tmp_path / "index.json").write_text("{}")
    train_extractor(tmp_path / "index.json", tmp_path / "fashion_rotation", task="rotation", steps=30, device="cpu")
    receipt = read_receipt(tmp_path / "fashion_rotation" / WEIGHTS_FILE, "extractor")
    assert receipt["facts"]["held_out_accuracy"] > 0.9
    assert {key: receipt["facts"][key] for key in ("name", "seed", "task")} == {"name": "fashion_rotation", "seed": 0, "task": "rotation"}
    assert receipt["facts"]["training"] == {"width": 1, "steps": 30, "batch": 16, "learning_rate": 3e-3}
    assert receipt["made_from"] == {"index": sha256_of_file(tmp_path / "index.json")}


def test_features_of_a_reference_can_be_asked_of_it_too(second, captioned, tmp_path):
    """As of any extractor: what it cannot give is scores."""
    reference = tmp_path / "kept.npz"
    make_reference(captioned.index, second.extractor, 20, reference, split="val", device="cpu")
    reference_features(reference, tmp_path / "features.npz", second.extractor, device="cpu")
    with np.load(tmp_path / "features.npz") as found:
        assert found["pooled"].shape == (20, 64)
