"""Rows come back as they were written, from any number of shards; a store that is not whole never opens."""

import hashlib
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from sra.core.errors import InputError
from sra.core.files import write_json
from sra.core.receipts import write_receipt
from sra.data import store as stores
from sra.data.store import ArrayStore, OpenShard, shard_path, shard_rows, write_manifest, write_shard


def build(folder, count=23, of=4, kind="latents", shape=(2, 3), dtype=np.float32):
    values = (np.random.default_rng(0).normal(size=(count, *shape)) * 50 + 100).astype(dtype)
    shards = []
    for number in range(of):
        rows = shard_rows(count, number, of)
        shards.append(shard_path(folder, kind, number, of))
        blocks = (values[first : min(first + 4, rows.stop)] for first in range(rows.start, rows.stop, 4))
        write_shard(shards[-1], kind, rows, blocks, {}, dtype, scaling_factor=0.5)
    labels = np.arange(count) % 10
    write_manifest(folder / "store.json", kind, shards, labels, {}, scaling_factor=0.5)
    return values, labels, shards


@pytest.mark.parametrize("of", [1, 4, 23])
@pytest.mark.parametrize(("dtype", "read_as"), [("float32", "float32"), ("float16", "float32"), ("uint8", "uint8")])
def test_random_rows_equal_the_rows_written(tmp_path, of, dtype, read_as):
    values, labels, shards = build(tmp_path, of=of, dtype=dtype)
    store = ArrayStore.open(tmp_path / "store.json", "latents")
    indices = np.random.default_rng(1).integers(0, 23, 256)
    assert np.array_equal(store.rows(indices), values[indices])
    assert store.rows(indices).dtype == read_as
    assert np.load(shards[0]).dtype == store.dtype == dtype
    assert np.array_equal(store.labels, labels)
    assert len(store) == 23
    assert len(store.shards) == of
    assert store.facts["scaling_factor"] == 0.5


def test_no_rows_are_an_empty_array(tmp_path):
    build(tmp_path)
    assert ArrayStore.open(tmp_path / "store.json", "latents").rows(np.array([], dtype=np.int64)).shape == (0, 2, 3)


def test_what_was_read_is_the_readers_own(tmp_path):
    values, _, shards = build(tmp_path)
    before = [shard.read_bytes() for shard in shards]
    store = ArrayStore.open(tmp_path / "store.json", "latents")
    read = store.rows(np.arange(23))
    read[:] = 0
    assert np.array_equal(store.rows(np.arange(23)), values)
    assert [shard.read_bytes() for shard in shards] == before


READER = """
import sys, hashlib, numpy as np
from pathlib import Path
from sra.data.store import ArrayStore
store = ArrayStore.open(Path(sys.argv[1]), "latents")
rows = store.rows(np.random.default_rng(0).integers(0, len(store), 100))
maps = [line.split() for line in open("/proc/self/maps") if line.rstrip().endswith(".npy")]
print(hashlib.sha256(rows.tobytes()).hexdigest(), sorted({(Path(fields[-1]).name, fields[1]) for fields in maps}))
sys.stdout.flush()
sys.stdin.read()
"""


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="a process's maps are listed on Linux")
def test_processes_that_read_at_once_share_read_only_pages(tmp_path):
    values, _, shards = build(tmp_path)
    command = [sys.executable, "-c", READER, str(tmp_path / "store.json")]
    readers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    indices = np.random.default_rng(0).integers(0, 23, 100)
    said = [reader.stdout.readline() for reader in readers]  # both have it open when the second has spoken
    for reader in readers:
        reader.communicate("")
        assert reader.returncode == 0
    assert said[0] == said[1]
    assert said[0].startswith(hashlib.sha256(values[indices].tobytes()).hexdigest())
    # `s` is a shared map of the file, where a private one would be `p`; `w` is missing.
    assert all(f"('{shard.name}', 'r--s')" in said[0] for shard in shards)
    assert said[0].count("r--s") == len(shards) + 2  # and the labels and checksums
    assert said[0].count("'r") == len(shards) + 2


@pytest.mark.skipif(not stores.CAN_READ_AHEAD, reason="the kernel cannot be asked")
def test_rows_outside_the_cache_are_asked_for_before_they_are_read(tmp_path, monkeypatch):
    values, _, shards = build(tmp_path, shape=(64, 64))
    os.sync()
    for shard in shards:
        with shard.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    store, asked, indices = ArrayStore.open(tmp_path / "store.json", "latents"), [], np.array([22, 0, 7, 7, 11])
    monkeypatch.setattr(os, "posix_fadvise", lambda file, start, size, advice: asked.append((start, size, advice)))
    monkeypatch.setattr(OpenShard, "is_cached", lambda self, row: True)
    assert np.array_equal(store.rows(indices), values[indices])
    assert asked == []
    monkeypatch.setattr(OpenShard, "is_cached", lambda self, row: False)
    assert np.array_equal(store.rows(indices), values[indices])
    # Shards begin at rows 0, 5, 11 and 17, after a header of 128 bytes.
    size = 64 * 64 * 4
    assert asked == [(128 + row * size, size, os.POSIX_FADV_WILLNEED) for row in (0, 2, 2, 0, 5)]


@pytest.mark.skipif(not stores.CAN_READ_AHEAD, reason="the kernel cannot be asked")
def test_a_row_that_was_just_read_is_cached(tmp_path):
    _, _, shards = build(tmp_path)
    shard = ArrayStore.open(tmp_path / "store.json", "latents")._opened[1]
    shards[1].read_bytes()
    try:
        os.preadv(shard.file.fileno(), [bytearray(1)], 0, os.RWF_NOWAIT)
    except OSError:
        pytest.skip("this file system cannot tell")
    assert shard.is_cached(4)


def test_systems_that_cannot_read_ahead_give_the_same_rows(tmp_path, monkeypatch):
    values, _, _ = build(tmp_path)
    monkeypatch.setattr(stores, "CAN_READ_AHEAD", False)
    monkeypatch.delattr(os, "posix_fadvise", raising=False)
    monkeypatch.delattr(os, "preadv", raising=False)
    assert np.array_equal(ArrayStore.open(tmp_path / "store.json", "latents").rows(np.array([3, 19])), values[[3, 19]])


def test_rows_outside_the_store_are_refused(tmp_path):
    build(tmp_path)
    store = ArrayStore.open(tmp_path / "store.json", "latents")
    for index in (-1, 23):
        with pytest.raises(IndexError, match="rows 0 to 22 exist"):
            store.rows(np.array([0, index]))


def test_shards_cover_every_row_once():
    for count, of in [(1437, 1), (1437, 7), (10, 10)]:
        parts = [shard_rows(count, number, of) for number in range(of)]
        assert [row for part in parts for row in part] == list(range(count))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
    for number, of in [(3, 3), (-1, 3), (0, 11)]:
        with pytest.raises(InputError, match="does not exist"):
            shard_rows(10, number, of)


def test_a_missing_shard_is_named(tmp_path):
    _, _, shards = build(tmp_path)
    shards[2].unlink()
    with pytest.raises(InputError, match=r"latents_002_of_004\.npy: this part of the store is missing"):
        ArrayStore.open(tmp_path / "store.json", "latents")


def test_a_truncated_shard_is_named(tmp_path):
    _, _, shards = build(tmp_path)
    shards[1].write_bytes(shards[1].read_bytes()[:-4])
    with pytest.raises(InputError, match=r"latents_001_of_004\.npy: has \d+ bytes, the manifest says \d+; delete it and store\.json beside it"):
        ArrayStore.open(tmp_path / "store.json", "latents")


def test_a_shard_of_another_shape_or_type_is_named(tmp_path):
    values, _, shards = build(tmp_path)
    size = shards[0].stat().st_size
    for wrong in (values[:5].reshape(5, 3, 2), values[:5].view(np.int32)):
        np.save(shards[0], wrong)
        assert shards[0].stat().st_size == size
        with pytest.raises(InputError, match=r"latents_000_of_004\.npy: holds"):
            ArrayStore.open(tmp_path / "store.json", "latents")


@pytest.mark.parametrize(("written", "claimed"), [("float32", "float16"), ("uint8", "float16"), ("float16", "uint8")])
def test_a_manifest_that_claims_another_type_is_refused(tmp_path, written, claimed):
    build(tmp_path, dtype=written)
    content = json.loads((tmp_path / "store.json").read_text())
    assert content["dtype"] == written
    (tmp_path / "store.json").write_text(json.dumps({**content, "dtype": claimed}))
    # Which of the two is said depends on whether the file is long enough for the claim.
    with pytest.raises(InputError, match=rf"latents_000_of_004\.npy: (holds {written} .*, the manifest says {claimed}|has \d+ bytes)"):
        ArrayStore.open(tmp_path / "store.json", "latents")


@pytest.mark.parametrize("dtype", ["float64", "object", None])
def test_a_manifest_of_an_unknown_type_is_refused(tmp_path, dtype):
    build(tmp_path)
    content = json.loads((tmp_path / "store.json").read_text())
    (tmp_path / "store.json").write_text(json.dumps({**content, "dtype": dtype}))
    with pytest.raises(InputError, match=r"store\.json: dtype: is .*, expected float16, float32, uint8; delete it and run again"):
        ArrayStore.open(tmp_path / "store.json", "latents")


@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_a_damaged_store_of_any_type_names_the_file(tmp_path, dtype):
    _, _, shards = build(tmp_path, dtype=dtype)
    whole = shards[2].read_bytes()
    shards[2].write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(InputError, match=r"latents_002_of_004\.npy: row 5 is not as it was written"):
        ArrayStore.open(tmp_path / "store.json", "latents").rows(np.arange(23))
    shards[2].write_bytes(whole[:-1])
    with pytest.raises(InputError, match=r"latents_002_of_004\.npy: has \d+ bytes"):
        ArrayStore.open(tmp_path / "store.json", "latents")


def test_shards_of_different_types_are_refused(tmp_path):
    values, labels, shards = build(tmp_path)
    write_shard(shards[2], "latents", range(11, 17), [values[11:17].astype(np.float16)], {}, np.float16)
    with pytest.raises(InputError, match=r"002_of_004\.npy: holds float16, latents_000_of_004\.npy float32; make all shards with one --dtype"):
        write_manifest(tmp_path / "store.json", "latents", shards, labels, {})


def test_rows_are_never_converted_on_the_way_in(tmp_path):
    for dtype, block in ((np.float16, np.zeros((5, 2), np.float32)), (np.uint8, np.zeros((5, 2), np.int8))):
        with pytest.raises(ValueError, match=f"expected 5 rows of {np.dtype(dtype)}, got at least 5 of {block.dtype}"):
            write_shard(tmp_path / "a.npy", "latents", range(5), [block], {}, dtype)
    with pytest.raises(ValueError, match="stores hold float16, float32, uint8, got float64"):
        write_shard(tmp_path / "a.npy", "latents", range(5), [np.zeros((5, 2))], {}, np.float64)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_never_stored(tmp_path, value):
    blocks = [np.zeros((2, 3), np.float32), np.array([[0, 0, 0], [0, value, 0], [0, 0, 0]], np.float32)]
    with pytest.raises(InputError, match=r"a\.npy: features of row 13 would not be finite"):
        write_shard(tmp_path / "a.npy", "features", range(10, 15), blocks, {})
    assert not list(tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == []


def test_a_pickle_in_place_of_a_shard_is_never_loaded(tmp_path):
    _, _, shards = build(tmp_path, shape=(8, 8))
    size = shards[0].stat().st_size
    np.save(shards[0], np.array([{}], dtype=object), allow_pickle=True)
    shards[0].write_bytes(shards[0].read_bytes().ljust(size, b"\0"))
    with pytest.raises(InputError, match=r"not a whole \.npy array"):
        ArrayStore.open(tmp_path / "store.json", "latents")


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_a_changed_bit_is_found_when_its_row_is_read(tmp_path):
    """By whoever asks for the row, and by nobody else: what is not read is not compared."""
    values, _, shards = build(tmp_path)
    flip(shards[3], -1)
    store = ArrayStore.open(tmp_path / "store.json", "latents")
    assert np.array_equal(store.rows(np.array([21, 0, 16])), values[[21, 0, 16]])
    with pytest.raises(InputError, match=r"latents_003_of_004\.npy: row 5 is not .*; delete it and store\.json beside it"):
        store.rows(np.array([21, 22, 0]))


@pytest.mark.parametrize("of", [1, 4])
def test_a_checksum_is_that_of_the_bytes_on_disk(tmp_path, of):
    values, _, _ = build(tmp_path, of=of, dtype="float16")
    expected = [zlib.crc32(row.tobytes()) for row in values.astype(np.float16)]
    assert ArrayStore.open(tmp_path / "store.json", "latents").checksums.tolist() == expected


@pytest.mark.parametrize("file", ["labels.npy", "checksums.npy"])
def test_a_changed_bit_of_a_small_file_is_found_at_once(tmp_path, file):
    build(tmp_path)
    flip(tmp_path / file, -8)
    with pytest.raises(InputError, match=rf"{file}: its contents differ from store\.json"):
        ArrayStore.open(tmp_path / "store.json", "latents")


def test_a_changed_number_in_the_manifest_is_found_at_once(tmp_path):
    build(tmp_path)
    manifest = tmp_path / "store.json"
    manifest.write_text(manifest.read_text().replace('"scaling_factor": 0.5', '"scaling_factor": 0.7'))
    with pytest.raises(InputError, match=r"store\.json: its contents differ from its receipt"):
        ArrayStore.open(manifest, "latents")


def test_a_shard_damaged_before_it_is_joined_is_named(tmp_path):
    _, labels, shards = build(tmp_path)
    flip(shards[1], -1)
    with pytest.raises(InputError, match=r"latents_001_of_004\.npy: its contents differ from its receipt"):
        write_manifest(tmp_path / "store.json", "latents", shards, labels, {}, scaling_factor=0.5)


def test_a_store_made_before_rows_had_checksums_is_read_whole_when_opened(tmp_path):
    values, _, shards = build(tmp_path)
    manifest = tmp_path / "store.json"
    content = json.loads(manifest.read_text())
    del content["checksums"]
    write_json(manifest, content)
    write_receipt(manifest, "latents")
    assert np.array_equal(ArrayStore.open(manifest, "latents").rows(np.arange(23)), values)
    flip(shards[0], -1)
    with pytest.raises(InputError, match=r"latents_000_of_004\.npy: its contents differ from store\.json"):
        ArrayStore.open(manifest, "latents")


def test_a_store_of_another_kind_is_refused(tmp_path):
    build(tmp_path)
    with pytest.raises(InputError, match="is latents, expected a store of features"):
        ArrayStore.open(tmp_path / "store.json", "features")
    (tmp_path / "index.json").write_text("[]")
    with pytest.raises(InputError, match="is no store, expected a store of latents"):
        ArrayStore.open(tmp_path / "index.json", "latents")


def test_a_manifest_cannot_point_outside_its_folder(tmp_path):
    build(tmp_path / "store")
    content = json.loads((tmp_path / "store" / "store.json").read_text())
    content["shards"][0]["file"] = "../elsewhere.npy"
    (tmp_path / "store" / "store.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="points outside"):
        ArrayStore.open(tmp_path / "store" / "store.json", "latents")


def test_shards_that_do_not_fit_together_are_refused(tmp_path):
    _, labels, shards = build(tmp_path)
    for wrong in (shards[1:], shards[:1] + shards[2:], [*shards[:2], shards[1], *shards[3:]]):
        with pytest.raises(InputError, match="give every shard of one extraction once"):
            write_manifest(tmp_path / "store.json", "latents", wrong, labels, {})
    with pytest.raises(InputError, match=r"hold 17 rows, expected 23"):
        write_manifest(tmp_path / "store.json", "latents", shards[:3], labels, {})
    with pytest.raises(InputError, match="is a latents, expected a features"):
        write_manifest(tmp_path / "store.json", "features", shards, labels, {})


def test_shards_of_different_origin_are_refused(tmp_path):
    _, labels, shards = build(tmp_path)
    (tmp_path / "vae").write_text("another")
    write_shard(shards[1], "latents", shard_rows(23, 1, 4), [np.zeros((6, 2, 3), np.float32)], {"vae": tmp_path / "vae"})
    with pytest.raises(InputError, match="made from other inputs"):
        write_manifest(tmp_path / "store.json", "latents", shards, labels, {})


def test_shards_may_come_in_any_order(tmp_path):
    values, labels, shards = build(tmp_path)
    write_manifest(tmp_path / "store.json", "latents", shards[::-1], labels, {})
    assert np.array_equal(ArrayStore.open(tmp_path / "store.json", "latents").rows(np.arange(23)), values)


def test_a_shard_that_ends_early_leaves_no_file(tmp_path):
    for blocks in ([np.zeros((3, 2), np.float32)], [np.zeros((6, 2), np.float32)], [np.zeros((5, 2))], []):
        with pytest.raises(ValueError, match="expected 5 rows"):
            write_shard(tmp_path / "a.npy", "latents", range(5), blocks, {})
    assert list(tmp_path.iterdir()) == []
