"""`sra score` on samples drawn from captions: every score against its model asked directly, what is recorded, and what is refused."""

import json
import shutil
import sys

import numpy as np
import pytest
import torch
from transformers import CLIPModel, CLIPProcessor

from sra import commands
from sra.commands.score import score
from sra.core.errors import InputError
from sra.core.files import sha256_of_file
from sra.encoders.image_text import ImageTextModel
from sra.metrics import score_judges, suite
from sra.metrics.caption_accuracy import caption_accuracy
from sra.metrics.extractor_files import load_extractor
from sra.metrics.maximum_mean_discrepancy import maximum_mean_discrepancy
from sra.spec.score import ForeignScore, ScoreRecord, read_score

COUNT = 120
ALL = ("clip_score", "pick_score", "cmmd", "caption_accuracy")


@pytest.fixture(scope="module")
def drawn(captioned):
    """Samples: other scenes with the captions that they show."""
    return captioned.scenes(2, COUNT)


@pytest.fixture(scope="module")
def pack(captioned, drawn, tmp_path_factory):
    return captioned.pack(tmp_path_factory.mktemp("pack") / "samples.npz", *drawn)


@pytest.fixture
def asked(captioned, tmp_path):
    """asked(*samples, reference=..., **options) -> the record; its file is tmp_path/score.json."""
    usual = {"clip_model": str(captioned.clip), "pick_model": str(captioned.pick), "cmmd_model": str(captioned.clip)}
    usual |= {"extractor": captioned.extractor, "replace": True, "device": "cpu"}

    def run(*samples, reference=captioned.reference, **options):
        return score(list(samples), reference, tmp_path / "score.json", **(usual | options))

    return run


@pytest.fixture
def no_features(monkeypatch):
    """Whoever computes features of more than one image fails, and whoever loads a model."""

    def refuse(*arguments, **named):
        raise AssertionError("was refused too late")

    monkeypatch.setattr(suite, "extract_batches", refuse)
    monkeypatch.setattr(score_judges.ImageTextModel, "load", refuse)


def logits_by_transformers(folder, images, captions):
    """Each image's logit for its own caption, and the model's scale."""
    processor, network = CLIPProcessor.from_pretrained(folder, backend="pil"), CLIPModel.from_pretrained(folder).eval()
    inputs = processor(text=captions, images=list(images), padding=True, truncation=True, max_length=77, return_tensors="pt")
    with torch.no_grad():
        return network(**inputs).logits_per_image.diagonal().double().numpy(), float(network.logit_scale.exp())


def test_every_score_is_that_of_its_model_asked_directly(captioned, drawn, pack, asked, tmp_path):
    record = asked(pack, secondary=ALL, batch=50)
    images, captions = drawn
    logits, scale = logits_by_transformers(captioned.clip, images, captions)
    clip = 100 * (logits / scale).clip(min=0)
    assert record.metrics["clip_score"] == pytest.approx(clip.mean(), abs=1e-4)
    assert record.about["clip_score"]["standard_error"] == pytest.approx(clip.std(ddof=1) / COUNT**0.5, abs=1e-4)
    pick, _ = logits_by_transformers(captioned.pick, images, captions)
    assert record.metrics["pick_score"] == pytest.approx(pick.mean(), abs=1e-4)
    assert record.about["pick_score"]["standard_error"] == pytest.approx(pick.std(ddof=1) / COUNT**0.5, abs=1e-4)

    model = ImageTextModel.load(captioned.clip)
    with np.load(captioned.reference) as reference:
        real = reference["arr_0"]
    distance = maximum_mean_discrepancy(model.cmmd_features(real), model.cmmd_features(images))
    assert record.metrics["cmmd"] == pytest.approx(distance, rel=1e-4)
    extractor = load_extractor(captioned.extractor)
    accuracy = caption_accuracy(images, captions, lambda digits: extractor.features(digits).predicted, 7)
    assert record.metrics["caption_accuracy"] == accuracy.everything
    assert record.about["caption_accuracy"] == {"digits": accuracy.digits, "colours": 1.0, "pairs": COUNT}


def test_the_record_says_which_models_and_which_captions(captioned, pack, asked, tmp_path, capsys):
    record = asked(pack, secondary=ALL)
    assert isinstance(record, ScoreRecord)
    assert read_score(tmp_path / "score.json") == record
    assert (record.label_policy, record.caption_policy) == (None, "in_order")
    written = json.loads((tmp_path / "score.json").read_text())
    assert written["samples"]["captions"] == {"policy": "in_order", "sha256": None}
    assert written["samples"]["labels"] == {"policy": None, "classes": None, "per_class": None}
    assert "label_agreement" not in written["metrics"]
    hashes = {name: ImageTextModel.load(folder).sha256() for name, folder in (("clip", captioned.clip), ("pick", captioned.pick))}
    for judged, name in (("clip_score", "clip"), ("pick_score", "pick"), ("cmmd", "clip")):
        assert (written["about"][judged]["model"], written["about"][judged]["model_sha256"]) == (name, hashes[name])
    assert (written["about"]["cmmd"]["real_images"], written["about"]["cmmd"]["estimator"]) == (60, "biased")
    assert written["names"]["clip_score"] == "CLIP-score@120"
    assert not any(str(path) in json.dumps(written) for path in (tmp_path, captioned.folder))
    printed = capsys.readouterr().out
    assert f"CaptionAccuracy@120{'':<5}{record.metrics['caption_accuracy']:>14.5f}" in printed
    first = (tmp_path / "score.json").read_bytes()
    asked(pack, secondary=ALL)
    assert (tmp_path / "score.json").read_bytes() == first


def test_captions_of_other_images_change_the_scores_of_captions_alone(captioned, drawn, pack, asked, tmp_path):
    images, captions = drawn
    own = asked(pack, secondary=ALL).metrics
    other = asked(captioned.pack(tmp_path / "other.npz", images, captions[1:] + captions[:1]), secondary=ALL).metrics
    changed = {name for name in own if own[name] != other[name]}
    assert {"clip_score", "pick_score"} <= changed <= {"clip_score", "pick_score", "caption_accuracy"}


def test_a_model_that_two_scores_name_is_loaded_once(captioned, pack, asked, monkeypatch):
    loaded, load = [], ImageTextModel.load
    monkeypatch.setattr(score_judges.ImageTextModel, "load", lambda source, *rest: loaded.append(source) or load(source, *rest))
    same = asked(pack, secondary=("cmmd", "clip_score", "pick_score"), pick_model=str(captioned.clip))
    assert loaded == [str(captioned.clip)]
    assert same.about["pick_score"]["model"] == "clip"
    asked(pack, secondary=("pick_score", "clip_score"))
    assert loaded[1:] == [str(captioned.clip), str(captioned.pick)]


def test_transformers_is_left_alone_unless_asked(pack, asked, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert "caption_accuracy" in asked(pack, secondary=("caption_accuracy",)).metrics
    with pytest.raises(ImportError):
        asked(pack, secondary=("clip_score",))


def test_foreign_samples_take_captions_from_their_npz_or_from_a_file(captioned, drawn, pack, asked, tmp_path):
    images, captions = drawn
    expected = asked(pack, secondary=ALL).metrics
    np.savez(tmp_path / "bare.npz", arr_0=images)
    np.savez(tmp_path / "with.npz", arr_0=images, captions=np.array([caption.encode() for caption in captions]))
    (tmp_path / "captions.txt").write_text("\n".join(captions) + "\n", encoding="utf-8")
    few = {"count": COUNT, "allow_count": True, "secondary": ALL}
    held = asked(tmp_path / "with.npz", **few)
    beside = asked(tmp_path / "bare.npz", **few, captions=tmp_path / "captions.txt")
    assert isinstance(beside, ForeignScore)
    assert held.metrics == beside.metrics == expected
    assert held.samples.captions.model_dump() == {"policy": None, "sha256": None}
    assert beside.samples.captions.model_dump() == {"policy": None, "sha256": sha256_of_file(tmp_path / "captions.txt")}
    assert asked(tmp_path / "bare.npz", count=COUNT, allow_count=True).samples.captions is None


def test_several_sets_share_the_models_and_have_a_spread(captioned, drawn, pack, asked, tmp_path):
    other = captioned.pack(tmp_path / "seed1.npz", *captioned.scenes(3, COUNT), seed=1)
    together = asked(pack, other, secondary=ALL)
    alone = [asked(samples, secondary=ALL).metrics for samples in (pack, other)]
    assert [one.metrics for one in together.sets] == alone
    assert together.spread["clip_score"].mean == pytest.approx(np.mean([one["clip_score"] for one in alone]))


@pytest.mark.parametrize("score", ["clip_score", "pick_score", "caption_accuracy"])
def test_missing_captions_are_refused_first(drawn, asked, tmp_path, no_features, score):
    np.savez(tmp_path / "bare.npz", arr_0=drawn[0])
    with pytest.raises(InputError, match=f"--secondary {score}: needs the captions .*; give --captions, or leave it out") as caught:
        asked(tmp_path / "bare.npz", count=COUNT, allow_count=True, secondary=(score,))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "score.json").exists()


def test_captions_that_do_not_fit_are_refused_first(captioned, drawn, pack, asked, tmp_path, no_features):
    images, captions = drawn
    few = {"count": COUNT, "allow_count": True, "captions": tmp_path / "captions.txt"}
    np.savez(tmp_path / "bare.npz", arr_0=images)
    np.savez(tmp_path / "with.npz", arr_0=images, captions=np.array([caption.encode() for caption in captions]))
    (tmp_path / "captions.txt").write_text("\n".join(captions[1:]), encoding="utf-8")
    with pytest.raises(InputError, match="119 captions for 120 images"):
        asked(tmp_path / "bare.npz", **few)
    with pytest.raises(InputError, match=r"with\.npz: holds captions of its own; leave out --captions"):
        asked(tmp_path / "with.npz", **few)
    with pytest.raises(InputError, match=r"samples\.npz: was made here, and such a pack holds its captions if it has any; leave out --captions"):
        asked(pack, captions=tmp_path / "captions.txt")
    (tmp_path / "captions.txt").write_text("\n".join(["a dog", *captions[1:]]), encoding="utf-8")
    with pytest.raises(InputError, match="image 0: caption 'a dog' describes no scene"):
        asked(tmp_path / "bare.npz", **few, secondary=("caption_accuracy",))


def test_a_missing_model_is_refused_before_features(pack, asked, tmp_path, monkeypatch):
    monkeypatch.setattr(suite, "extract_batches", None)
    for asking, option, fetched in (
        ("clip_score", "clip_model", "openai/clip-vit-large-patch14"),
        ("pick_score", "pick_model", "yuvalkirstain/PickScore_v1"),
        ("cmmd", "cmmd_model", "openai/clip-vit-large-patch14-336"),
    ):
        with pytest.raises(InputError, match=f"no such folder; fetch .* of {fetched} and put them in downloads/") as caught:
            asked(pack, secondary=(asking,), **{option: str(tmp_path / "absent")})
        assert "\n" not in str(caught.value)


PACKS = {
    "no captions": ({"labels": np.zeros(COUNT, np.int64)}, {}, "the key captions is missing; a sample pack made here from captions"),
    "no labels": (None, {"label_policy": "random", "caption_policy": None}, "the key labels is missing; a sample pack made here from labels"),
    "both policies": (None, {"label_policy": "random"}, "its receipt: caption_policy: .* either label_policy or caption_policy"),
    "neither policy": (None, {"caption_policy": None}, "its receipt: caption_policy: .* either label_policy or caption_policy"),
    "an unknown policy": (None, {"caption_policy": "shuffled"}, "its receipt: caption_policy: Input should be 'in_order' or 'random'"),
    "too few captions": ({"captions": np.array([b"a dog"] * 119)}, {}, "119 captions for 120 images"),
    "an empty caption": ({"captions": np.array([b"a dog"] * 119 + [b""])}, {}, "caption 119 is empty"),
}


@pytest.mark.parametrize(("arrays", "facts", "message"), PACKS.values(), ids=PACKS.keys())
def test_a_pack_must_hold_what_its_receipt_says(captioned, drawn, asked, tmp_path, no_features, arrays, facts, message):
    samples = captioned.pack(tmp_path / "samples.npz", *drawn, arrays, **facts)
    with pytest.raises(InputError, match=rf"samples(\.npz)?: {message}") as caught:
        asked(samples)
    assert "\n" not in str(caught.value)


def test_labels_are_not_claimed_for_captions(pack, asked):
    with pytest.raises(InputError, match="--labels random, its receipt says that it was drawn from captions; leave out --labels"):
        asked(pack, labels="random")


def run_cli(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["sra", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        commands.main()
    return stop.value.code or 0


def test_the_commands_from_an_index_to_a_score(captioned, pack, asked, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(pack, tmp_path / "mine.npz")
    shutil.copy(f"{pack}.receipt.json", tmp_path / "mine.npz.receipt.json")
    made = ("make-reference", "--index", captioned.index, "--extractor", captioned.extractor, "--images", 60, "--split", "val", "--device", "cpu")
    assert run_cli(monkeypatch, *made, "--output", "reference.npz") == 0
    assert (tmp_path / "reference.npz").read_bytes() == captioned.reference.read_bytes()
    command = ("score", "mine.npz", "--reference", "reference.npz", "--extractor", captioned.extractor, "--device", "cpu")
    wanted = [part for score in ALL for part in ("--secondary", score)]
    capsys.readouterr()
    assert run_cli(monkeypatch, *command, *wanted, "--clip-model", captioned.clip, "--pick-model", captioned.pick) == 2
    assert "sra score: secondary: cmmd needs --cmmd-model; give it, or leave out the score" in (printed := capsys.readouterr().err)
    assert printed.count("\n") == 1
    models = ("--clip-model", captioned.clip, "--pick-model", captioned.pick, "--cmmd-model", captioned.clip)
    assert run_cli(monkeypatch, *command, *wanted, *models) == 0
    assert "CLIP-score@120" in capsys.readouterr().out
    assert json.loads((tmp_path / "mine.npz.score.json").read_text())["metrics"] == asked(pack, secondary=ALL).metrics
    (tmp_path / "captions.txt").write_text("a dog\n" * COUNT)
    assert run_cli(monkeypatch, *command, "--captions", "captions.txt") == 2
    assert "leave out --captions" in capsys.readouterr().err
