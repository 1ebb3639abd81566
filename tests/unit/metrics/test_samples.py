"""Sample sets: each way of being unfit to be scored is refused in one line that says how."""

import re

import numpy as np
import pytest

from sra.core.errors import InputError
from sra.core.npz import write_npz
from sra.metrics.samples import NEAR_CONSTANT, SampleSet, check_samples, digests_of, find_repeats, read_samples

SHAPE = (8, 8, 3)


@pytest.fixture
def pack(make_images):
    return SampleSet(make_images(0, 12), np.arange(12) % 4)


def test_a_sound_set_passes(pack):
    check_samples(pack, SHAPE, 12, "balanced")
    check_samples(SampleSet(pack.images), SHAPE, 12, None)
    check_samples(pack, None, 12, None)


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
        check_samples(SampleSet(change(pack.images), pack.labels), SHAPE, 12, None)


@pytest.mark.parametrize("count", [1, 3])
def test_fewer_images_than_the_scores_need_are_refused(pack, count):
    with pytest.raises(InputError, match=f"{count} images; the scores need at least 4"):
        check_samples(SampleSet(pack.images[:count], pack.labels[:count]), SHAPE, count, None)


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
        check_samples(SampleSet(pack.images, labels), SHAPE, 12, None)


def test_labels_declared_balanced_must_be(pack):
    lopsided = SampleSet(pack.images, np.array([0] * 5 + [1] * 4 + [2] * 3))
    check_samples(lopsided, SHAPE, 12, None)
    check_samples(lopsided, SHAPE, 12, "random")
    with pytest.raises(InputError, match="class 0 has 5 images and class 2 3"):
        check_samples(lopsided, SHAPE, 12, "balanced")
    missing_class = SampleSet(pack.images, np.array([0, 2] * 6))
    with pytest.raises(InputError, match="class 1 0"):
        check_samples(missing_class, SHAPE, 12, "balanced")


@pytest.mark.parametrize("policy", ["random", "balanced"])
def test_a_policy_without_labels_is_refused(pack, policy):
    with pytest.raises(InputError, match=f"declared {policy}, yet there are none"):
        check_samples(SampleSet(pack.images), SHAPE, 12, policy)


def test_labels_declared_random_must_not_be_more_even_than_chance(make_images):
    many = make_images(0, 1003)
    even = SampleSet(many, np.arange(1003) % 10)
    with pytest.raises(InputError, match="declared random, yet all 10 classes have 100 images, give or take one"):
        check_samples(even, SHAPE, 1003, "random")
    check_samples(SampleSet(many, np.random.default_rng(0).integers(0, 10, 1003)), SHAPE, 1003, "random")
    # Even counts of few images happen: 12 tosses of a fair coin fall 6 to 6 in 23 % of all cases.
    check_samples(SampleSet(many[:12], np.arange(12) % 2), SHAPE, 12, "random")


def repeats(images, real, max_share=0.0):
    return find_repeats(digests_of(images, "samples"), None if real is None else digests_of(real, "reference").values, max_share)


def test_repeats_are_counted_and_more_than_declared_refused(make_images):
    images, real = make_images(1, 300), make_images(2, 50)
    assert repeats(images, real).duplicates == 0
    images[1:4] = images[0]
    found = repeats(images, real, max_share=0.01)
    assert (found.duplicates, found.blank, found.copied) == (3, 0, 0)
    with pytest.raises(InputError, match=r"3 of 300 images repeat an earlier one .* more than 0% \(first: index 1\)"):
        repeats(images, real)
    images[4] = images[0]
    with pytest.raises(InputError, match="4 of 300 images repeat an earlier one"):
        repeats(images, real, max_share=0.01)


def test_blank_frames_count_with_the_duplicates(make_images):
    blank = make_images(1, 300)
    blank[::10] = 0
    with pytest.raises(InputError, match="29 of 300 images repeat an earlier one byte for byte and 1 more are blank"):
        repeats(blank, None)
    found = repeats(blank, None, max_share=0.1)
    assert (found.duplicates, found.blank, found.copied) == (29, 1, None)


def test_blanks_alone_are_too_many(make_images):
    blank = make_images(1, 300)
    blank[:6] = np.arange(6, dtype=np.uint8)[:, None, None, None] * 40
    with pytest.raises(InputError, match="0 of 300 images repeat an earlier one byte for byte and 6 more are blank"):
        repeats(blank, None, max_share=0.01)


def test_an_image_is_blank_when_every_channel_is_nearly_constant(make_images):
    images = make_images(1, 40)
    tint = np.array([200, 30, 90], np.uint8)  # one colour, not grey
    images[7] = tint + np.random.default_rng(0).integers(0, NEAR_CONSTANT + 1, (8, 8, 3)).astype(np.uint8)
    images[8] = tint
    images[8, 5, 3, 2] += NEAR_CONSTANT + 1  # a single pixel that few others hide
    assert list(np.flatnonzero(digests_of(images, "samples").blank)) == [7]


def test_copies_of_the_reference_are_counted(make_images):
    real = make_images(2, 50)
    assert repeats(np.concatenate([make_images(1, 100), real[:7]]), real).copied == 7


def test_digests_do_not_depend_on_how_images_are_read(tmp_path, make_images):
    images = make_images(3, 40)
    write_npz(tmp_path / "samples.npz", {"arr_0": images})
    np.testing.assert_array_equal(digests_of(read_samples(tmp_path / "samples.npz").images, "s").values, digests_of(images, "s").values)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"arr_0": "images", "mu": np.zeros(3)}, "carries mu or sigma"),
        ({"sigma": np.zeros((3, 3)), "arr_0": "images"}, "carries mu or sigma"),
        ({"labels": np.zeros(12, np.int64)}, "no array can be images"),
    ],
    ids=["mean", "covariance", "no images"],
)
def test_a_file_that_is_no_sample_set_is_refused(pack, tmp_path, arrays, message):
    write_npz(tmp_path / "samples.npz", {name: pack.images if isinstance(array, str) else array for name, array in arrays.items()})
    with pytest.raises(InputError, match=message):
        read_samples(tmp_path / "samples.npz")


LAYOUTS = {
    "ours": lambda path, images, labels: write_npz(path, {"arr_0": images, "labels": labels}),
    "the ADM scripts'": lambda path, images, labels: np.savez(path, images, labels),
    "compressed": lambda path, images, labels: np.savez_compressed(path, images, labels),
    "another name": lambda path, images, labels: np.savez(path, labels=labels, samples=images),
}


@pytest.mark.parametrize("write", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_images_and_labels_are_found_in_every_layout(pack, tmp_path, write):
    write(tmp_path / "samples.npz", pack.images, pack.labels)
    found = read_samples(tmp_path / "samples.npz")
    np.testing.assert_array_equal(found.images[0:12], pack.images)
    np.testing.assert_array_equal(found.labels, pack.labels)


def test_a_file_without_labels_has_none(pack, tmp_path):
    np.savez(tmp_path / "samples.npz", pack.images)
    assert read_samples(tmp_path / "samples.npz").labels is None
