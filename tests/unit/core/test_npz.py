"""Packs are read from any writer, and a damaged or foreign file is named in one line."""

import io
import zipfile

import numpy as np
import pytest

from sra.core.errors import InputError
from sra.core.npz import Blocks, read_npz, write_npz

ARRAYS = {"arr_0": np.arange(5 * 4 * 4 * 3, dtype=np.uint8).reshape(5, 4, 4, 3), "mu": np.linspace(0, 1, 7), "count": np.int64(5)}


@pytest.mark.parametrize("write", [write_npz, lambda path, arrays: np.savez(path, **arrays)], ids=["ours", "numpy"])
def test_what_was_written_is_read(tmp_path, write):
    write(tmp_path / "pack.npz", ARRAYS)
    found = read_npz(tmp_path / "pack.npz")
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


def test_stored_members_are_mapped_and_cannot_be_changed(tmp_path):
    write_npz(tmp_path / "pack.npz", ARRAYS)
    images = read_npz(tmp_path / "pack.npz")["arr_0"]
    assert isinstance(images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 0


def archive_of(**members):
    """A zip of .npy members, each given as an array or as raw bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            if not isinstance(content, bytes):
                file = io.BytesIO()
                np.lib.format.write_array(file, content, version=None, allow_pickle=True)
                content = file.getvalue()
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def test_other_writers_files_are_read(tmp_path):
    np.savez_compressed(tmp_path / "compressed.npz", **ARRAYS)
    np.savez(tmp_path / "fortran.npz", a=np.asfortranarray(ARRAYS["arr_0"]), empty=np.zeros((0, 3)))
    np.testing.assert_array_equal(read_npz(tmp_path / "compressed.npz")["arr_0"], ARRAYS["arr_0"])
    np.testing.assert_array_equal(read_npz(tmp_path / "fortran.npz")["a"], ARRAYS["arr_0"])
    assert read_npz(tmp_path / "fortran.npz")["empty"].shape == (0, 3)


def test_a_newer_array_format_is_read(tmp_path):
    member = io.BytesIO()
    np.lib.format.write_array(member, ARRAYS["mu"], version=(3, 0))
    (tmp_path / "new.npz").write_bytes(archive_of(mu=member.getvalue()))
    np.testing.assert_array_equal(read_npz(tmp_path / "new.npz")["mu"], ARRAYS["mu"])


def flipped(whole, marker):
    """The bytes with one bit of the data behind `marker` changed."""
    at = whole.index(marker)
    return whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]


def short_data():
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"descr": "|u1", "fortran_order": False, "shape": (9, 9)})
    return member.getvalue() + b"only these"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda whole: b"", "not a whole npz file"),
        (lambda whole: b"no zip at all", "not a whole npz file"),
        (lambda whole: whole[: len(whole) // 2], "not a whole npz file"),
        (lambda whole: flipped(whole, ARRAYS["arr_0"].tobytes()), "arr_0.npy is damaged"),
        (lambda whole: archive_of(arr_0=b"no array"), "not a whole npz file"),
        (lambda whole: archive_of(arr_0=np.array([{}], dtype=object)), "Python objects"),
        (lambda whole: archive_of(arr_0=short_data()), "announces shape"),
    ],
    ids=["empty", "no zip", "truncated", "flipped bit", "no array", "pickled object", "short data"],
)
def test_a_damaged_or_foreign_file_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "pack.npz"
    write_npz(path, ARRAYS)
    path.write_bytes(content(path.read_bytes()))
    with pytest.raises(InputError, match=message) as caught:
        read_npz(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.npz: no such file"):
        read_npz(tmp_path / "absent.npz")


def test_blocks_are_streamed_to_the_same_bytes(tmp_path):
    images = ARRAYS["arr_0"]
    write_npz(tmp_path / "whole.npz", {"arr_0": images})
    write_npz(tmp_path / "blocks.npz", {"arr_0": Blocks(images.shape, images.dtype, (images[start : start + 2] for start in range(0, 5, 2)))})
    assert (tmp_path / "whole.npz").read_bytes() == (tmp_path / "blocks.npz").read_bytes()


@pytest.mark.parametrize("block", [ARRAYS["arr_0"][:3], ARRAYS["arr_0"][:, :2], ARRAYS["arr_0"].astype(np.int16)], ids=["rows", "shape", "dtype"])
def test_a_block_that_breaks_its_promise_leaves_no_file(tmp_path, block):
    with pytest.raises(ValueError, match="expected"):
        write_npz(tmp_path / "blocks.npz", {"arr_0": Blocks((5, 4, 4, 3), np.dtype(np.uint8), [block])})
    assert list(tmp_path.iterdir()) == []
