"""The three scoring stages end to end on a tiny data set: receipts that chain, equal bytes for equal inputs, and what is refused."""

from types import SimpleNamespace

import numpy as np
import pytest

from sra.commands.make_reference import make_reference
from sra.commands.score import score
from sra.commands.train_extractor import train_extractor
from sra.core.errors import InputError
from sra.core.files import read_json, sha256_of_file, write_json
from sra.core.npz import write_npz
from sra.core.receipts import read_receipt, receipt_path, write_receipt
from sra.metrics.small_extractor import WEIGHTS_FILE
from sra.spec.score import read_score

COUNT = 120
FACTS = {
    "preset": "digits",
    "run": "sit_b2",
    "milestone": "m400k",
    "step": 800,
    "sampler_name": "sde250",
    "sampler": {"kind": "sde", "evaluations": 25, "guidance": {"scale": 1.0}, "uint8": "floor", "seed": 0},
    "count": COUNT,
    "paper_count": 50_000,
    "label_policy": "random",
    "seed": 0,
    "fingerprint": "f" * 64,
    "precision": "fp32",
    "device": "cpu",
    "world_size": 2,  # a fact that no score needs
}


def patterns(seed, count, noise=25.0):
    """Three classes: a bright bar at the left, in the middle or at the right of a noisy ground. uint8 (count, 32, 32, 3), labels."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    images = random.normal(60, noise, (count, 32, 32, 1)) * np.ones(3)
    for image, label in zip(images, labels, strict=True):
        image[:, 4 + 10 * label : 9 + 10 * label] += 120
    return images.clip(0, 255).astype(np.uint8), labels


class Split:
    """Images in memory in place of an indexed archive."""

    classes = ("left", "middle", "right")

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def batches(self, rows, batch, workers=1):
        return (self.images[first : min(first + batch, rows.stop)] for first in range(rows.start, rows.stop, batch))


def write_samples(path, images, labels, weights, arrays=None, **changes):
    write_npz(path, {"arr_0": images, "labels": labels} | (arrays or {}))
    write_receipt(path, "samples", {"weights": weights}, **(FACTS | changes))
    return path


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A trained extractor, its reference and a pack of fair samples."""
    folder = tmp_path_factory.mktemp("house")
    splits = {"train": patterns(0, 300), "held_out": patterns(1, 100)}
    write_json(folder / "index.json", {"stands for": "the index of an image archive"})
    (folder / "weights.safetensors").write_bytes(b"weights that drew the samples")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sra.commands.train_extractor.load_split", lambda index, split: splits[split])
        patch.setattr("sra.commands.make_reference.ImageSplit", lambda index, split: Split(splits[split][0]))
        train_extractor(folder / "index.json", folder / "extractor", seed=0, steps=40, device="cpu")
        make_reference(folder / "index.json", folder / "extractor", 150, folder / "reference.npz", device="cpu")
        make_reference(folder / "index.json", folder / "extractor", 150, folder / "again" / "reference.npz", device="cpu")
    write_samples(folder / "samples.npz", *patterns(2, COUNT), folder / "weights.safetensors")
    return SimpleNamespace(folder=folder, train=splits["train"], samples=folder / "samples.npz", weights=folder / "weights.safetensors")


def scored(house, output, *samples, reference=None, **options):
    asked = {"extractor": house.folder / "extractor", "device": "cpu"} | options
    return score(list(samples) or [house.samples], reference or house.folder / "reference.npz", output, **asked)


def test_the_extractors_receipt_tells_its_accuracy(house):
    receipt = read_receipt(house.folder / "extractor" / WEIGHTS_FILE, "extractor")
    assert receipt["facts"]["held_out_accuracy"] > 0.9
    assert receipt["made_from"] == {"index": sha256_of_file(house.folder / "index.json")}


def test_the_reference_covers_the_split_and_chains_to_the_extractor(house):
    receipt = read_receipt(house.folder / "reference.npz", "reference")
    assert receipt["made_from"]["extractor"] == sha256_of_file(house.folder / "extractor" / WEIGHTS_FILE)
    assert (receipt["facts"]["images"], receipt["facts"]["statistics_count"], receipt["facts"]["classes"]) == (150, 300, 3)
    with np.load(house.folder / "reference.npz", allow_pickle=False) as reference:
        chosen = reference["arr_0"]
        assert reference["mu"].shape == (64,)
        assert reference["sigma_s"].shape == (112, 112)
    # Every chosen image is one of the split's, in the split's order.
    places = [next(i for i, image in enumerate(house.train[0]) if np.array_equal(image, wanted)) for wanted in chosen]
    assert places == sorted(set(places))
    assert (house.folder / "reference.npz").read_bytes() == (house.folder / "again" / "reference.npz").read_bytes()


def test_the_score_says_what_it_depends_on(house, tmp_path):
    record = scored(house, tmp_path / "score.json")
    assert read_score(tmp_path / "score.json") == record
    written = read_json(tmp_path / "score.json")
    assert written["schema"] == 1
    assert written["extractor"]["sha256"] == sha256_of_file(house.folder / "extractor" / WEIGHTS_FILE)
    assert written["reference"] == {
        **{
            "sha256": sha256_of_file(house.folder / "reference.npz"),
            "images": 150,
            "statistics_count": 300,
            "split": "train",
        },
        **{"features_sha256": None, "pytorch_sha256": None, "key": "arr_0", "computed": False, "statistics_sha256": None},
    }
    per_class = np.bincount(patterns(2, COUNT)[1]).tolist()
    assert written["samples"] == {
        **{"sha256": sha256_of_file(house.samples), "name": None, "count": COUNT, "duplicates": 0, "blank": 0, "copied": 0},
        **{"max_duplicates": 0.0, "labels": {"policy": "random", "classes": 3, "per_class": per_class}, "captions": None, "uint8": "floor"},
        **{"key": "arr_0", "labels_key": "labels"},
    }
    assert written["names"]["fid"] == f"FID@{COUNT}"
    assert (written["settings"]["dtype"], written["settings"]["eps_fallback"]) == ("float32", False)
    assert abs(written["about"]["fid"]["clipped"]) < 1e-6
    assert written["weights"] == {"sha256": sha256_of_file(house.weights)}
    assert {key: written[key] for key in FACTS if key != "world_size"} == {key: FACTS[key] for key in FACTS if key != "world_size"}
    assert "world_size" not in written
    assert written["settings"]["tf32"] is False
    assert set(written["metrics"]) == {"fid", "sfid", "is", "precision", "recall", "label_agreement"}
    assert written["metrics"]["label_agreement"] > 0.9
    assert written["metrics"]["fid"] == record.metrics["fid"]  # floats keep every digit
    assert str(tmp_path) not in (tmp_path / "score.json").read_text()
    assert str(house.folder) not in (tmp_path / "score.json").read_text()


def test_fewer_samples_than_spatial_dimensions_are_warned_of(house, tmp_path):
    images, labels = patterns(2, 80)
    samples = write_samples(tmp_path / "samples.npz", images, labels, house.weights, count=80)
    warnings = scored(house, tmp_path / "score.json", samples).warnings
    assert len(warnings) == 1
    assert warnings[0].startswith("sFID: 80 samples for 112 feature dimensions")


def test_scoring_twice_gives_the_same_bytes(house, tmp_path):
    for name in ("a", "b"):
        scored(house, tmp_path / name / "score.json")
    assert (tmp_path / "a" / "score.json").read_bytes() == (tmp_path / "b" / "score.json").read_bytes()


def test_half_precision_is_recorded(house, tmp_path):
    record = scored(house, tmp_path / "score.json", precision_recall="adm_fp16")
    assert record.settings.precision_recall == "adm_fp16"


def test_worse_samples_get_worse_scores(house, tmp_path):
    fair = scored(house, tmp_path / "fair.json").metrics
    images, labels = patterns(3, COUNT, noise=90)
    noisy = scored(house, tmp_path / "noisy.json", write_samples(tmp_path / "noisy.npz", images, labels, house.weights)).metrics
    assert fair["fid"] < noisy["fid"]
    assert fair["sfid"] < noisy["sfid"]
    assert fair["precision"] > noisy["precision"]
    images, labels = patterns(2, COUNT)  # the fair ones
    wrong_labels = write_samples(tmp_path / "wrong.npz", images, (labels + 1) % 3, house.weights)
    mislabelled = scored(house, tmp_path / "wrong.json", wrong_labels).metrics
    assert mislabelled["label_agreement"] < 0.1
    assert mislabelled["fid"] == fair["fid"]


REFUSED = {
    "another count": ({"count": COUNT + 1}, {}, f"{COUNT} images, {COUNT + 1} were declared"),
    "labels not balanced": ({"label_policy": "balanced"}, {"labels": np.zeros(COUNT, np.int64) + (np.arange(COUNT) > 5)}, "declared balanced"),
    "statistics in the pack": ({}, {"mu": np.zeros(64)}, "carries mu or sigma"),
    "a fact of the wrong kind": ({"step": "last"}, {}, r"samples\.npz\.receipt\.json: is not a receipt \(facts\.step: "),
}


@pytest.mark.parametrize(("facts", "arrays", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_unfit_samples_are_refused_and_no_score_is_left(house, tmp_path, facts, arrays, message):
    samples = write_samples(tmp_path / "samples.npz", *patterns(2, COUNT), house.weights, arrays, **facts)
    with pytest.raises(InputError, match=message) as caught:
        scored(house, tmp_path / "score.json", samples)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "score.json").exists()


def test_a_missing_fact_is_named(house, tmp_path):
    write_npz(tmp_path / "samples.npz", {"arr_0": patterns(2, COUNT)[0], "labels": patterns(2, COUNT)[1]})
    write_receipt(tmp_path / "samples.npz", "samples", {"weights": house.weights}, **{key: FACTS[key] for key in FACTS if key != "fingerprint"})
    with pytest.raises(InputError, match=r"samples\.npz: its receipt: fingerprint is missing"):
        scored(house, tmp_path / "score.json", tmp_path / "samples.npz")


def test_samples_of_unknown_weights_are_refused(house, tmp_path):
    write_npz(tmp_path / "samples.npz", {"arr_0": patterns(2, COUNT)[0], "labels": patterns(2, COUNT)[1]})
    write_receipt(tmp_path / "samples.npz", "samples", {}, **FACTS)
    with pytest.raises(InputError, match="which weights drew it"):
        scored(house, tmp_path / "score.json", tmp_path / "samples.npz")


def test_a_pack_changed_after_its_receipt_is_refused(house, tmp_path):
    samples = write_samples(tmp_path / "samples.npz", *patterns(2, COUNT), house.weights)
    write_npz(samples, {"arr_0": patterns(4, COUNT)[0], "labels": patterns(4, COUNT)[1]})
    with pytest.raises(InputError, match="differ from its receipt"):
        scored(house, tmp_path / "score.json", samples)


def test_a_reference_of_another_extractor_is_refused(house, tmp_path):
    whole = house.folder / "reference.npz"
    (tmp_path / "reference.npz").write_bytes(whole.read_bytes())
    receipt = read_json(receipt_path(whole))
    receipt["made_from"]["extractor"] = "0" * 64
    write_json(receipt_path(tmp_path / "reference.npz"), receipt)
    with pytest.raises(InputError, match="was made with another extractor"):
        scored(house, tmp_path / "score.json", reference=tmp_path / "reference.npz")


def test_a_score_file_that_was_edited_by_hand_is_refused_by_key(house, tmp_path):
    scored(house, tmp_path / "score.json")
    written = read_json(tmp_path / "score.json")
    for change, message in (({"metrics": {"fidd": 1.0}}, "metrics.fidd"), ({"verdict": "good"}, "unknown key 'verdict'"), ({"schema": 2}, "schema")):
        write_json(tmp_path / "edited.json", written | change)
        with pytest.raises(InputError, match=message):
            read_score(tmp_path / "edited.json")


def test_a_damaged_score_file_is_refused(house, tmp_path):
    fid = scored(house, tmp_path / "score.json").metrics["fid"]
    whole = (tmp_path / "score.json").read_text()
    assert whole.count(repr(fid)) == 1
    (tmp_path / "score.json").write_text(whole.replace(repr(fid), repr(fid / 2)))
    with pytest.raises(InputError, match="is damaged or was edited"):
        read_score(tmp_path / "score.json")
