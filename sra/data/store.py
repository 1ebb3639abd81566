"""Rows of equal shape in memory-mapped shards: latents' moments, encoder features and pixels alike.

A store is a folder:
    store.json                  the manifest: kind, row shape, dtype, count, shards, labels, facts
    <kind>_000_of_004.npy ...   rows in order, (rows, *row_shape)
    labels.npy                  (count,) int64
One large array beats one file an image: SRA's B model at full speed would open thousands of files a second. Processes that read one store
share its pages in the kernel's cache, since all map it read-only.
"""

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike

from sra.core.errors import InputError
from sra.core.files import path_inside, read_json, sha256_of_file, write_json, written_whole
from sra.core.receipts import read_receipt, recorded_sha256, write_receipt

LABELS = "labels.npy"
REBUILD = "delete it and run again"
DTYPES = ("float16", "float32", "uint8")
STORED = {"fp32": np.float32, "fp16": np.float16}  # as presets and options name them
PROBED = 8  # rows of a request whose presence in the cache stands for that of all
ONE_THREAD = 32_768  # values; torch would share more among threads, and wait for them where the cores are busy
CAN_READ_AHEAD = hasattr(os, "posix_fadvise") and hasattr(os, "RWF_NOWAIT")  # Linux


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


def write_shard(
    path: Path,
    kind: str,
    rows: range,
    blocks: Iterable[np.ndarray],
    inputs: dict[str, Path],
    dtype: DTypeLike = np.float32,
    hashes: dict[str, str] | None = None,
    **facts: Any,
) -> None:
    """Write one shard and its receipt. `blocks`: (b, *row_shape) of `dtype` each, together the rows of `rows`, streamed to disk.

    inputs, hashes: what it was made from, as files or by SHA-256 alone, by role.
    """
    written, dtype = 0, _known(dtype)
    with written_whole(path) as temporary:
        array = None
        for block in blocks:
            if array is None:
                array = np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=(len(rows), *block.shape[1:]))
            if written + len(block) > len(rows) or block.dtype != dtype:
                raise ValueError(f"expected {len(rows)} rows of {dtype}, got at least {written + len(block)} of {block.dtype}")
            array[written : written + len(block)] = block
            written += len(block)
        if written != len(rows):
            raise ValueError(f"expected {len(rows)} rows, got {written}")
        array.flush()
        row_shape = list(array.shape[1:])
    write_receipt(path, kind, inputs, hashes, first_row=rows.start, rows=len(rows), row_shape=row_shape, dtype=dtype.name, **facts)


def receipts_of(shards: list[Path], kind: str, inputs: dict[str, Path]) -> list[dict[str, Any]]:
    """The shards' receipts, after checking that all were made from these inputs. Raises InputError naming the first that was not."""
    expected = {role: recorded_sha256(path) for role, path in inputs.items()}
    receipts = [read_receipt(shard, kind) for shard in shards]
    for shard, receipt in zip(shards, receipts, strict=True):
        for role, sha256 in expected.items():
            if receipt["made_from"].get(role) != sha256:
                raise InputError(f"{shard}: was made from another {role} than {inputs[role]}; {REBUILD}")
    return receipts


def write_manifest(
    manifest: Path,
    kind: str,
    shards: list[Path],
    labels: np.ndarray,
    inputs: dict[str, Path],
    hashes: dict[str, str] | None = None,
    **facts: Any,
) -> None:
    """Join finished shards, given in any order, into a store: writes labels, manifest and its receipt.

    Raises InputError when a shard is missing, of another kind or type, leaves a gap, or was made from other inputs than its neighbours.
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
        if facts_of.get("dtype") not in DTYPES:
            raise InputError(f"{shard}: its receipt does not say what it holds; {REBUILD}")
        if facts_of["dtype"] != first["facts"]["dtype"]:
            raise InputError(f"{shard}: holds {facts_of['dtype']}, {ordered[0].name} {first['facts']['dtype']}; make all shards with one --dtype")
        next_row += facts_of["rows"]
    if next_row != len(labels):
        raise InputError(f"{manifest}: the shards hold {next_row} rows, expected {len(labels)}; give every shard of one extraction once")
    labels_file = manifest.parent / LABELS
    with written_whole(labels_file) as temporary, temporary.open("wb") as file:
        np.save(file, labels.astype(np.int64), allow_pickle=False)
    content = {
        "kind": kind,
        "row_shape": first["facts"]["row_shape"],
        "dtype": first["facts"]["dtype"],
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
    described = {"row_shape": content["row_shape"], "dtype": content["dtype"], "shards": len(ordered)}
    write_receipt(manifest, kind, inputs, hashes, count=next_row, **described, **facts)


@dataclass(frozen=True)
class ArrayStore:
    """An opened store. Rows are read from the shards' memory maps when asked for."""

    manifest: Path
    kind: str
    row_shape: tuple[int, ...]
    dtype: np.dtype  # of the files: float16, float32 or uint8
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
        if content.get("dtype") not in DTYPES:
            raise InputError(f"{manifest}: dtype: is {content.get('dtype')!r}, expected {', '.join(DTYPES)}; {REBUILD}")
        dtype = np.dtype(content["dtype"])
        shards = tuple(Shard(**shard) for shard in content["shards"])
        for shard in shards:
            _mapped(folder, shard.file, shard.bytes, (shard.rows, *row_shape), dtype)
        recorded = content["labels"]
        labels = _mapped(folder, recorded["file"], recorded["bytes"], (content["count"],), np.int64)
        return cls(manifest, kind, row_shape, dtype, shards, labels, recorded["sha256"], content["facts"])

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def sha256(self) -> str:
        """Of the manifest, which names the hash of every part."""
        return recorded_sha256(self.manifest)

    @property
    def index_sha256(self) -> str | None:
        """Of the index of images that it was made from; None where its maker did not say."""
        return self.facts.get("made_from", {}).get("index")

    def check_index(self, index: Path) -> None:
        """Raises InputError for an index of other images."""
        if self.index_sha256 not in (None, recorded_sha256(index)):
            raise InputError(f"{index}: is another index of images than {self.manifest} was made from; give the one that it names")

    def rows(self, indices: np.ndarray) -> np.ndarray:
        """The rows of the given indices (n,), in their order, as a new array (n, *row_shape): bytes as uint8, else float32."""
        indices = np.asarray(indices, dtype=np.int64)
        if indices.size and not (indices.min() >= 0 and indices.max() < len(self)):
            raise IndexError(f"rows 0 to {len(self) - 1} exist, got {indices.min()} to {indices.max()}")
        first_rows = np.array([shard.first_row for shard in self.shards])
        shard_of = np.searchsorted(first_rows, indices, side="right") - 1
        places = list(zip(shard_of.tolist(), (indices - first_rows[shard_of]).tolist(), strict=True))
        self._read_ahead(places)
        # Joined as bytes: a gather for each shard would copy twice, and numpy needs twice as long to begin each row.
        found = bytearray().join([self._opened[shard].row(row) for shard, row in places])
        rows = np.frombuffer(found, self.dtype).reshape(len(indices), *self.row_shape)
        return _float32(rows) if self.dtype == np.float16 else rows

    def verify(self) -> None:
        """Compare every byte with the manifest's hashes. Raises InputError naming the first file that differs."""
        for file, sha256 in [*((shard.file, shard.sha256) for shard in self.shards), (LABELS, self.labels_sha256)]:
            if sha256_of_file(self.manifest.parent / file) != sha256:
                raise InputError(f"{self.manifest.parent / file}: its contents differ from {self.manifest.name}; {REBUILD}")

    def _read_ahead(self, places: list[tuple[int, int]]) -> None:
        """Ask for all rows (shard, row in it) at once when some are not in the kernel's cache: page faults would wait for one after the other.

        Asking costs half as much as copying what is there, so a few are looked at first.
        """
        if CAN_READ_AHEAD and not all(self._opened[shard].is_cached(row) for shard, row in places[:: -(-len(places) // PROBED) or 1]):
            for shard, row in sorted(places):
                self._opened[shard].ask_for(row)

    @cached_property
    def _opened(self) -> "list[OpenShard]":
        return [OpenShard.of(self.manifest.parent, shard, self.row_shape, self.dtype) for shard in self.shards]


@dataclass(frozen=True)
class OpenShard:
    """A shard's map, and the same file for what a map cannot say: whether a row is in the cache, and that it soon should be."""

    rows: memoryview  # all of them, as read-only bytes
    row_bytes: int
    file: BinaryIO
    offset: int  # bytes before the first row

    @classmethod
    def of(cls, folder: Path, shard: Shard, row_shape: tuple[int, ...], dtype: np.dtype) -> "OpenShard":
        mapped = _mapped(folder, shard.file, shard.bytes, (shard.rows, *row_shape), dtype)
        rows = memoryview(mapped.reshape(-1).view(np.uint8))
        return cls(rows, math.prod(row_shape) * dtype.itemsize, path_inside(folder, shard.file).open("rb"), mapped.offset)

    def row(self, row: int) -> memoryview:
        return self.rows[row * self.row_bytes : (row + 1) * self.row_bytes]

    def is_cached(self, row: int) -> bool:
        """Whether the row's first byte can be read without waiting; no where the file system cannot tell."""
        try:
            os.preadv(self.file.fileno(), [bytearray(1)], self.offset + row * self.row_bytes, os.RWF_NOWAIT)
        except OSError:
            return False
        return True

    def ask_for(self, row: int) -> None:
        """Let the kernel read the row; does not wait for it."""
        os.posix_fadvise(self.file.fileno(), self.offset + row * self.row_bytes, self.row_bytes, os.POSIX_FADV_WILLNEED)


def _float32(rows: np.ndarray) -> np.ndarray:
    import torch  # not needed for the rest; its conversion takes a tenth of numpy's time

    found = np.empty(rows.shape, np.float32)
    pairs = (torch.from_numpy(array).view(-1).split(ONE_THREAD) for array in (found, rows))
    for target, source in zip(*pairs, strict=True):
        target.copy_(source)
    return found


def _known(dtype: DTypeLike) -> np.dtype:
    if np.dtype(dtype).name not in DTYPES:
        raise ValueError(f"stores hold {', '.join(DTYPES)}, got {np.dtype(dtype)}")
    return np.dtype(dtype)


def _mapped(folder: Path, file: str, size: int, shape: tuple[int, ...], dtype: DTypeLike) -> np.memmap:
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
