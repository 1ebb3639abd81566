"""Several arrays in a file: those that cannot be mistaken are taken, and otherwise the person is asked with the list of all."""

import re
import zipfile

import numpy as np
import pytest

from sra.core.errors import InputError
from sra.metrics.samples import check_samples, read_samples


@pytest.fixture
def images(make_images):
    return make_images(0, 12)


@pytest.fixture
def others(make_images):
    return make_images(1, 12)


@pytest.fixture
def saved(tmp_path):
    def save(*arrays, **named):
        np.savez(tmp_path / "samples.npz", *arrays, **named)
        return tmp_path / "samples.npz"

    return save


def test_of_two_sets_of_images_none_is_taken_unasked(saved, images, others):
    path = saved(real=images, fake=others)
    with pytest.raises(InputError) as caught:
        read_samples(path)
    assert str(caught.value) == (
        f"{path}: several arrays can be the images: real uint8 (12, 8, 8, 3), fake uint8 (12, 8, 8, 3); name one by --key, such as --key real"
    )
    found = read_samples(path, key="fake")
    np.testing.assert_array_equal(found.images[0:12], others)
    assert (found.key, found.labels_key, found.notes) == ("fake", None, ())


def test_a_data_set_in_one_file_is_asked_about(saved, images, others):
    path = saved(x_train=images, y_train=np.arange(12), x_test=others[:5], y_test=np.arange(5))
    with pytest.raises(InputError, match=re.escape("x_train uint8 (12, 8, 8, 3), y_train int64 (12,), x_test uint8 (5, 8, 8, 3)")):
        read_samples(path)
    found = read_samples(path, key="x_test", labels_key="y_test")
    np.testing.assert_array_equal(found.images[0:5], others[:5])
    np.testing.assert_array_equal(found.labels, np.arange(5))
    assert (found.key, found.labels_key) == ("x_test", "y_test")


def test_the_first_unnamed_array_is_taken_and_the_second_told(saved, images, others):
    found = read_samples(saved(images, others))
    np.testing.assert_array_equal(found.images[0:12], images)
    assert found.labels is None
    assert found.notes == ("arr_0 was taken; arr_1 uint8 (12, 8, 8, 3) could be images too",)


def test_the_only_array_that_can_be_images_is_taken(saved, images):
    found = read_samples(saved(seeds=np.arange(12), mask=np.zeros((12, 8, 8, 1), np.uint8), generated=images, label=np.arange(12) % 3))
    np.testing.assert_array_equal(found.images[0:12], images)
    np.testing.assert_array_equal(found.labels, np.arange(12) % 3)
    assert (found.key, found.labels_key) == ("generated", "label")


def test_labels_in_front_of_the_images_are_not_scored(saved, images):
    with pytest.raises(InputError, match=r"arr_0 cannot be the images, another array can: .*--key arr_1"):
        read_samples(saved(np.arange(12), images))


def test_a_file_without_images_lists_what_it_has(saved, images):
    with pytest.raises(InputError, match=re.escape("no array can be images (uint8 of N, H, W, 3, usually arr_0); it holds z float32 (12, 8, 8, 3)")):
        read_samples(saved(z=images.astype(np.float32)))
    with pytest.raises(InputError, match=re.escape("--key x: there is no such array; it holds arr_0 uint8 (12, 8, 8, 3)")):
        read_samples(saved(images), key="x")


def test_labels_of_no_certain_owner_are_left(saved, images, others):
    path = saved(images, fake=others, labels=np.arange(12))
    for key in (None, "fake"):
        found = read_samples(path, key=key)
        assert found.labels is None
        assert "labels may be the labels of any of" in found.notes[-1]
    np.testing.assert_array_equal(read_samples(path, key="fake", labels_key="labels").labels, np.arange(12))
    assert read_samples(saved(images, fake=others[:5], labels=np.arange(12))).labels_key == "labels"  # they fit one of the two


def test_two_kinds_of_labels_are_asked_about(saved, images):
    with pytest.raises(InputError, match=r"the labels of arr_0: labels int64 \(12,\), y int64 \(12,\); name one by --labels-key"):
        read_samples(saved(images, labels=np.arange(12), y=np.arange(12)))


def test_what_does_not_fit_is_no_label(saved, images):
    """A second unnamed array may be anything; an array that is called labels is meant as such and must fit."""
    found = read_samples(saved(images, np.zeros((12, 1000), np.float32)))
    assert found.labels is None
    assert found.notes == ("arr_1 float32 (12, 1000) holds no integer for each of 12 images and was not read as labels",)
    with pytest.raises(InputError, match="labels are float64"):
        check_samples(read_samples(saved(images, labels=np.zeros(12))), None, 12, None)


def test_an_array_alone_is_read_as_a_file_of_one(tmp_path, images):
    np.save(tmp_path / "samples.npy", images)
    found = read_samples(tmp_path / "samples.npy")
    np.testing.assert_array_equal(found.images[3:9], images[3:9])
    check_samples(found, (8, 8, 3), 12, None)
    whole = (tmp_path / "samples.npy").read_bytes()
    (tmp_path / "samples.npy").write_bytes(whole[:-100])
    with pytest.raises(InputError, match=r"not a whole .npy file \(announces shape \(12, 8, 8, 3\) but has"):
        read_samples(tmp_path / "samples.npy")


def test_a_folder_has_no_keys(tmp_path):
    with pytest.raises(InputError, match="is a folder, which has no arrays to name; leave out --key"):
        read_samples(tmp_path, key="fake")


FOREIGN = {
    "web page": (b"<!DOCTYPE html><html></html>", "a download page was saved instead of the file"),
    "Python pickle": (b"\x80\x04\x95aaaa", "save its arrays with numpy.savez"),
    "PNG image": (b"\x89PNG\r\n\x1a\n" + bytes(40), "where images are meant give their folder"),
    "Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\n", "run git lfs pull"),
    "broken zip archive": (b"PK\x03\x04" + bytes(50), "a download or copy broke off"),
    "empty file": (b"", "its download broke off"),
    "HDF5 file": (b"\x89HDF\r\n\x1a\n", "save its arrays by name with numpy.savez"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_file_is_told_by_its_content(tmp_path, kind):
    content, advice = FOREIGN[kind]
    (tmp_path / "samples.npz").write_bytes(content)
    with pytest.raises(InputError, match=rf"samples\.npz: not a whole npz file \(its content: {kind}\); .*{advice}") as caught:
        read_samples(tmp_path / "samples.npz")
    assert "delete" not in str(caught.value)


def test_a_zip_of_images_is_to_be_given_as_a_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("0.png", b"")
    with pytest.raises(InputError, match=r"images\.zip: not a whole npz file \(its content: zip archive\); unpack it; of images give the folder"):
        read_samples(tmp_path / "images.zip")
