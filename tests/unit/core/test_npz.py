"""Packs are read from any writer, and a damaged or foreign file is named in one line."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch

from sra.core.errors import InputError
from sra.core.npz import ArrayFile, Blocks, open_npz, read_npz, write_npz
from sra.core.receipts import receipt_path

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


@pytest.mark.parametrize("read", [read_npz, open_npz])
@pytest.mark.parametrize("content", [b"", b"<!doctype html>", b"PK\x03\x04 cut short", b"anything else"])
def test_only_what_was_made_here_is_to_be_built_again(tmp_path, read, content):
    path = tmp_path / "pack.npz"
    write_npz(path, ARRAYS)
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a whole npz file") as foreign:
        read(path)
    assert "delete" not in str(foreign.value)
    receipt_path(path).write_text("{}")
    with pytest.raises(InputError, match=r"not a whole npz file .*delete the file and build it again"):
        read(path)


@pytest.mark.parametrize(
    ("write", "kind"),
    [
        (lambda path: torch.save({"a": torch.zeros(2)}, path), "torch checkpoint"),
        (lambda path: path.write_bytes(zip_of("a.png")), "zip archive"),
        (lambda path: np.save(path.open("wb"), np.zeros(3)), r"NumPy array \(.npy\)"),
        (lambda path: path.mkdir(), "folder"),
    ],
    ids=["checkpoint", "zip", "npy", "folder"],
)
def test_another_kind_of_file_is_told_by_its_content(tmp_path, write, kind):
    write(tmp_path / "pack.npz")
    with pytest.raises(InputError, match=rf"pack\.npz: not a whole npz file \(its content: {kind}\); \w"):
        open_npz(tmp_path / "pack.npz")


def zip_of(name):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, b"content")
    return buffer.getvalue()


def test_an_array_alone_is_read_by_rows(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (50, 9, 7, 3), dtype=np.uint8)
    np.save(tmp_path / "a.npy", images)
    found = ArrayFile(tmp_path / "a.npy")
    assert (len(found), found.ndim, found.shape, found.dtype) == (50, 4, images.shape, images.dtype)
    for first, last in ((0, 20), (40, 60), (7, 8), (30, 30)):
        np.testing.assert_array_equal(found[first:last], images[first:last], strict=True)
    np.testing.assert_array_equal(found.whole(), images, strict=True)
    np.save(tmp_path / "columns.npy", np.asfortranarray(images))
    with pytest.raises(InputError, match="is stored column by column; save it"):
        ArrayFile(tmp_path / "columns.npy")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="holds Python objects, which are never unpickled"):
        ArrayFile(tmp_path / "objects.npy")


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


WRITERS = {
    "ours": write_npz,
    "numpy": lambda path, arrays: np.savez(path, **arrays),
    "compressed": lambda path, arrays: np.savez_compressed(path, **arrays),
    "version 3": lambda path, arrays: path.write_bytes(archive_of(**{name: version_3(array) for name, array in arrays.items()})),
}


def version_3(array):
    member = io.BytesIO()
    np.lib.format.write_array(member, np.asanyarray(array), version=(3, 0))
    return member.getvalue()


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
def test_rows_are_read_in_any_order_from_any_writer(tmp_path, write):
    images = np.random.default_rng(0).integers(0, 256, (50, 9, 7, 3), dtype=np.uint8)
    write(tmp_path / "pack.npz", {"other": ARRAYS["mu"], "arr_0": images, "count": np.int64(5)})
    found = open_npz(tmp_path / "pack.npz")
    rows = found["arr_0"]
    assert (list(found), len(rows), rows.shape, rows.dtype) == (["other", "arr_0", "count"], 50, images.shape, images.dtype)
    for first, last in ((0, 20), (20, 50), (7, 8), (40, 60), (0, 50), (30, 30), (3, 11), (11, 12)):
        np.testing.assert_array_equal(rows[first:last], images[first:last], strict=True)
    np.testing.assert_array_equal(rows[-5:], images[-5:])
    np.testing.assert_array_equal(rows.whole(), images, strict=True)
    assert found["count"].whole() == 5
    rows[0:1][:] = 0  # a copy of the caller's own
    np.testing.assert_array_equal(rows[0:1], images[0:1])


def test_a_damaged_row_is_found_by_the_end_of_a_pass(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3), dtype=np.uint8)
    write_npz(tmp_path / "pack.npz", {"arr_0": images})
    whole = (tmp_path / "pack.npz").read_bytes()
    for row in (0, 31, 63):
        (tmp_path / "pack.npz").write_bytes(flipped(whole, images[row].tobytes()))
        rows = open_npz(tmp_path / "pack.npz")["arr_0"]
        for _ in range(2):  # the second pass as the first
            with pytest.raises(InputError, match=r"pack\.npz: not a whole npz file \(Bad CRC-32"):
                for start in range(0, 64, 16):
                    rows[start : start + 16]
        with pytest.raises(InputError, match="Bad CRC-32"):
            rows.whole()


def test_few_rows_are_in_memory_at_a_time(tmp_path):
    write_npz(tmp_path / "pack.npz", {"arr_0": Blocks((4000, 64, 64, 3), np.dtype(np.uint8), (np.zeros((100, 64, 64, 3), np.uint8),) * 40)})
    rows = open_npz(tmp_path / "pack.npz")["arr_0"]
    tracemalloc.start()
    try:
        assert sum(int(rows[start : start + 100].sum()) for start in range(0, 4000, 100)) == 0
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12e6  # of 49 MB


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda whole: whole[: len(whole) // 2], "not a whole npz file"),
        (lambda whole: archive_of(arr_0=np.array([{}], dtype=object)), "Python objects"),
        (lambda whole: archive_of(arr_0=short_data()), "announces shape"),
        (lambda whole: archive_of(arr_0=b"no array"), "not a whole npz file"),
    ],
    ids=["truncated", "pickled object", "short data", "no array"],
)
def test_what_cannot_be_read_by_rows_is_refused_at_once(tmp_path, content, message):
    write_npz(tmp_path / "pack.npz", ARRAYS)
    (tmp_path / "pack.npz").write_bytes(content((tmp_path / "pack.npz").read_bytes()))
    with pytest.raises(InputError, match=message) as caught:
        open_npz(tmp_path / "pack.npz")
    assert "\n" not in str(caught.value)


def test_a_file_of_columns_is_refused_by_rows(tmp_path):
    np.savez(tmp_path / "fortran.npz", arr_0=np.asfortranarray(ARRAYS["arr_0"]))
    with pytest.raises(InputError, match=r"fortran\.npz: arr_0\.npy is stored column by column"):
        open_npz(tmp_path / "fortran.npz")["arr_0"][0:2]


def test_a_missing_file_has_no_rows(tmp_path):
    with pytest.raises(InputError, match=r"absent\.npz: no such file"):
        open_npz(tmp_path / "absent.npz")
