"""Data sets as people have them: Kaggle's ImageNet, archives with one top folder, what systems leave; and advice that fits what a thing is."""

import gzip
import io
import json
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from sra.commands.index import index as index_images
from sra.core.errors import InputError
from sra.core.files import read_json
from sra.core.receipts import receipt_of
from sra.data.images import Expected, ImageSplit, write_index


def encoded(seed, kind="JPEG"):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)).save(buffer, kind)
    return buffer.getvalue()


CLASSES = ("n01440764", "n01443537")
TRAIN = {f"{wnid}/{wnid}_{number}.JPEG": encoded(number) for wnid in CLASSES for number in (10, 2)}
KAGGLE = {
    **{f"ILSVRC/Data/CLS-LOC/train/{name}": content for name, content in TRAIN.items()},
    **{f"ILSVRC/Data/CLS-LOC/{split}/ILSVRC2012_{split}_0000000{number}.JPEG": encoded(7) for split in ("val", "test") for number in (1, 2)},
    "ILSVRC/Annotations/CLS-LOC/train/n01440764/n01440764_10.xml": b"<annotation>\n</annotation>\n",
    "ILSVRC/Annotations/CLS-LOC/val/ILSVRC2012_val_00000001.xml": b"<annotation>\n</annotation>\n",
    "ILSVRC/ImageSets/CLS-LOC/train_cls.txt": b"n01440764/n01440764_10 1\n",
    "LOC_synset_mapping.txt": b"n01440764 tench\n",
}
LEFT = (".DS_Store", "Thumbs.db", "n01440764/._n01440764_10.JPEG", "n01440764/desktop.ini", "__MACOSX/n01440764/x.JPEG", ".ipynb_checkpoints/a.png")


def folder_of(path, members):
    for name, content in members.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def zip_of(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def tar_of(path, members):
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


KINDS = {"folder": folder_of, "zip": zip_of, "tar": tar_of}


def indexed(source, tmp_path, expected=None):
    """The class and the file's name of each image, in order."""
    write_index(source, tmp_path / "index.json", 8, expected)
    content = read_json(tmp_path / "index.json")
    assert content["splits"] == {"train": len(content["images"])}
    assert len(ImageSplit(tmp_path / "index.json", "train").whole()) == len(content["images"])
    return [(image["class"], image["path"].rpartition("/")[2]) for image in content["images"]]


WANTED = [(name.split("/")[0], name.split("/")[1]) for name in sorted(TRAIN)]


@pytest.mark.parametrize("given", [".", "ILSVRC", "ILSVRC/Data", "ILSVRC/Data/CLS-LOC", "ILSVRC/Data/CLS-LOC/train"])
def test_imagenet_as_kaggle_unpacks_it_is_found_from_any_of_its_folders(tmp_path, capsys, given):
    folder_of(tmp_path / "imagenet-object-localization-challenge", KAGGLE)
    assert indexed(tmp_path / "imagenet-object-localization-challenge" / given, tmp_path, Expected(4, 2)) == WANTED
    notes = [line for line in capsys.readouterr().err.splitlines() if "images taken from" in line]
    assert len(notes) == (0 if given.endswith("train") else 1)
    if notes:
        assert "val (2 images without a class)" in notes[0]
        assert ("other files" in notes[0]) == (given in (".", "ILSVRC"))


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_kaggles_own_archive_is_read_packed(tmp_path, kind):
    assert indexed(KINDS[kind](tmp_path / f"imagenet-object-localization-challenge.{kind}", KAGGLE), tmp_path, Expected(4, 2)) == WANTED


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("top", ["", "flowers/", "flowers/train/", "a/b/"])
def test_one_top_folder_is_seen_through(tmp_path, kind, top):
    source = KINDS[kind](tmp_path / f"own.{kind.upper()}", {top + name: content for name, content in TRAIN.items()})
    assert indexed(source, tmp_path) == WANTED


def test_the_first_bytes_say_what_an_archive_is(tmp_path):
    assert indexed(tar_of(tmp_path / "images.zip", TRAIN), tmp_path) == WANTED
    assert indexed(zip_of(tmp_path / "images", TRAIN), tmp_path) == WANTED


@pytest.mark.parametrize("kind", KINDS)
def test_what_systems_leave_is_passed_over_and_counted_once(tmp_path, kind, capsys):
    source = KINDS[kind](tmp_path / f"train.{kind}", {**TRAIN, **dict.fromkeys(LEFT, b"\0\5\x16\7")})
    index_images(source, 8, tmp_path / "index.json")
    assert [image["path"] for image in read_json(tmp_path / "index.json")["images"]] == sorted(TRAIN)
    said = [line for line in capsys.readouterr().err.splitlines() if "passed over" in line]
    assert said == [f"train.{kind}: 6 files that operating systems leave (.DS_Store, Thumbs.db, ._*, __MACOSX) passed over"]
    assert receipt_of(tmp_path / "index.json")["facts"]["notes"] == said
    assert str(tmp_path) not in json.dumps(receipt_of(tmp_path / "index.json"))


def test_leftovers_change_no_byte_of_the_index(tmp_path):
    source = folder_of(tmp_path / "train", TRAIN)
    write_index(source, tmp_path / "index.json", 8)
    before = (tmp_path / "index.json").read_bytes()
    folder_of(source, dict.fromkeys(LEFT, b""))
    (source / "lost+found").mkdir()
    write_index(source, tmp_path / "index.json", 8)
    assert (tmp_path / "index.json").read_bytes() == before


def test_train_beside_a_validation_with_classes_is_taken_where_it_alone_is_what_is_expected(tmp_path, capsys):
    source = folder_of(tmp_path / "imagenet", {f"{split}/{name}": content for split in ("train", "val") for name, content in TRAIN.items()})
    (source / "val/n01440764/n01440764_2.JPEG").unlink()
    assert indexed(source, tmp_path, Expected(4, 2)) == WANTED
    assert "split train, which alone has the 4 expected; left out: val (3)" in capsys.readouterr().err
    write_index(source, tmp_path / "both.json", 8, Expected(7, 2))
    assert read_json(tmp_path / "both.json")["splits"] == {"train": 4, "val": 3}


@pytest.mark.parametrize("kind", KINDS)
def test_several_places_are_named_and_none_is_guessed(tmp_path, kind):
    members = {f"{top}/train/{name}": content for top in ("a", "b") for name, content in TRAIN.items()}
    with pytest.raises(InputError, match=r"holds class folders in 2 places: .*a/train, .*b/train; (give|pack) the one that is meant"):
        write_index(KINDS[kind](tmp_path / f"x.{kind}", members), tmp_path / "index.json", 8)


PNG = encoded(1, "PNG")


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"n01440764/notes.txt": b"hello\n"}, r"'n01440764/notes.txt' is not an image but text; expected .png, .jpg, .jpeg; {away}"),
        ({"n01440764/labels.npy": b"\x93NUMPY\1\0"}, r"is not an image but NumPy array \(.npy\); expected .*; {away}"),
        ({"n01440764/picture": PNG}, r"'n01440764/picture' is a PNG image whose name says nothing of it; .*; rename it"),
        ({"n01440764/a.webp": encoded(1, "WEBP")}, r"is a WebP image, expected PNG or JPEG; convert it, or {away}"),
        ({"n01440764/a.png": encoded(1, "WEBP")}, r"'n01440764/a.png' is a WebP image, expected PNG or JPEG; convert it$"),
        ({"README.md": b"# Flowers\n"}, r"'README.md' is in the wrong place: text among the class folders; .*; {away}"),
        ({"loose.png": PNG}, r"'loose.png' is in the wrong place, its class cannot be told; .*; move it into the folder of its class"),
        ({"n01440764/more/a.png": PNG}, r"'n01440764/more/a.png' is in the wrong place, its class cannot be told"),
    ],
)
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_the_advice_fits_what_the_thing_is(tmp_path, kind, extra, message):
    source = KINDS[kind](tmp_path / f"x.{kind}", {**TRAIN, **extra})
    away = "move it elsewhere" if kind == "folder" else "pack the archive without it"
    with pytest.raises(InputError, match=message.format(away=away)) as caught:
        write_index(source, tmp_path / "index.json", 8)
    assert "remove" not in str(caught.value)
    assert "delete" not in str(caught.value)


@pytest.mark.parametrize("empty", [".", "only/folders"])
def test_a_folder_without_images_says_what_is_expected(tmp_path, empty):
    (tmp_path / "x" / empty).mkdir(parents=True)
    with pytest.raises(InputError, match=r"x: holds no images; expected <split>/<class>/<file> or <class>/<file>$"):
        write_index(tmp_path / "x", tmp_path / "index.json", 8)


def test_packed_tars_and_other_files_are_told_by_what_they_are(tmp_path):
    tar_of(tmp_path / "a.tar", TRAIN)
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress((tmp_path / "a.tar").read_bytes()))
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4")
    (tmp_path / "b.tar").write_bytes(b"")
    for name, message in (
        ("a.tar.gz", r"is a gzip'd tar, .*; unpack it \(gunzip a.tar.gz\) and give the tar"),
        ("a.pdf", r"is a PDF, expected a folder, zip or tar of images; give that"),
        ("b.tar", r"is an empty file, expected .*; it was never written or its download broke off; fetch it again"),
    ):
        with pytest.raises(InputError, match=message):
            write_index(tmp_path / name, tmp_path / "index.json", 8)


@pytest.mark.parametrize("splits", [("train",), ("train", "val", "Test")])
def test_splits_whose_images_have_no_class_are_no_classes(tmp_path, splits):
    source = folder_of(tmp_path / "x", {f"{split}/{number}.jpg": encoded(number) for split in splits for number in (1, 2)})
    with pytest.raises(InputError, match=r"x: member '(train|val|Test)/1.jpg' is in the wrong place, its class cannot be told"):
        write_index(source, tmp_path / "index.json", 8)
