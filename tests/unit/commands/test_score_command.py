"""The files that a score is held to (rows of weights.tsv, torch-fidelity's weights) and `sra score` as a command."""

import json
import shutil
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from random_networks import save_random_inception

from sra import commands
from sra.commands.reference_features import reference_features
from sra.commands.score import score
from sra.core.errors import InputError
from sra.core.files import sha256_of_file
from sra.metrics import score_inputs


def test_the_missing_inception_file_says_what_to_fetch_and_where(score_house, scored, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    with pytest.raises(InputError, match=r"download https://github.com/toshas/torch-fidelity/.*6726825d.pth to downloads"):
        scored(extractor=None)
    cached = tmp_path / "hub" / "checkpoints" / score_inputs.INCEPTION
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"not the network")
    with pytest.raises(InputError, match="its SHA-256 is"):
        scored(extractor=None)
    assert score_inputs.default_extractor() == cached


HEAD = "name\tkind\tsource\tplace\tlicence\tpage\tbytes\tsha256\tnote\n"


@pytest.fixture
def weights_table(tmp_path, monkeypatch):
    """weights_table(sha256) makes the current folder one whose weights.tsv has the row `adm` of a reference."""
    monkeypatch.chdir(tmp_path)

    def write(sha256):
        (tmp_path / "config").mkdir(exist_ok=True)
        row = f"adm\treference\tfile\treference.npz\tMIT\thttps://example.org/reference.npz\t\t{sha256}\tnote\n"
        (tmp_path / "config" / "weights.tsv").write_text(HEAD + row)

    return write


def test_a_named_reference_must_be_the_file_of_its_row(score_house, scored, weights_table, tmp_path):
    weights_table(sha256_of_file(score_house.reference)[:8])
    record = scored(reference_name="adm")
    assert (tmp_path / "config" / "checksums" / "adm.sha256").read_text().startswith(record.reference.sha256)
    with pytest.raises(InputError, match=r"download https://example\.org/reference\.npz"):
        scored(reference=tmp_path / "absent.npz", reference_name="adm")
    weights_table("0" * 8)
    with pytest.raises(InputError, match=r"config/weights.tsv says 00000000\.\.\. for adm"):
        scored(reference_name="adm")
    with pytest.raises(InputError, match="unknown reference 'amd'; did you mean 'adm'"):
        scored(reference_name="amd")


def test_a_named_reference_is_held_to_its_first_use(score_house, scored, weights_table):
    weights_table("")
    scored(reference_name="adm")
    with pytest.raises(InputError, match="at first use of adm it was"):
        scored(reference=score_house.folder / "ours.npz", reference_name="adm")


def test_an_unusable_reference_leaves_no_hash_behind(weights_table, scored, tmp_path):
    weights_table("")
    np.savez(tmp_path / "wrong.npz", mu=np.zeros(3))
    with pytest.raises(InputError, match="is missing"):
        scored(reference=tmp_path / "wrong.npz", reference_name="adm")
    assert not (tmp_path / "config" / "checksums").exists()


def run_cli(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["sra", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        commands.main()
    return stop.value.code or 0


def test_the_command_needs_samples_reference_and_little_else(score_house, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(score_house.samples, tmp_path / "mine.npz")
    arguments = ("score", "mine.npz", "--reference", score_house.reference, "--extractor", score_house.extractor, "--device", "cpu")
    assert run_cli(monkeypatch, *arguments) == 2
    assert "120 images, 50000 were declared" in capsys.readouterr().err
    more = ("--allow-count", "--skip", "sfid", "--secondary", "kid", "--precision-recall", "adm_fp16", "--labels", "random", "--uint8", "floor")
    assert run_cli(monkeypatch, *arguments, *more) == 0
    printed = capsys.readouterr().out
    assert "KID@120" in printed
    assert "sFID" not in printed
    written = json.loads((tmp_path / "mine.npz.score.json").read_text())
    assert (written["settings"]["precision_recall"], written["samples"]["uint8"]) == ("adm_fp16", "floor")
    features = ("--reference", score_house.reference, "--extractor", score_house.extractor, "--device", "cpu", "--output", "features.npz")
    assert run_cli(monkeypatch, "reference-features", *features) == 0
    assert run_cli(monkeypatch, *arguments, *more, "--reference-features", "features.npz", "--output", "again.json") == 0
    assert json.loads((tmp_path / "again.json").read_text())["metrics"] == written["metrics"]


def test_every_set_has_a_score_file_of_its_own(score_house, monkeypatch, tmp_path):
    """Names with dots in them, as sampling scripts give them, a folder beside a file, and two arrays of one file."""
    monkeypatch.chdir(tmp_path)
    with np.load(score_house.samples) as arrays:
        images = arrays["arr_0"]
    for number, name in enumerate(("a-cfg-1.5-seed-0", "a-cfg-1.8-seed-0")):
        (tmp_path / name).mkdir()
        for index, image in enumerate(images):
            Image.fromarray(255 - image if number else image).save(tmp_path / name / f"{index}.png")
    np.savez(tmp_path / "a-cfg-1.5-seed-0.npz", one=images, two=255 - images)
    common = ("--reference", score_house.reference, "--extractor", score_house.extractor, "--device", "cpu", "--allow-count")
    for arguments in (
        ("a-cfg-1.5-seed-0",),
        ("a-cfg-1.8-seed-0/",),
        ("a-cfg-1.5-seed-0.npz", "--key", "one"),
        ("a-cfg-1.5-seed-0.npz", "--key", "two"),
        ("a-cfg-1.5-seed-0", "a-cfg-1.8-seed-0"),
    ):
        assert run_cli(monkeypatch, "score", *arguments, *common) == 0
    assert sorted(path.name for path in tmp_path.glob("*.json")) == [
        "a-cfg-1.5-seed-0.and-1-more.score.json",
        "a-cfg-1.5-seed-0.npz.one.score.json",
        "a-cfg-1.5-seed-0.npz.two.score.json",
        "a-cfg-1.5-seed-0.score.json",
        "a-cfg-1.8-seed-0.score.json",
    ]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--labels", "evenly"), "sra score: labels: Input should be 'random' or 'balanced'"),
        (("--skip", "fid"), "sra score: skip.0"),
        (("--secondary", "fvd"), "sra score: secondary.0"),
        (("--secondary", "kid", "--secondary", "cmmd"), "sra score: secondary: cmmd needs --cmmd-model; give it, or leave out the score"),
        (("--max-duplicates", "2"), "sra score: max_duplicates"),
        (("--count", "0"), "sra score: count"),
    ],
)
def test_an_option_out_of_range_is_one_line(score_house, monkeypatch, capsys, option, message):
    assert run_cli(monkeypatch, "score", score_house.samples, "--reference", score_house.reference, *option) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


def test_the_help_shows_examples(monkeypatch, capsys):
    assert run_cli(monkeypatch, "score", "--help") == 0
    assert "  sra score samples.npz --reference VIRTUAL_imagenet256_labeled.npz\n" in capsys.readouterr().out


@pytest.mark.slow
def test_torch_fidelitys_file_scores_by_its_row(scenes, weights_table, tmp_path):
    """The command as the workflow calls it for ImageNet, with random weights in the file's place and 40 images."""
    weights = tmp_path / "downloads" / score_inputs.INCEPTION
    weights.parent.mkdir()
    sha256 = save_random_inception(weights)
    weights_table("")
    with (tmp_path / "config" / "weights.tsv").open("a") as table:
        table.write(f"inception\textractor\tfile\t{weights.name}\tApache-2.0\thttps://example.org/{weights.name}\t\t{sha256[:8]}\tnote\n")

    statistics = {"mu": np.zeros(2048), "sigma": np.eye(2048), "mu_s": np.zeros(2023), "sigma_s": np.eye(2023)}
    np.savez(tmp_path / "reference.npz", **statistics, arr_0=scenes(0, 20))
    np.savez(tmp_path / "samples.npz", scenes(1, 40))
    with pytest.raises(InputError, match="its SHA-256 is"):  # without its row it must be the published file
        reference_features(tmp_path / "reference.npz", tmp_path / "features.npz", weights, device="cpu")
    reference_features(tmp_path / "reference.npz", tmp_path / "features.npz", weights, "inception", "adm", device="cpu")

    asked = {"extractor": weights, "extractor_name": "inception", "reference_name": "adm", "count": 40, "device": "cpu"}
    with pytest.raises(InputError, match="40 images for 2048 feature dimensions"):
        score([tmp_path / "samples.npz"], tmp_path / "reference.npz", tmp_path / "score.json", **asked)
    asked |= {"allow_count": True, "reference_features": tmp_path / "features.npz"}
    record = score([tmp_path / "samples.npz"], tmp_path / "reference.npz", tmp_path / "score.json", **asked)
    assert set(record.metrics) == {"fid", "sfid", "is", "precision", "recall"}
    assert (record.extractor.name, record.extractor.sha256) == ("inception_2015", sha256)
    assert (tmp_path / "config" / "checksums" / "inception.sha256").read_text().startswith(sha256)
