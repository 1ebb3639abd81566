"""Real images alone as a reference: the statistics are those of the images, kept for the next call, and recorded as computed here."""

import shutil

import numpy as np
import pytest
from PIL import Image

from sra.core.errors import InputError
from sra.core.files import read_json, sha256_of_file, write_json
from sra.core.receipts import receipt_path
from sra.metrics import real_images as real_images_stage
from sra.metrics.extractor_files import load_extractor
from sra.metrics.reference import Reference
from sra.metrics.suite import extract

COUNT = 120


@pytest.fixture
def real(tmp_path, scenes):
    """real(kind) -> a file or folder of the 150 images of scenes(7)."""

    def write(kind):
        images, place = scenes(7, 150), tmp_path / "data" / f"real.{kind}"
        place.parent.mkdir(exist_ok=True)
        if kind == "npz":
            np.savez(place, real=images, seeds=np.arange(150))
        elif kind == "npy":
            np.save(place, images)
        else:
            for index, image in enumerate(images):
                (place / f"{index % 2}").mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(place / f"{index % 2}" / f"{index}.png")
        return place

    return write


@pytest.fixture
def whole(score_house, scenes, tmp_path):
    """A reference file with the statistics of all those images."""
    images = scenes(7, 150)
    features = extract(images, load_extractor(score_house.extractor), 256, "real")
    Reference(features.pooled_statistics, features.spatial_statistics, images).write(tmp_path / "whole.npz")
    return tmp_path / "whole.npz"


def kept(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("real.") or "digits" in path.name)


@pytest.mark.parametrize("kind", ["npz", "npy", "folder"])
def test_images_alone_score_as_a_reference_of_their_statistics(real, whole, scored, tmp_path, kind, monkeypatch, capsys):
    path = real(kind)
    secondary = () if kind == "folder" else ("kid",)  # whose subsets depend on the order of the images
    expected = scored(reference=whole, secondary=secondary).metrics
    capsys.readouterr()
    record = scored(reference=path, secondary=secondary, recursive=True if kind == "folder" else None)
    assert record.metrics == pytest.approx(expected, rel=1e-6 if kind == "folder" else 1e-12)
    said = capsys.readouterr().err
    assert "holds 150 images and no statistics; they are computed now by digits_cnn" in said
    assert "the statistics are kept in" in said
    found = record.reference
    assert (found.computed, found.images, found.statistics_count, found.key) == (True, 150, 150, {"npz": "real", "npy": "arr_0"}.get(kind))
    name, receipt = kept(path.parent)
    assert name.startswith(f"{path.name}.digits_cnn-")
    assert receipt == f"{name}.receipt.json"
    assert found.statistics_sha256 == sha256_of_file(path.parent / name)
    if kind != "folder":
        assert found.sha256 == sha256_of_file(path)

    # The second call reads them: no statistics are computed again.
    monkeypatch.setattr(real_images_stage, "extract_batches", None)
    again = scored(reference=path, secondary=secondary, recursive=True if kind == "folder" else None)
    assert (again.metrics, again.reference) == (record.metrics, record.reference)
    assert f"are read from {name}" in capsys.readouterr().err


def test_other_images_have_statistics_of_their_own(real, scored, scenes, tmp_path):
    path = real("npz")
    first = scored(reference=path)
    np.savez(path, real=scenes(8, 150))
    second = scored(reference=path)
    assert first.metrics["fid"] != second.metrics["fid"]
    assert len(kept(path.parent)) == 4
    np.savez(path, real=scenes(8, 150), more=scenes(9, 150))
    with pytest.raises(InputError, match=r"several arrays can be the images: .*name one by --reference-key"):
        scored(reference=path)
    assert scored(reference=path, reference_key="real").metrics == second.metrics
    assert scored(reference=path, reference_key="more").metrics != second.metrics


@pytest.mark.parametrize("damage", ["statistics", "receipt", "no receipt"])
def test_damaged_statistics_are_computed_again(real, scored, damage, capsys):
    path = real("npz")
    record = scored(reference=path)
    name = next(iter(kept(path.parent)))
    file = path.parent / name
    if damage == "statistics":
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    elif damage == "receipt":
        receipt_path(file).write_text("{")
    else:
        receipt_path(file).unlink()
    capsys.readouterr()
    assert scored(reference=path) == record
    assert "(computed again now)" in capsys.readouterr().err
    assert read_json(receipt_path(file))["sha256"] == sha256_of_file(file) == record.reference.statistics_sha256


def test_a_place_that_takes_no_files_is_said_and_no_hindrance(real, scored, monkeypatch, capsys):
    def refuse(path, arrays):
        raise InputError(f"{path}: {path.parent} cannot be written to")

    monkeypatch.setattr(real_images_stage, "write_npz", refuse)
    record = scored(reference=real("npz"))
    assert record.reference.computed
    assert record.reference.statistics_sha256 is None
    assert "the statistics were not kept, and are computed again by the next command" in capsys.readouterr().err


def test_what_is_wrong_with_the_samples_is_said_before_the_statistics_are_computed(real, scored, monkeypatch):
    monkeypatch.setattr(real_images_stage, "extract_batches", None)
    with pytest.raises(InputError, match="120 images, 99 were declared"):
        scored(reference=real("npz"), count=99)
    with pytest.raises(InputError, match="150 images lie in 2 sub-folders"):
        scored(reference=real("folder"))


def test_one_number_of_the_two_is_no_reference(score_house, scored, scenes, tmp_path):
    np.savez(tmp_path / "half.npz", arr_0=scenes(7, 50), mu=np.zeros(64))
    with pytest.raises(InputError, match="the key sigma is missing"):
        scored(reference=tmp_path / "half.npz")


def test_both_sides_from_one_file(scenes, scored, tmp_path):
    np.savez(tmp_path / "both.npz", real=scenes(7, 150), fake=scenes(1, COUNT))
    record = scored(tmp_path / "both.npz", reference=tmp_path / "both.npz", key="fake", reference_key="real")
    assert (record.samples.key, record.reference.key, record.samples.copied) == ("fake", "real", 0)


def test_the_score_of_other_samples_is_never_replaced_unasked(score_house, scenes, scored, tmp_path):
    np.savez(tmp_path / "other.npz", scenes(2, COUNT))
    first = scored(replace=False)
    before = (tmp_path / "score.json").read_bytes()
    with pytest.raises(InputError, match=r"score\.json: holds the score of other samples \(samples.npz\); name another .*--replace"):
        scored(tmp_path / "other.npz", replace=False)
    with pytest.raises(InputError, match="holds the score of other samples"):
        scored(score_house.samples, tmp_path / "other.npz", replace=False)
    assert (tmp_path / "score.json").read_bytes() == before
    shutil.copy(score_house.samples, tmp_path / "renamed.npz")
    assert scored(tmp_path / "renamed.npz", replace=False).metrics == first.metrics  # the same samples
    assert scored(tmp_path / "other.npz", replace=True).samples.name == "other.npz"


def test_another_array_of_the_same_file_is_another_set(scenes, scored, tmp_path):
    np.savez(tmp_path / "both.npz", one=scenes(1, COUNT), two=scenes(2, COUNT))
    scored(tmp_path / "both.npz", key="one", replace=False)
    with pytest.raises(InputError, match="holds the score of other samples"):
        scored(tmp_path / "both.npz", key="two", replace=False)


@pytest.mark.parametrize("content", ["{}", "[1]", "no json", '{"sets": 3}', '{"samples": "many"}'])
def test_what_is_no_score_is_not_written_over(scored, tmp_path, content):
    (tmp_path / "score.json").write_text(content)
    with pytest.raises(InputError, match=r"score\.json: is there already and is no score that can be read"):
        scored(replace=False)
    assert (tmp_path / "score.json").read_text() == content


def test_a_score_of_before_the_key_was_recorded_is_replaced_by_its_own_samples(scored, tmp_path):
    scored(replace=False)
    found = read_json(tmp_path / "score.json")
    del found["samples"]["key"], found["samples"]["labels_key"]
    write_json(tmp_path / "score.json", found)
    scored(replace=False)


def test_the_kept_statistics_are_not_given_in_place_of_the_images(score_house, scored, tmp_path):
    np.savez(tmp_path / "real.npz", score_house.real)
    scored(reference=tmp_path / "real.npz")
    kept = next(tmp_path.glob("real.npz.*.npz"))
    with pytest.raises(InputError, match="is what was kept of real images; give those images as --reference"):
        scored(reference=kept)
