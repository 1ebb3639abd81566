"""`sra score` on samples that others drew: npz files and folders without a receipt, their claims, several sets at once."""

import json
import shutil
from functools import partial

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.models import save_for_hf

from sra.commands.reference_features import reference_features
from sra.core.errors import InputError
from sra.core.files import read_json, sha256_of_file, write_json
from sra.core.npz import write_npz
from sra.core.receipts import receipt_path, write_receipt
from sra.encoders.global_features import GlobalFeatures
from sra.metrics import suite
from sra.metrics.extractor_files import load_extractor
from sra.metrics.inception_score import inception_scores
from sra.metrics.reference import Reference
from sra.metrics.small_extractor import WEIGHTS_FILE, SmallExtractor, SmallNetwork
from sra.metrics.suite import extract
from sra.spec.score import ForeignScore, ScoreRecord, SeedScores, metric_name, read_score

COUNT = 120


def test_a_foreign_set_has_its_measurement_and_no_run(score_house, scored, tmp_path, capsys):
    record = scored(labels="random", uint8="round")
    assert isinstance(record, ForeignScore)
    written = json.loads((tmp_path / "score.json").read_text())
    assert "run" not in written
    assert set(written["metrics"]) == {"fid", "sfid", "is", "precision", "recall", "label_agreement"}
    assert written["names"]["fid"] == "FID@120"
    assert written["extractor"] == {"name": "digits_cnn", "sha256": sha256_of_file(score_house.extractor / WEIGHTS_FILE), "held_out_accuracy": None}
    assert written["reference"]["sha256"] == sha256_of_file(score_house.reference)
    assert written["reference"]["statistics_count"] is None
    samples = written["samples"]
    assert (samples["sha256"], samples["name"], samples["count"]) == (sha256_of_file(score_house.samples), "samples.npz", COUNT)
    assert samples["labels"]["policy"] == "random"
    assert sum(samples["labels"]["per_class"]) == COUNT
    assert samples["uint8"] == "round"
    assert {"torch", "numpy"} <= set(written["versions"])
    assert str(tmp_path) not in (tmp_path / "score.json").read_text()
    printed = capsys.readouterr().out
    assert f"FID@120{'':>17}{record.metrics['fid']:>14.5f}" in printed
    assert f"written {tmp_path / 'score.json'}" in printed


def test_nothing_is_claimed_that_nobody_said(scored):
    record = scored()
    assert (record.samples.labels.policy, record.samples.uint8) == (None, None)


def test_a_folder_scores_as_the_npz_of_its_images(scenes, score_house, scored, tmp_path):
    for index, image in enumerate(scenes(1, COUNT)):
        (tmp_path / "pngs").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / "pngs" / f"{index:06d}.png")
    bare = tmp_path / "bare.npz"
    np.savez(bare, scenes(1, COUNT))
    folder, file = scored(tmp_path / "pngs"), scored(bare)
    assert folder.metrics == file.metrics
    assert folder.samples.labels.per_class is None
    assert folder.samples.name == "pngs"
    assert len(folder.samples.sha256) == 64
    assert folder.samples.sha256 != file.samples.sha256


def test_the_same_inputs_give_the_same_bytes(scored, tmp_path):
    scored()
    first = (tmp_path / "score.json").read_bytes()
    scored()
    assert (tmp_path / "score.json").read_bytes() == first


def test_fifty_thousand_are_expected_unless_said(scored):
    with pytest.raises(InputError, match="120 images, 50000 were declared"):
        scored(count=None, allow_count=False)
    with pytest.raises(InputError, match="120 images, 119 were declared"):
        scored(count=119)
    assert scored(count=None).names["recall"] == "Recall@120"
    assert metric_name("fid", 50_000) == "FID@50000"


def test_few_samples_need_more_than_a_declared_count(scenes, score_house, scored, tmp_path):
    few = tmp_path / "few.npz"
    np.savez(few, scenes(1, 64))
    with pytest.raises(InputError, match="64 images for 64 feature dimensions leave the covariance singular"):
        scored(few, count=64, allow_count=False)
    assert "the covariance is singular" in scored(few, count=64).warnings[0]
    enough = tmp_path / "enough.npz"
    np.savez(enough, scenes(1, 65))
    assert scored(enough, count=65, allow_count=False).metrics["fid"] > 0


REFUSED = {
    "labels not balanced": ({"labels": "balanced"}, "declared balanced, yet class .*; leave out --labels, or draw them again"),
    "an unknown encoder folder": ({"secondary": ("fd_dinov2",), "encoder": "no/such/folder"}, "no/such/folder"),
    "too few to extrapolate": ({"secondary": ("fid_infinity",)}, "needs at least 10000 samples"),
    "an absent extractor": ({"extractor": "absent"}, "absent"),
    "features that are none": ({"reference_features": "absent.npz"}, "absent.npz: no such file"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_scored_is_refused_in_one_line(scored, tmp_path, options, message):
    with pytest.raises(InputError, match=message) as caught:
        scored(**options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "score.json").exists()


def test_a_label_that_is_no_class_is_refused_before_any_feature(scenes, scored, tmp_path, capsys):
    labels = np.arange(COUNT) % 5
    for place, label in ((7, 2**40), (8, 5)):
        np.savez(tmp_path / "odd.npz", scenes(1, COUNT), np.where(np.arange(COUNT) == place, label, labels))
        with pytest.raises(InputError, match=f"odd.npz: samples: label {label} at index {place}; there are 5 classes, 0 to 4"):
            scored(tmp_path / "odd.npz")
    assert "features of" not in capsys.readouterr().err


@pytest.mark.parametrize("policy", ["random", "balanced"])
@pytest.mark.parametrize("classes", [1, 3], ids=["one class", "three of five"])
def test_labels_of_some_classes_are_neither_random_nor_balanced(scenes, scored, tmp_path, policy, classes):
    np.savez(tmp_path / "some.npz", scenes(1, COUNT), np.arange(COUNT) % classes)
    with pytest.raises(InputError, match=f"declared {policy}, yet class"):
        scored(tmp_path / "some.npz", labels=policy)
    assert scored(tmp_path / "some.npz").samples.labels.per_class == [*[COUNT // classes] * classes, *[0] * (5 - classes)]


def test_classes_that_nobody_knows_are_asked_for(scenes, scored, tmp_path, monkeypatch):
    """As with the Inception network, whose outputs are nobody's classes."""
    monkeypatch.setattr(SmallExtractor, "classes", property(lambda self: None, lambda self, value: None), raising=False)
    assert scored().samples.labels.classes is None
    with pytest.raises(InputError, match=r"--labels random cannot be checked, .* digits_cnn .*; give --classes \(1000 of ImageNet\)"):
        scored(labels="random")
    labels = scored(labels="random", classes=5).samples.labels
    assert (labels.classes, labels.policy, len(labels.per_class)) == (5, "random", 5)
    with pytest.raises(InputError, match="label 4 at index"):
        scored(classes=4)
    np.savez(tmp_path / "huge.npz", scenes(1, COUNT), np.full(COUNT, 2**40))
    with pytest.raises(InputError, match="no data set has more than 100,000 classes"):
        scored(tmp_path / "huge.npz")


def test_few_reference_images_are_warned_of_on_the_screen_and_in_the_file(score_house, scored, tmp_path, capsys):
    features = extract(score_house.real[:30], load_extractor(score_house.extractor), 256, "real")
    whole = Reference(features.pooled_statistics, features.spatial_statistics, score_house.real[:30])
    whole.write(tmp_path / "few.npz")
    with np.load(tmp_path / "few.npz") as arrays:
        np.savez(tmp_path / "unknown.npz", **{key: arrays[key] for key in arrays if key != "statistics_count"})
    for name, told in (
        ("few", "30 reference images for 64 feature dimensions"),
        ("unknown", "has rank 29 in 64 feature dimensions, as of 30 images"),
    ):
        capsys.readouterr()
        record = scored(reference=tmp_path / f"{name}.npz")
        assert [warning.split(":")[0] for warning in record.warnings] == ["FID", "sFID", "Precision and recall"]
        assert told in record.warnings[0]
        printed = capsys.readouterr().err
        assert all(f"WARNING: {score_house.samples}: {warning}" in printed for warning in record.warnings)
        assert json.loads((tmp_path / "score.json").read_text())["warnings"] == record.warnings


def test_chunks_and_the_score_over_one_split_stand_beside_the_inception_score(scored, tmp_path, capsys, monkeypatch):
    whole = scored()
    assert [chunk["images"] for chunk in whole.about["is"]["chunks"]] == [COUNT]
    assert whole.about["is"]["one_split"] == whole.metrics["is"]
    assert "one split" not in capsys.readouterr().out
    monkeypatch.setattr(suite, "inception_scores", partial(inception_scores, chunk=50))
    record = scored()
    about = json.loads((tmp_path / "score.json").read_text())["about"]["is"]
    assert [chunk["images"] for chunk in about["chunks"]] == [50, 50, 20]
    assert np.mean([chunk["score"] for chunk in about["chunks"]]) == pytest.approx(record.metrics["is"])
    assert about["one_split"] == pytest.approx(whole.metrics["is"])
    assert "the last of 3 chunks holds 20 images" in record.warnings[-1]
    assert f"IS@120, one split{'':>7}{about['one_split']:>14.5f}" in capsys.readouterr().out


def test_a_missing_set_and_a_damaged_one_are_refused(scenes, score_house, scored, tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        scored(tmp_path / "absent.npz")
    whole = score_house.samples.read_bytes()
    at = whole.index(scenes(1, COUNT)[60].tobytes())
    (tmp_path / "damaged.npz").write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with pytest.raises(InputError, match="not a whole npz file"):
        scored(tmp_path / "damaged.npz")


def test_the_reference_scored_against_itself_is_warned_of(score_house, scored, tmp_path, capsys):
    np.savez(tmp_path / "self.npz", score_house.real[:100])
    record = scored(tmp_path / "self.npz", count=100)
    assert record.samples.copied == 100
    assert "WARNING:" in (printed := capsys.readouterr().err)
    assert "100 of 100 samples are byte for byte images of the reference; this is a self-test" in printed
    assert record.metrics["precision"] == record.metrics["recall"] == 1


def test_a_reference_as_samples_is_refused(score_house, scored):
    with pytest.raises(InputError, match="carries mu or sigma"):
        scored(score_house.reference)


def test_blank_and_repeated_samples_are_refused_unless_declared(scenes, scored, tmp_path):
    images = scenes(1, COUNT)
    images[50] = images[3]
    images[70] = 255
    np.savez(tmp_path / "odd.npz", images)
    with pytest.raises(InputError, match=r"1 of 120 images repeat .* and 1 more are blank, more than 0% \(first: index 50\)"):
        scored(tmp_path / "odd.npz")
    record = scored(tmp_path / "odd.npz", max_duplicates=0.02)
    assert (record.samples.duplicates, record.samples.blank, record.samples.max_duplicates) == (1, 1, 0.02)
    assert any("blank" in warning for warning in record.warnings)


def test_a_reference_without_spatial_statistics_or_images_needs_a_flag(score_house, scored, tmp_path):
    whole = scored().metrics
    with np.load(score_house.reference) as arrays:
        held = dict(arrays)
    np.savez(tmp_path / "a.npz", **{key: held[key] for key in ("mu", "sigma", "arr_0")})
    np.savez(tmp_path / "b.npz", **{key: held[key] for key in ("mu", "sigma", "mu_s", "sigma_s")})
    for name, metric, gone in (("a", "sfid", {"sfid"}), ("b", "precision_recall", {"precision", "recall"})):
        with pytest.raises(InputError, match=f"is missing.*--skip {metric}"):
            scored(reference=tmp_path / f"{name}.npz")
        record = scored(reference=tmp_path / f"{name}.npz", skip=(metric,))
        assert record.metrics == {key: value for key, value in whole.items() if key not in gone}
        assert record.settings.skipped == [metric]
    assert record.reference.images == 0


def test_features_of_the_reference_computed_before_give_equal_scores(score_house, scored, tmp_path):
    file = tmp_path / "features.npz"
    reference_features(score_house.reference, file, score_house.extractor, device="cpu")
    receipt = json.loads(receipt_path(file).read_text())
    assert receipt["made_from"] == {
        "reference": sha256_of_file(score_house.reference),
        "extractor": sha256_of_file(score_house.extractor / WEIGHTS_FILE),
    }
    assert receipt["facts"] == {"name": "digits_cnn", "images": 100, "batch": 256, "device": "cpu"}
    options = {"secondary": ("kid",)}
    without, with_file = scored(**options), scored(**options, reference_features=file)
    assert with_file.metrics == without.metrics
    assert (without.reference.features_sha256, with_file.reference.features_sha256) == (None, sha256_of_file(file))
    again = tmp_path / "again.npz"
    reference_features(score_house.reference, again, score_house.extractor, device="cpu")
    assert again.read_bytes() == file.read_bytes()


def test_features_of_another_reference_or_extractor_are_refused(score_house, scored, tmp_path):
    file = tmp_path / "features.npz"
    reference_features(score_house.folder / "ours.npz", file, score_house.extractor, device="cpu")
    with pytest.raises(InputError, match="was made with another reference than the one given"):
        scored(reference_features=file)
    other = tmp_path / "extractor"
    SmallExtractor(SmallNetwork(5)).save(other)
    write_receipt(other / WEIGHTS_FILE, "extractor", name="digits_cnn")
    reference_features(score_house.reference, file, other, device="cpu")
    with pytest.raises(InputError, match="was made with another extractor than the one given"):
        scored(reference_features=file)
    hashes = {"reference": sha256_of_file(score_house.reference), "extractor": sha256_of_file(score_house.extractor / WEIGHTS_FILE)}
    for rows, digests in ((99, 100), (100, 99)):
        write_npz(file, {"pooled": np.zeros((rows, 64), np.float32), "digests": np.zeros((digests, 16), np.uint8)})
        write_receipt(file, "reference features", hashes=hashes)
        with pytest.raises(InputError, match=rf"holds pooled \({rows}, 64\) and digests \({digests}, 16\) for 100 images"):
            scored(reference_features=file)


def test_features_of_a_reference_without_images_are_refused(score_house, tmp_path):
    with np.load(score_house.reference) as arrays:
        np.savez(tmp_path / "bare.npz", **{key: arrays[key] for key in ("mu", "sigma")})
    with pytest.raises(InputError, match="the key arr_0 is missing"):
        reference_features(tmp_path / "bare.npz", tmp_path / "features.npz", score_house.extractor, device="cpu")


def test_another_networks_distance_names_its_weights_and_its_images(scored, tmp_path):
    torch.manual_seed(0)
    network = timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=16, embed_dim=32, depth=1, num_heads=2, num_classes=0)
    save_for_hf(network, tmp_path / "encoder", safe_serialization=True)
    record = scored(secondary=("fd_dinov2",), encoder=str(tmp_path / "encoder"))
    assert record.metrics["fd_dinov2"] > 0
    assert record.names["fd_dinov2"] == "FD-DINOv2@120"
    about = record.about["fd_dinov2"]
    assert (about["real_images"], about["encoder"]) == (100, "encoder")
    assert about["encoder_sha256"] == GlobalFeatures.load(tmp_path / "encoder").sha256


def test_several_sets_are_scored_and_their_spread_is_of_the_scores(scenes, scored, tmp_path, capsys):
    files = []
    for seed in (1, 2, 3):
        files.append(tmp_path / f"seed{seed}.npz")
        np.savez(files[-1], scenes(seed, COUNT))
    alone = [scored(file).metrics["fid"] for file in files]
    capsys.readouterr()
    together = scored(*files)
    assert isinstance(together, SeedScores)
    assert [record.metrics["fid"] for record in together.sets] == alone
    spread = together.spread["fid"]
    assert (spread.name, spread.mean, spread.sd) == ("FID@120", pytest.approx(np.mean(alone)), pytest.approx(np.std(alone, ddof=1)))
    assert set(together.spread) == {"fid", "sfid", "is", "precision", "recall"}
    written = json.loads((tmp_path / "score.json").read_text())
    assert [entry["samples"]["name"] for entry in written["sets"]] == [file.name for file in files]
    assert f"{spread.mean:>14.5f} ± {spread.sd:.5f}" in capsys.readouterr().out


def test_the_same_set_twice_is_no_spread(score_house, scored, tmp_path):
    shutil.copy(score_house.samples, tmp_path / "copy.npz")
    with pytest.raises(InputError, match="is the same set as another one given"):
        scored(score_house.samples, tmp_path / "copy.npz")


def test_sets_of_different_counts_have_no_spread(scenes, score_house, scored, tmp_path):
    np.savez(tmp_path / "more.npz", scenes(2, COUNT + 1))
    with pytest.raises(InputError, match="sets of 120 and 121 images"):
        scored(score_house.samples, tmp_path / "more.npz", count=None)
    assert not (tmp_path / "score.json").exists()


@pytest.fixture
def made_here(scenes):
    """made_here(path, seed, images=..., **facts): a set with a receipt, as `sra pack` leaves it."""

    def write(path, seed, images=COUNT, **changes):
        facts = {
            **{"preset": "digits", "run": "sit_b2", "milestone": "m400k", "step": 800, "sampler_name": "sde250", "count": images},
            **{"sampler": {"kind": "sde", "uint8": "floor", "seed": seed}, "paper_count": 50_000, "label_policy": "random", "seed": seed},
            **{"fingerprint": "f" * 64, "precision": "fp32", "device": "cpu"},
        }
        write_npz(path, {"arr_0": scenes(seed, images), "labels": np.random.default_rng(seed).integers(0, 5, images)})
        write_receipt(path, "samples", hashes={"weights": "w" * 64}, **(facts | changes))
        return path

    return write


def test_sets_made_here_need_no_claims_and_differ_in_the_seed_alone(made_here, scored, tmp_path):
    first, second = (made_here(tmp_path / f"{seed}.npz", seed) for seed in (1, 2))
    record = scored(first, count=None, allow_count=False)
    assert isinstance(record, ScoreRecord)
    assert (record.samples.labels.policy, record.samples.uint8, record.samples.count) == ("random", "floor", COUNT)
    assert record.samples.labels.classes == 5
    assert len(scored(first, second, count=None, allow_count=False).sets) == 2
    with pytest.raises(InputError, match="extractor digits_cnn: tells 5 classes apart, the samples are of 9"):
        scored(made_here(tmp_path / "9.npz", 1, classes=9), count=None)
    with pytest.raises(InputError, match="number of classes: --classes 6, the samples' receipt 5"):
        scored(made_here(tmp_path / "5.npz", 1, classes=5), count=None, classes=6)
    alone = made_here(tmp_path / "two.npz", 1, sampler={"kind": "sde", "uint8": "floor", "seed": 1, "classes": [0, 1]})
    with pytest.raises(InputError, match="class 2 was not to be drawn"):
        scored(alone, count=None)
    few = scored(made_here(tmp_path / "few.npz", 3, images=50), count=None, allow_count=False)  # its receipt is the allowance
    assert few.names["fid"] == "FID@50"
    other = made_here(tmp_path / "other.npz", 3, milestone="m50k")
    with pytest.raises(InputError, match=r"other.npz: differs from .*1.npz in milestone"):
        scored(first, other, count=None)


@pytest.mark.parametrize(("claim", "said"), [({"count": 99}, 120), ({"labels": "balanced"}, "random"), ({"uint8": "round"}, "floor")])
def test_a_claim_against_the_receipt_is_refused(made_here, scored, tmp_path, claim, said):
    (name,) = claim
    with pytest.raises(InputError, match=f"--{name} {claim[name]}, its receipt says {said}"):
        scored(made_here(tmp_path / "1.npz", 1), **({"count": None} | claim))


def test_a_score_made_elsewhere_is_no_score_of_a_run(scored, tmp_path):
    scored()
    with pytest.raises(InputError, match=r"score\.json: preset is missing"):
        read_score(tmp_path / "score.json")
    write_json(tmp_path / "score.json", read_json(tmp_path / "score.json") | {"preset": "digits"})
    with pytest.raises(InputError, match="is missing"):
        read_score(tmp_path / "score.json")
