"""Sample packs: each way of being unfit to be scored is refused in one line that says how."""

import re

import numpy as np
import pytest

from sra.core.errors import InputError
from sra.core.npz import write_npz
from sra.metrics.samples import SamplePack, check_samples, find_repeats, read_samples

SHAPE = (8, 8, 3)


@pytest.fixture
def pack(make_images):
    return SamplePack(make_images(0, 12), np.arange(12) % 4)


def test_a_sound_pack_passes(pack):
    check_samples(pack, SHAPE, 12, balanced=True)


UNFIT = {
    "floats": (lambda images: images / np.float32(255), "images are float32; expected uint8"),
    "signed": (lambda images: images.astype(np.int16), "images are int16"),
    "grey": (lambda images: images[..., 0], "expected (N, H, W, 3)"),
    "alpha": (lambda images: np.concatenate([images, images[..., :1]], axis=3), "expected (N, H, W, 3), colour last"),
    "channels first": (lambda images: images.transpose(0, 3, 1, 2), "expected (N, H, W, 3)"),
    "another size": (lambda images: images[:, :4, :4], "images are (4, 4) pixels, the reference's (8, 8)"),
    "too few": (lambda images: images[:-1], "11 images, 12 were declared"),
    "too many": (lambda images: np.concatenate([images, images[:1]]), "13 images, 12 were declared"),
}


@pytest.mark.parametrize(("change", "message"), UNFIT.values(), ids=UNFIT.keys())
def test_unfit_images_are_refused(pack, change, message):
    with pytest.raises(InputError, match=re.escape(message)):
        check_samples(SamplePack(change(pack.images), pack.labels), SHAPE, 12, balanced=False)


@pytest.mark.parametrize("count", [1, 3])
def test_fewer_images_than_the_scores_need_are_refused(pack, count):
    with pytest.raises(InputError, match=f"{count} images; the scores need at least 4"):
        check_samples(SamplePack(pack.images[:count], pack.labels[:count]), SHAPE, count, balanced=False)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(11, np.int64), "one integer for each of the 12 images"),
        (np.zeros(12), "labels are float64"),
        (np.zeros((12, 1), np.int64), "one integer for each"),
        (np.array([0] * 11 + [-2]), "label -2 at index 11"),
    ],
    ids=["too few", "floats", "two axes", "negative"],
)
def test_unfit_labels_are_refused(pack, labels, message):
    with pytest.raises(InputError, match=message):
        check_samples(SamplePack(pack.images, labels), SHAPE, 12, balanced=False)


def test_labels_declared_balanced_must_be(pack):
    lopsided = SamplePack(pack.images, np.array([0] * 5 + [1] * 4 + [2] * 3))
    check_samples(lopsided, SHAPE, 12, balanced=False)
    with pytest.raises(InputError, match="class 0 has 5 images and class 2 3"):
        check_samples(lopsided, SHAPE, 12, balanced=True)
    missing_class = SamplePack(pack.images, np.array([0, 2] * 6))
    with pytest.raises(InputError, match="class 1 0"):
        check_samples(missing_class, SHAPE, 12, balanced=True)


def test_repeats_are_counted_and_too_many_refused(make_images):
    images, real = make_images(1, 300), make_images(2, 50)
    assert find_repeats(images, real).duplicates == 0
    images[1:4] = images[0]
    repeats = find_repeats(images, real)
    assert (repeats.duplicates, repeats.copied) == (3, 0)
    images[4] = images[0]
    with pytest.raises(InputError, match="4 of 300 images repeat an earlier one"):
        find_repeats(images, real)


def test_blank_frames_are_refused_and_copies_of_the_reference_counted(make_images):
    blank = make_images(1, 300)
    blank[::10] = 0
    with pytest.raises(InputError, match="29 of 300"):
        find_repeats(blank, make_images(2, 50))
    real = make_images(2, 50)
    assert find_repeats(np.concatenate([make_images(1, 100), real[:7]]), real).copied == 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mu": np.zeros(3)}, "carries mu or sigma"),
        ({"labels": None}, "the key labels is missing"),
        ({"arr_0": None}, "the key arr_0 is missing"),
    ],
    ids=["statistics", "no labels", "no images"],
)
def test_a_file_that_is_no_sample_pack_is_refused(pack, tmp_path, change, message):
    arrays = {"arr_0": pack.images, "labels": pack.labels} | change
    write_npz(tmp_path / "samples.npz", {name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(InputError, match=message):
        read_samples(tmp_path / "samples.npz")
