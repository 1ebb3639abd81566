"""Rows of equal shape in memory-mapped shards: latents' moments, encoder features and pixels alike.

A store is a folder:
    store.json                  the manifest: kind, row shape, dtype, count, shards, labels, facts
    <kind>_000_of_004.npy ...   rows in order, (rows, *row_shape)
    labels.npy                  (count,) int64
    checksums.npy               (count,) uint32, the CRC-32 of each row
One large array beats one file an image: SRA's B model at full speed would open thousands of files a second. Processes that read one store
share its pages in the kernel's cache, since all map it read-only.
"""

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import DTypeLike
from pydantic import ConfigDict, NonNegativeInt, PositiveFloat, PositiveInt, model_validator, with_config
from typing_extensions import TypedDict  # pydantic takes Python's own from 3.12 on

from sra.core.errors import InputError
from sra.core.files import check_room, path_inside, read_json, reserve, sha256_of_file, write_json, written_whole
from sra.core.npz import NO_HEADER
from sra.core.progress import Progress
from sra.core.receipts import Named, read_receipt, receipt_path, recorded_sha256, verify_contents, write_receipt
from sra.data.checksums import CHECKSUMS, checksums_of, first_damaged
from sra.data.stored import first_not_finite
from sra.spec.base import Strict
from sra.spec.load import checked

LABELS = "labels.npy"
REBUILD = "delete it and run again"
# Of a part of a finished store: snakemake does not look for the parts of a store that is there.
REBUILD_PART = "delete it and store.json beside it, and run snakemake again"
DTYPES = ("float16", "float32", "uint8")
TAKES_SECONDS = 1 << 32  # bytes to read and hash
PROBED = 8  # rows of a request whose presence in the cache stands for that of all
ONE_THREAD = 32_768  # values; torch would share more among threads, and wait for them where the cores are busy
CAN_READ_AHEAD = hasattr(os, "posix_fadvise") and hasattr(os, "RWF_NOWAIT")  # Linux


class Part(Strict):
    """One file of a store."""

    file: str
    sha256: str
    bytes: NonNegativeInt


class Shard(Part):
    """One shard of a store: its rows are `first_row` to `first_row + rows` of the whole."""

    first_row: NonNegativeInt
    rows: NonNegativeInt


class _ExternalOrigin(TypedDict):
    """Where latents that another's code computed come from: whose code, and the hash of all of its files."""

    layout: str
    sha256: str


@with_config(ConfigDict(extra="allow"))
class _Facts(TypedDict, total=False):
    """What is read of a store's facts; there are others that are for people."""

    made_from: dict[str, str]
    scaling_factor: PositiveFloat
    encoder_sha256: str
    empty_row: NonNegativeInt
    split: str
    foreign: _ExternalOrigin


class _Manifest(Strict):
    """What store.json holds."""

    kind: str
    row_shape: tuple[PositiveInt, ...]
    dtype: Literal["float16", "float32", "uint8"]
    count: PositiveInt
    shards: tuple[Shard, ...]
    labels: Part
    checksums: Part | None = None  # of a store made before there were any, which is read whole when it is opened
    facts: _Facts

    @model_validator(mode="after")
    def _is_whole(self):
        rows = 0
        for shard in self.shards:
            if shard.first_row != rows:
                raise ValueError(f"{shard.file} starts at row {shard.first_row}, expected {rows}; {REBUILD}")
            rows += shard.rows
        if rows != self.count:
            raise ValueError(f"its shards hold {rows} rows, its count is {self.count}; {REBUILD}")
        if self.facts.get("empty_row", 0) >= self.count:
            raise ValueError(f"facts.empty_row {self.facts['empty_row']} is beyond its {self.count} rows; {REBUILD}")
        return self


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
                array = mapped_file(temporary, dtype, (len(rows), *block.shape[1:]), path)
            if written + len(block) > len(rows) or block.dtype != dtype:
                raise ValueError(f"expected {len(rows)} rows of {dtype}, got at least {written + len(block)} of {block.dtype}")
            broken = first_not_finite(block) if dtype.kind == "f" else None
            if broken is not None:
                raise InputError(f"{path}: {kind} of row {rows.start + written + broken} would not be finite, expected numbers; nothing was written")
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
    row_bytes = math.prod(first["facts"]["row_shape"]) * np.dtype(first["facts"]["dtype"]).itemsize
    with Progress(f"check the {kind}", next_row, "rows", shown=next_row * row_bytes > TAKES_SECONDS) as progress:
        sums = [checksums_of(shard, receipts[shard]["facts"]["rows"], row_bytes, receipts[shard]["sha256"], progress.advance) for shard in ordered]
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
        "labels": _written(manifest.parent / LABELS, labels.astype(np.int64)),
        "checksums": _written(manifest.parent / CHECKSUMS, np.concatenate(sums)),
        "facts": {**facts, "made_from": first["made_from"]},
    }
    write_json(manifest, content)
    described = {"row_shape": content["row_shape"], "dtype": content["dtype"], "shards": len(ordered)}
    write_receipt(manifest, kind, inputs, hashes, count=next_row, **described, **facts)


def _written(path: Path, array: np.ndarray) -> dict[str, str | int]:
    """What the manifest says of a small array beside it, once that is written."""
    with written_whole(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    return {"file": path.name, "sha256": sha256_of_file(path), "bytes": path.stat().st_size}


@dataclass(frozen=True)
class ArrayStore:
    """An opened store. Rows are read from the shards' memory maps when asked for."""

    manifest: Path
    kind: str
    row_shape: tuple[int, ...]
    dtype: np.dtype  # of the files: float16, float32 or uint8
    shards: tuple[Shard, ...]
    labels: np.ndarray  # (N,) int64, read-only
    facts: dict[str, Any]
    checksums: np.ndarray | None  # (N,) uint32, the CRC-32 of each row

    @classmethod
    def open(cls, manifest: Path, kind: str) -> "ArrayStore":
        """Open and check all but the rows, which are checked as they are read: every byte of the small files; size, shape and dtype of shards.

        Raises InputError naming the file at fault.
        """
        manifest = Path(manifest)
        content = read_json(manifest)
        if not isinstance(content, dict) or content.get("kind") != kind:
            found = content.get("kind", "no store") if isinstance(content, dict) else "no store"
            raise InputError(f"{manifest}: is {found}, expected a store of {kind}; give its store.json")
        if content.get("dtype") not in DTYPES:
            raise InputError(f"{manifest}: dtype: is {content.get('dtype')!r}, expected {', '.join(DTYPES)}; {REBUILD}")
        said = checked(content, _Manifest, str(manifest))
        folder, dtype = manifest.parent, np.dtype(said.dtype)
        for shard in said.shards:
            _mapped(folder, shard.file, shard.bytes, (shard.rows, *said.row_shape), dtype)
        labels = _mapped(folder, said.labels.file, said.labels.bytes, (said.count,), np.int64)
        checksums = said.checksums and _mapped(folder, said.checksums.file, said.checksums.bytes, (said.count,), np.uint32)
        if receipt_path(manifest).exists():
            verify_contents(manifest, kind)
        for part in [said.labels, said.checksums] if said.checksums else [said.labels, *said.shards]:
            if sha256_of_file(folder / part.file) != part.sha256:
                raise InputError(f"{folder / part.file}: its contents differ from {manifest.name}; {REBUILD_PART}")
        return cls(manifest, kind, said.row_shape, dtype, said.shards, labels, Named(said.facts, f"{manifest}: facts", REBUILD), checksums)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def sha256(self) -> str:
        """Hash of the manifest, which names the hash of every part."""
        return recorded_sha256(self.manifest)

    @property
    def index_sha256(self) -> str | None:
        """Hash of the index of images that the store was made from; None where its maker did not say."""
        return self.facts.get("made_from", {}).get("index")

    def check_index(self, index: Path) -> None:
        """Raises InputError for an index of other images."""
        if self.index_sha256 not in (None, recorded_sha256(index)):
            raise InputError(f"{index}: is another index of images than {self.manifest} was made from; give the one that it names")

    def rows(self, indices: np.ndarray) -> np.ndarray:
        """The rows of the given indices (n,), in their order, as a new array (n, *row_shape): bytes as uint8, else float32.

        Raises InputError naming the shard of a row that is not as it was written.
        """
        indices = np.asarray(indices, dtype=np.int64)
        if indices.size and not (indices.min() >= 0 and indices.max() < len(self)):
            raise IndexError(f"rows 0 to {len(self) - 1} exist, got {indices.min()} to {indices.max()}")
        first_rows = np.array([shard.first_row for shard in self.shards])
        shard_of = np.searchsorted(first_rows, indices, side="right") - 1
        places = list(zip(shard_of.tolist(), (indices - first_rows[shard_of]).tolist(), strict=True))
        self._read_ahead(places)
        # Joined as bytes: a gather for each shard would copy twice, and numpy needs twice as long to begin each row.
        found = bytearray().join([self._opened[shard].row(row) for shard, row in places])
        self._check(found, indices, shard_of)
        rows = np.frombuffer(found, self.dtype).reshape(len(indices), *self.row_shape)
        return _float32(rows) if self.dtype == np.float16 else rows

    def _check(self, found: bytearray, indices: np.ndarray, shard_of: np.ndarray) -> None:
        """Raises InputError for the first of the rows, given as their bytes one after the other, that has another checksum."""
        if self.checksums is None or not len(indices):
            return
        size, view = len(found) // len(indices), memoryview(found)
        place = first_damaged((view[start : start + size] for start in range(0, len(found), size)), self.checksums[indices].tolist())
        if place is not None:
            shard = self.shards[shard_of[place]]
            path, row = self.manifest.parent / shard.file, indices[place] - shard.first_row
            raise InputError(f"{path}: row {row} is not as it was written, its checksum differs; {REBUILD_PART}")

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


def mapped_file(file: Path, dtype: DTypeLike, shape: tuple[int, ...], stands_for: Path | None = None) -> np.memmap:
    """A new .npy array to be written through its map, its bytes taken first. Raises StageError naming what it `stands_for` when the disk is full."""
    check_room(stands_for or file, math.prod(shape) * np.dtype(dtype).itemsize)
    array = np.lib.format.open_memmap(file, mode="w+", dtype=dtype, shape=shape)
    reserve(file, file.stat().st_size)
    return array


def _known(dtype: DTypeLike) -> np.dtype:
    if np.dtype(dtype).name not in DTYPES:
        raise ValueError(f"stores hold {', '.join(DTYPES)}, got {np.dtype(dtype)}")
    return np.dtype(dtype)


def _mapped(folder: Path, file: str, size: int, shape: tuple[int, ...], dtype: DTypeLike) -> np.memmap:
    """A memory map of `file`, after checking that it is the array the manifest says."""
    path = path_inside(folder, file)
    if not path.exists():
        raise InputError(f"{path}: this part of the store is missing; delete store.json beside it and run snakemake again")
    if path.stat().st_size != size or size < math.prod(shape) * np.dtype(dtype).itemsize:
        raise InputError(f"{path}: has {path.stat().st_size} bytes, the manifest says {size}; {REBUILD_PART}")
    try:
        array = np.lib.format.open_memmap(path, mode="r")  # maps no Python objects
    except NO_HEADER as error:
        raise InputError(f"{path}: is not a whole .npy array ({error}); {REBUILD_PART}") from None
    if array.shape != shape or array.dtype != dtype:
        raise InputError(f"{path}: holds {array.dtype} {array.shape}, the manifest says {np.dtype(dtype)} {shape}; {REBUILD_PART}")
    return array
