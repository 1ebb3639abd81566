"""Oracles: scikit-learn's own arrays, counts known from its documentation, bytes compared twice."""

import io
import zipfile
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from sra.data.digits import held_out_numbers, upsampled, write_digits


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("digits") / "digits.zip"
    write_digits(path)
    return path


def test_the_same_bytes_every_time(archive, tmp_path):
    write_digits(tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def test_every_digit_is_in_one_split_under_its_class(archive):
    labels = load_digits().target
    with zipfile.ZipFile(archive) as source:
        names = source.namelist()
        assert all(member.compress_type == zipfile.ZIP_STORED for member in source.infolist())
    placed = {int(name.split("/")[2].removesuffix(".png")): name.split("/")[1] for name in names}
    assert len(names) == len(placed) == 1797
    assert all(placed[number] == str(label) for number, label in enumerate(labels))
    assert Counter(name.split("/")[0] for name in names) == {"train": 1437, "held_out": 360}


def test_the_split_is_stratified_to_within_one_image():
    labels = load_digits().target.tolist()
    held_out = held_out_numbers(labels)
    for digit, count in Counter(labels).items():
        assert abs(sum(labels[number] == digit for number in held_out) - count / 5) < 1


def test_an_image_is_its_digit_seen_larger(archive):
    source = load_digits()
    number = min(held_out_numbers(source.target.tolist()))
    with zipfile.ZipFile(archive) as content:
        image = Image.open(io.BytesIO(content.read(f"held_out/{source.target[number]}/{number:04d}.png")))
        pixels = np.asarray(image)
    assert image.mode == "RGB"
    assert pixels.shape == (32, 32, 3)
    assert (pixels == pixels[..., :1]).all()
    # Means over 4 x 4 pixels undo the upsampling but for the sharpness that bicubic takes and clipping adds.
    small = pixels[..., 0].reshape(8, 4, 8, 4).mean((1, 3)) * 16 / 255
    assert np.abs(small - source.images[number]).mean() < 1


def test_a_larger_set_is_the_same_digits_larger(archive, tmp_path):
    """Same names, classes and splits; halved, an image is the smaller one but for what bicubic sharpens and rounding."""
    write_digits(tmp_path / "large.zip", 64)
    with zipfile.ZipFile(archive) as small, zipfile.ZipFile(tmp_path / "large.zip") as large:
        assert small.namelist() == large.namelist()
        for name in small.namelist()[::200]:
            pixels = [np.asarray(Image.open(io.BytesIO(content.read(name))), dtype=float) for content in (small, large)]
            assert pixels[1].shape == (64, 64, 3)
            assert np.abs(pixels[1].reshape(32, 2, 32, 2, 3).mean((1, 3)) - pixels[0]).mean() < 1


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (16, 255), (8, 128)])
def test_constant_images_map_to_their_level(value, expected):
    assert (upsampled(np.full((8, 8), value, dtype=float)) == expected).all()
