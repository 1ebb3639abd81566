"""Rows come back as they were written, from any number of shards; a store that is not whole never opens."""

import json

import numpy as np
import pytest

from sra.core.errors import InputError
from sra.data.store import ArrayStore, shard_path, shard_rows, write_manifest, write_shard


def build(folder, count=23, of=4, kind="latents", shape=(2, 3)):
    values = np.random.default_rng(0).normal(size=(count, *shape)).astype(np.float32)
    shards = []
    for number in range(of):
        rows = shard_rows(count, number, of)
        shards.append(shard_path(folder, kind, number, of))
        blocks = (values[first : min(first + 4, rows.stop)] for first in range(rows.start, rows.stop, 4))
        write_shard(shards[-1], kind, rows, blocks, {}, scaling_factor=0.5)
    labels = np.arange(count) % 10
    write_manifest(folder / "store.json", kind, shards, labels, {}, scaling_factor=0.5)
    return values, labels, shards


@pytest.mark.parametrize("of", [1, 4, 23])
def test_random_rows_equal_the_rows_written(tmp_path, of):
    values, labels, _ = build(tmp_path, of=of)
    store = ArrayStore.open(tmp_path / "store.json", "latents")
    indices = np.random.default_rng(1).integers(0, 23, 256)
    assert np.array_equal(store.rows(indices), values[indices])
    assert store.rows(indices).dtype == np.float32
    assert np.array_equal(store.labels, labels)
    assert len(store) == 23
    assert len(store.shards) == of
    assert store.facts["scaling_factor"] == 0.5
    store.verify()


def test_no_rows_are_an_empty_array(tmp_path):
    build(tmp_path)
    assert ArrayStore.open(tmp_path / "store.json", "latents").rows(np.array([], dtype=np.int64)).shape == (0, 2, 3)


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
    with pytest.raises(InputError, match=r"latents_001_of_004\.npy: has \d+ bytes, the manifest says \d+; delete it and run again"):
        ArrayStore.open(tmp_path / "store.json", "latents")


def test_a_shard_of_another_shape_or_type_is_named(tmp_path):
    values, _, shards = build(tmp_path)
    size = shards[0].stat().st_size
    for wrong in (values[:5].reshape(5, 3, 2), values[:5].view(np.int32)):
        np.save(shards[0], wrong)
        assert shards[0].stat().st_size == size
        with pytest.raises(InputError, match=r"latents_000_of_004\.npy: holds"):
            ArrayStore.open(tmp_path / "store.json", "latents")


def test_a_pickle_in_place_of_a_shard_is_never_loaded(tmp_path):
    _, _, shards = build(tmp_path, shape=(8, 8))
    size = shards[0].stat().st_size
    np.save(shards[0], np.array([{}], dtype=object), allow_pickle=True)
    shards[0].write_bytes(shards[0].read_bytes().ljust(size, b"\0"))
    with pytest.raises(InputError, match=r"not a whole \.npy array"):
        ArrayStore.open(tmp_path / "store.json", "latents")


def test_one_changed_byte_is_found_by_verify(tmp_path):
    _, _, shards = build(tmp_path)
    content = bytearray(shards[3].read_bytes())
    content[-1] ^= 1
    shards[3].write_bytes(content)
    store = ArrayStore.open(tmp_path / "store.json", "latents")
    with pytest.raises(InputError, match=r"latents_003_of_004\.npy: its contents differ"):
        store.verify()


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
