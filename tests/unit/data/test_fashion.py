"""Fashion-MNIST as an archive: pixels, classes, splits and counts as in the source's files, and a line for the person whose files are not those."""

import gzip
import io
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image

from sra.core.errors import InputError
from sra.data import fashion
from sra.data.fashion import CLASSES, download_fashion, padded, read_fashion, write_fashion

COUNTS = {"train": 66, "t10k": 14}


def idx(array: np.ndarray) -> bytes:
    """The format of the source: two zeros, type and number of dimensions; sizes, big endian; the bytes."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def source(tmp_path):
    """A folder with the four files of a small set, packed, and what is in them by split."""
    random, folder, content = np.random.default_rng(0), tmp_path / "fashion", {}
    folder.mkdir()
    for split, count in COUNTS.items():
        images, labels = random.integers(0, 256, (count, 28, 28), dtype=np.uint8), (np.arange(count) % 10).astype(np.uint8)
        content[split] = images, labels
        (folder / f"{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (folder / f"{split}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return folder, content


def test_the_archive_holds_the_sources_pixels_in_a_black_border(source, tmp_path):
    folder, content = source
    write_fashion(tmp_path / "images.zip", read_fashion(folder), 70)
    with zipfile.ZipFile(tmp_path / "images.zip") as archive:
        names = archive.namelist()
        assert sum(name.startswith("train/") for name in names) == 60
        assert sum(name.startswith("held_out/") for name in names) == 10
        for split, name in (("train", "train/7_sneaker/00037.png"), ("t10k", "held_out/9_ankle_boot/00009.png")):
            images, labels = content[split]
            number = int(name[-9:-4])
            pixels = np.asarray(Image.open(io.BytesIO(archive.read(name))))
            assert pixels.shape == (32, 32, 3)
            assert CLASSES[labels[number]] in name
            for channel in range(3):
                assert np.array_equal(pixels[2:30, 2:30, channel], images[number])
            pixels = pixels.copy()
            pixels[2:30, 2:30] = 0
            assert not pixels.any()


def test_packed_and_unpacked_files_give_the_same_bytes(source, tmp_path):
    folder, _ = source
    plain = tmp_path / "plain"
    plain.mkdir()
    for packed in folder.iterdir():
        (plain / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    for name, place in (("a", folder), ("b", plain)):
        write_fashion(tmp_path / f"{name}.zip", read_fashion(place), 70)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


@pytest.mark.parametrize(("dot", "packed"), [(dot, packed) for dot in (False, True) for packed in (False, True)])
@pytest.mark.parametrize("place", [".", "raw", "FashionMNIST/raw"])
def test_every_way_in_which_the_files_are_named_gives_the_same_bytes(source, tmp_path, dot, packed, place):
    folder, content = source
    there = tmp_path / "there" / place
    there.mkdir(parents=True)
    for file in folder.iterdir():
        name = file.name.replace("-idx", ".idx") if dot else file.name
        (there / (name if packed else name.removesuffix(".gz"))).write_bytes(file.read_bytes() if packed else gzip.decompress(file.read_bytes()))
    found = read_fashion(tmp_path / "there")
    assert all(np.array_equal(found[split].data.numpy(), content[name][0]) for split, name in (("train", "train"), ("held_out", "t10k")))


def test_gzip_is_told_by_content(source, tmp_path):
    folder, content = source
    name = "train-images-idx3-ubyte"
    (folder / f"{name}.gz").write_bytes(gzip.decompress((folder / f"{name}.gz").read_bytes()))  # a browser unpacked it and kept the name
    (folder / "t10k-images-idx3-ubyte.gz").rename(folder / "t10k-images-idx3-ubyte")
    found = read_fashion(folder)
    assert np.array_equal(found["train"].data.numpy(), content["train"][0])
    assert np.array_equal(found["held_out"].data.numpy(), content["t10k"][0])


@pytest.mark.parametrize("broken", [b"", b"\x1f\x8b\x08\x00"])
def test_an_empty_or_broken_file_does_not_hide_a_good_one(source, broken):
    folder, content = source
    packed = folder / "train-images-idx3-ubyte.gz"
    (folder / "train-images-idx3-ubyte").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.write_bytes(broken)
    assert np.array_equal(read_fashion(folder)["train"].data.numpy(), content["train"][0])
    (folder / "train-images-idx3-ubyte").unlink()
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte.gz: (is empty, so a download broke off|cannot be unpacked .*); fetch it again"):
        read_fashion(folder)


def test_names_of_classes_sort_as_the_sources_labels():
    folders = [f"{label}_{name}" for label, name in enumerate(CLASSES)]
    assert folders == sorted(folders)
    assert len(folders) == 10


def test_padding_puts_the_image_in_the_middle():
    assert np.array_equal(np.argwhere(padded(np.full((28, 28), 9, np.uint8))[..., 0]).min(0), [2, 2])


def cut(folder):
    file = folder / "t10k-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-40])


def swapped(folder):
    (folder / "train-images-idx3-ubyte.gz").write_bytes((folder / "train-labels-idx1-ubyte.gz").read_bytes())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda folder: (folder / "train-labels-idx1-ubyte.gz").unlink(),
            r"train-labels-idx1-ubyte.gz: no such file; name a folder with",
        ),
        (cut, r"t10k-images-idx3-ubyte.gz: cannot be unpacked"),
        (swapped, r"fashion: its files are not those of Fashion-MNIST"),
        (lambda folder: (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b"")), r"its files are not those of Fashion-MNIST"),
    ],
    ids=["missing", "cut", "swapped", "empty"],
)
def test_other_files_are_refused_in_one_line(source, damage, message):
    folder, _ = source
    damage(folder)
    with pytest.raises(InputError, match=message) as caught:
        read_fashion(folder)
    assert "\n" not in str(caught.value)


def test_a_file_that_unpacks_to_more_than_any_of_the_source_is_refused(source, monkeypatch):
    folder, _ = source
    monkeypatch.setattr(fashion, "LARGEST_FILE", 1000)
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte.gz: unpacks to more than 0 MB"):
        read_fashion(folder)


def test_more_images_than_the_source_has_are_refused(source, tmp_path):
    folder, _ = source
    with pytest.raises(InputError, match="split train has 66 images, expected at least 120"):
        write_fashion(tmp_path / "images.zip", read_fashion(folder), 140)
    assert not (tmp_path / "images.zip").exists()


def test_without_a_network_it_says_what_to_fetch_and_where_to_put_it(tmp_path, monkeypatch):
    from torchvision.datasets import FashionMNIST

    monkeypatch.setattr(FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(InputError, match=r"cannot be downloaded .*dataset-fashion-mnist\) and name their folder: --config paths") as caught:
        download_fashion(tmp_path)
    assert "\n" not in str(caught.value)
