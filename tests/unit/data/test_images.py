"""An index describes its archive exactly, and refuses what cannot be used in one line that names the member."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from sra.core.errors import InputError
from sra.core.receipts import write_receipt
from sra.data.images import Expected, ImageSplit, load_split, write_index


def png(seed=0, size=(8, 8), mode="RGB", format="PNG"):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, format)
    return buffer.getvalue()


def sixteen_bits():
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 8), 40_000, dtype=np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


NAMES = [f"{split}/{name}/{number}.png" for split in ("train", "held_out") for name in ("cat", "dog") for number in range(3)]
GOOD = {name: png(seed) for seed, name in enumerate(NAMES)}


def archive_of(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_an_index_says_what_is_in_the_archive(tmp_path):
    members = {**GOOD, "train/dog/wide.JPEG": png(9, (20, 12), format="JPEG")}
    write_index(archive_of(tmp_path / "pets.zip", members), tmp_path / "index.json", 8)
    index = json.loads((tmp_path / "index.json").read_text())
    assert index["archive"]["path"] == "pets.zip"
    assert index["classes"] == ["cat", "dog"]
    assert index["splits"] == {"train": 7, "held_out": 6}
    assert {"path": "train/dog/wide.JPEG", "class": "dog", "split": "train", "width": 20, "height": 12} in [
        {key: image[key] for key in ("path", "class", "split", "width", "height")} for image in index["images"]
    ]


def test_a_split_comes_back_cropped_with_its_labels(tmp_path):
    write_index(archive_of(tmp_path / "pets.zip", GOOD), tmp_path / "index.json", 8)
    images, labels = load_split(tmp_path / "index.json", "held_out")
    assert images.dtype == np.uint8
    assert images.shape == (6, 8, 8, 3)
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert np.array_equal(images[4], np.asarray(Image.open(io.BytesIO(GOOD["held_out/dog/1.png"]))))


def test_batches_join_to_the_split_whatever_their_size(tmp_path):
    write_index(archive_of(tmp_path / "pets.zip", GOOD), tmp_path / "index.json", 4)
    whole, _ = load_split(tmp_path / "index.json", "train")
    parts = list(ImageSplit(tmp_path / "index.json", "train").batches(range(1, 6), 2))
    assert [len(part) for part in parts] == [2, 2, 1]
    assert np.array_equal(np.concatenate(parts), whole[1:6])


def test_grey_images_become_rgb(tmp_path):
    members = {**GOOD, "train/dog/grey.png": png(3, mode="L")}
    write_index(archive_of(tmp_path / "pets.zip", members), tmp_path / "index.json", 8)
    images, _ = load_split(tmp_path / "index.json", "train")
    assert images.shape == (7, 8, 8, 3)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"../train/cat/0.png": png()}, r"member '\.\./train/cat/0\.png' leaves the archive"),
        ({"/train/cat/0.png": png()}, r"member '/train/cat/0\.png' leaves the archive"),
        ({"train/../../cat.png": png()}, r"'train/\.\./\.\./cat\.png' leaves the archive"),
        ({"C:/cat/0.png": png()}, r"'C:/cat/0\.png' leaves the archive"),
        ({"train/cat/broken.png": png()[:-40]}, r"member 'train/cat/broken\.png' is not a whole image"),
        ({"train/cat/text.png": b"not a picture"}, r"member 'train/cat/text\.png' is not a whole image \(not a PNG or JPEG\)"),
        ({"train/cat/empty.png": b""}, r"member 'train/cat/empty\.png' is not a whole image"),
        ({"train/cat/notes.txt": b"hello"}, r"member 'train/cat/notes\.txt' is not an image"),
        ({"train/loose.png": png()}, r"member 'train/loose\.png' is in the wrong place"),
        ({"train/bird/": b""}, r"class folder 'held_out/bird' has no images"),
        ({"train/bird/0.png": png()}, r"class folder 'held_out/bird' has no images"),
        ({"train/cat/deep.png": sixteen_bits()}, r"member 'train/cat/deep\.png' has mode I;16, expected 8 bits"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(tmp_path, members, message):
    archive_of(tmp_path / "pets.zip", {**GOOD, **members})
    with pytest.raises(InputError, match=message) as caught:
        write_index(tmp_path / "pets.zip", tmp_path / "index.json", 8)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "index.json").exists()


def test_a_damaged_member_is_refused_by_its_checksum(tmp_path):
    path = archive_of(tmp_path / "pets.zip", GOOD)
    content = bytearray(path.read_bytes())
    content[content.index(GOOD["train/dog/2.png"]) + 60] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"member 'train/dog/2\.png' cannot be read \(Bad CRC"):
        write_index(path, tmp_path / "index.json", 8)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cut.zip", b"PK\x03\x04 half an archive", "not a readable zip"),
        ("pets.rar", b"Rar!", r"unknown kind of archive '\.rar'"),
    ],
)
def test_what_is_no_archive_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        write_index(tmp_path / name, tmp_path / "index.json", 8)


def test_an_empty_archive_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no images"):
        write_index(archive_of(tmp_path / "none.zip", {}), tmp_path / "index.json", 8)


def test_a_known_data_set_must_be_complete(tmp_path):
    archive_of(tmp_path / "pets.zip", GOOD)
    write_index(tmp_path / "pets.zip", tmp_path / "index.json", 8, expected=Expected(12, 2))
    write_index(tmp_path / "pets.zip", tmp_path / "index.json", 8, expected=Expected(12))
    archive_of(tmp_path / "pets.zip", {name: content for name, content in GOOD.items() if name != "train/dog/1.png"})
    with pytest.raises(InputError, match=r"pets.zip: holds 11 images of 2 classes, expected 12 of 2; its smallest.*: dog 5, cat 6; .*images: 11"):
        write_index(tmp_path / "pets.zip", tmp_path / "index.json", 8, expected=Expected(12, 2))
    with pytest.raises(InputError, match=r"holds 11 images of 2 classes, expected 11 of 3"):
        write_index(tmp_path / "pets.zip", tmp_path / "index.json", 8, expected=Expected(11, 3))
    with pytest.raises(InputError, match=r"expected 9 of 2; its largest classes: cat 6, dog 5"):
        write_index(tmp_path / "pets.zip", tmp_path / "index.json", 8, expected=Expected(9))


def test_another_archive_under_the_same_name_is_refused(tmp_path):
    write_index(archive_of(tmp_path / "pets.zip", GOOD), tmp_path / "index.json", 8)
    swapped = {**GOOD, "train/cat/0.png": GOOD["train/cat/1.png"]}
    archive_of(tmp_path / "pets.zip", swapped)
    with pytest.raises(InputError, match="not the archive that"):
        load_split(tmp_path / "index.json", "train")
    (tmp_path / "pets.zip").unlink()
    with pytest.raises(InputError, match="does not exist; put it there"):
        load_split(tmp_path / "index.json", "train")


def test_a_truncated_archive_is_caught_by_its_receipt(tmp_path):
    path = archive_of(tmp_path / "pets.zip", GOOD)
    write_receipt(path, "images")
    write_index(path, tmp_path / "index.json", 8)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="its receipt says"):
        load_split(tmp_path / "index.json", "train")


def test_the_archive_may_lie_in_another_folder(tmp_path):
    (tmp_path / "images").mkdir()
    archive_of(tmp_path / "images" / "pets.zip", GOOD)
    write_index(tmp_path / "images" / "pets.zip", tmp_path / "indexes" / "pets.json", 8)
    assert len(ImageSplit(tmp_path / "indexes" / "pets.json", "train")) == 6


def test_wrong_names_say_what_is_known(tmp_path):
    write_index(archive_of(tmp_path / "pets.zip", GOOD), tmp_path / "index.json", 8)
    with pytest.raises(InputError, match="unknown split 'trian'; did you mean 'train'"):
        load_split(tmp_path / "index.json", "trian")
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(InputError, match="not an image index"):
        load_split(tmp_path / "other.json", "train")
