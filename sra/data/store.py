"""Rows of equal shape in memory-mapped shards: latents' moments and encoder features alike.

A store is a folder:
    store.json                  the manifest: kind, row shape, dtype, count, shards, labels, facts
    <kind>_000_of_004.npy ...   rows in order, (rows, *row_shape)
    labels.npy                  (count,) int64
One large array beats one file an image: SRA's B model at full speed would open thousands of files a second.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sra.core.errors import InputError
from sra.core.files import path_inside, read_json, sha256_of_file, write_json, written_whole
from sra.core.receipts import read_receipt, recorded_sha256, write_receipt

LABELS = "labels.npy"
REBUILD = "delete it and run again"


@dataclass(frozen=True)
class Shard:
    """One file of a store: its rows are `first_row` to `first_row + rows` of the whole."""

    file: str
    first_row: int
    rows: int
    sha256: str
    bytes: int


def shard_path(folder: Path, kind: str, number: int, of: int) -> Path:
    """`<folder>/latents_000_of_004.npy`; shards count from 0."""
    return Path(folder) / f"{kind}_{number:03d}_of_{of:03d}.npy"


def shard_rows(count: int, number: int, of: int) -> range:
    """The rows of shard `number` (from 0) of `of`: contiguous, sizes equal to within one."""
    if not 0 <= number < of <= count:
        raise InputError(f"shard {number} of {of} does not exist for {count} rows; give 0 to {of - 1}, and at most {count} shards")
    return range(count * number // of, count * (number + 1) // of)


def write_shard(path: Path, kind: str, rows: range, blocks: Iterable[np.ndarray], inputs: dict[str, Path], **facts: Any) -> None:
    """Write one shard and its receipt. `blocks`: (b, *row_shape) float32 each, together the rows of `rows`, streamed to disk."""
    written = 0
    with written_whole(path) as temporary:
        array = None
        for block in blocks:
            if array is None:
                array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=(len(rows), *block.shape[1:]))
            if written + len(block) > len(rows) or block.dtype != np.float32:
                raise ValueError(f"expected {len(rows)} rows of float32, got at least {written + len(block)} of {block.dtype}")
            array[written : written + len(block)] = block
            written += len(block)
        if written != len(rows):
            raise ValueError(f"expected {len(rows)} rows, got {written}")
        array.flush()
        row_shape = list(array.shape[1:])
    write_receipt(path, kind, inputs, first_row=rows.start, rows=len(rows), row_shape=row_shape, **facts)


def write_manifest(manifest: Path, kind: str, shards: list[Path], labels: np.ndarray, inputs: dict[str, Path], **facts: Any) -> None:
    """Join finished shards, given in any order, into a store: writes labels, manifest and its receipt.

    Raises InputError when a shard is missing, of another kind, leaves a gap, or was made from other inputs than its neighbours.
    """
    manifest = Path(manifest)
    receipts = {Path(shard): read_receipt(shard, kind) for shard in shards}
    ordered = sorted(receipts, key=lambda shard: receipts[shard]["facts"]["first_row"])
    next_row, first = 0, receipts[ordered[0]]
    for shard in ordered:
        facts_of = receipts[shard]["facts"]
        if shard.parent.resolve() != manifest.parent.resolve():
            raise InputError(f"{shard}: is not beside {manifest}; shards and manifest share one folder")
        if facts_of["first_row"] != next_row:
            raise InputError(f"{shard}: starts at row {facts_of['first_row']}, expected {next_row}; give every shard of one extraction once")
        if (receipts[shard]["made_from"], facts_of["row_shape"]) != (first["made_from"], first["facts"]["row_shape"]):
            raise InputError(f"{shard}: was made from other inputs than {ordered[0].name}; {REBUILD}")
        next_row += facts_of["rows"]
    if next_row != len(labels):
        raise InputError(f"{manifest}: the shards hold {next_row} rows, expected {len(labels)}; give every shard of one extraction once")
    labels_file = manifest.parent / LABELS
    with written_whole(labels_file) as temporary, temporary.open("wb") as file:
        np.save(file, labels.astype(np.int64), allow_pickle=False)
    content = {
        "kind": kind,
        "row_shape": first["facts"]["row_shape"],
        "dtype": "float32",
        "count": next_row,
        "shards": [
            {
                "file": shard.name,
                "first_row": receipts[shard]["facts"]["first_row"],
                "rows": receipts[shard]["facts"]["rows"],
                "sha256": receipts[shard]["sha256"],
                "bytes": receipts[shard]["bytes"],
            }
            for shard in ordered
        ],
        "labels": {"file": LABELS, "sha256": sha256_of_file(labels_file), "bytes": labels_file.stat().st_size},
        "facts": {**facts, "made_from": first["made_from"]},
    }
    write_json(manifest, content)
    write_receipt(manifest, kind, inputs, count=next_row, row_shape=content["row_shape"], shards=len(ordered), **facts)


@dataclass(frozen=True)
class ArrayStore:
    """An opened store. Rows are read from the shards' memory maps when asked for."""

    manifest: Path
    kind: str
    row_shape: tuple[int, ...]
    shards: tuple[Shard, ...]
    labels: np.ndarray  # (N,) int64, read-only
    labels_sha256: str
    facts: dict[str, Any]

    @classmethod
    def open(cls, manifest: Path, kind: str) -> "ArrayStore":
        """Open and check everything that is cheap: kind, and existence, size, shape and dtype of every file.

        Raises InputError naming the file at fault; `verify` reads every byte as well.
        """
        manifest = Path(manifest)
        content = read_json(manifest)
        if not isinstance(content, dict) or content.get("kind") != kind:
            found = content.get("kind", "no store") if isinstance(content, dict) else "no store"
            raise InputError(f"{manifest}: is {found}, expected a store of {kind}; give its store.json")
        folder, row_shape = manifest.parent, tuple(content["row_shape"])
        shards = tuple(Shard(**shard) for shard in content["shards"])
        for shard in shards:
            _mapped(folder, shard.file, shard.bytes, (shard.rows, *row_shape), np.float32)
        recorded = content["labels"]
        labels = _mapped(folder, recorded["file"], recorded["bytes"], (content["count"],), np.int64)
        return cls(manifest, kind, row_shape, shards, labels, recorded["sha256"], content["facts"])

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def sha256(self) -> str:
        """Of the manifest, which names the hash of every part."""
        return recorded_sha256(self.manifest)

    def rows(self, indices: np.ndarray) -> np.ndarray:
        """The rows of the given indices (n,), in their order, as a new float32 array (n, *row_shape)."""
        indices = np.asarray(indices, dtype=np.int64)
        if indices.size and not (indices.min() >= 0 and indices.max() < len(self)):
            raise IndexError(f"rows 0 to {len(self) - 1} exist, got {indices.min()} to {indices.max()}")
        # One gather a shard, not one read a row.
        found = np.empty((len(indices), *self.row_shape), dtype=np.float32)
        shard_of = np.searchsorted([shard.first_row for shard in self.shards], indices, side="right") - 1
        for number in np.unique(shard_of):
            here = shard_of == number
            found[here] = self._maps[number][indices[here] - self.shards[number].first_row]
        return found

    def verify(self) -> None:
        """Compare every byte with the manifest's hashes. Raises InputError naming the first file that differs."""
        for file, sha256 in [*((shard.file, shard.sha256) for shard in self.shards), (LABELS, self.labels_sha256)]:
            if sha256_of_file(self.manifest.parent / file) != sha256:
                raise InputError(f"{self.manifest.parent / file}: its contents differ from {self.manifest.name}; {REBUILD}")

    @cached_property
    def _maps(self) -> list[np.ndarray]:
        folder = self.manifest.parent
        return [_mapped(folder, shard.file, shard.bytes, (shard.rows, *self.row_shape), np.float32) for shard in self.shards]


def _mapped(folder: Path, file: str, size: int, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """A memory map of `file`, after checking that it is the array the manifest says."""
    path = path_inside(folder, file)
    if not path.exists():
        raise InputError(f"{path}: this part of the store is missing; run the extraction again to rebuild it")
    if path.stat().st_size != size or size < math.prod(shape) * np.dtype(dtype).itemsize:
        raise InputError(f"{path}: has {path.stat().st_size} bytes, the manifest says {size}; {REBUILD}")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(f"{path}: is not a whole .npy array ({error}); {REBUILD}") from None
    if array.shape != shape or array.dtype != dtype:
        raise InputError(f"{path}: holds {array.dtype} {array.shape}, the manifest says {np.dtype(dtype)} {shape}; {REBUILD}")
    return array
