"""Uncompressed npz files that are written in a stream, have the same bytes for the same arrays, and are read by memory map or by rows.

`numpy.savez` stamps the time of day into the archive and needs every array whole; 50,000 images of 256 px are 9.8 GB. Pages of a
memory map count as memory of the process that touched them, so what reads a whole set of images takes its rows instead. A .npy file, which is
one array, is read in the same way.
"""

import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from sra.core.errors import InputError
from sra.core.files import check_room, written_whole
from sra.core.kinds import kind_of
from sra.core.receipts import receipt_path
from sra.core.zips import checked_members

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date a zip can hold
LOCAL_HEADER_BYTES = 30
# What numpy raises for a header that is not one: it reads them as Python literals.
NO_HEADER = (ValueError, EOFError, TypeError, SyntaxError, RecursionError, OverflowError, tokenize.TokenError)
READ_BYTES = 1 << 22  # at a time; the zip reader holds a copy of it
# What to do with a file of another kind; of the rest `kind_of` says it, or it is damaged.
AS_ARRAYS = "save its arrays by name with numpy.savez"
OTHERS = {
    **dict.fromkeys(("NumPy array (.npy)", "HDF5 file", "torch checkpoint", "safetensors file", "JSON text"), AS_ARRAYS),
    **dict.fromkeys(("zip archive", "tar archive"), f"unpack it; of images give the folder, of other arrays {AS_ARRAYS}"),
    **dict.fromkeys(("PNG image", "JPEG image", "WebP image", "BMP image", "GIF image", "TIFF image"), "where images are meant give their folder"),
}


class ObjectsInside(ValueError):
    """An array whose values would be unpickled."""


@dataclass(frozen=True)
class Blocks:
    """An array of the given shape, handed over in blocks along its first axis."""

    shape: tuple[int, ...]
    dtype: np.dtype
    blocks: Iterable[np.ndarray]


def write_npz(path: Path, arrays: Mapping[str, np.ndarray | Blocks]) -> None:
    """Write the arrays as members `<name>.npy` in the given order. Blocks are written as they come.

    Raises StageError, before a block is asked for, when the disk has no room for all of them.
    """
    check_room(path, sum(math.prod(array.shape) * np.dtype(array.dtype).itemsize for array in arrays.values()))
    with written_whole(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            whole = array if isinstance(array, Blocks) else Blocks(array.shape, array.dtype, [array])
            with archive.open(zipfile.ZipInfo(f"{name}.npy", EPOCH), "w", force_zip64=True) as member:
                _write_member(member, whole, f"{path}: {name}")


def _write_member(member, array: Blocks, where: str) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(array.dtype)), "fortran_order": False, "shape": tuple(array.shape)}
    np.lib.format.write_array_header_1_0(member, header)
    rows = 0
    for block in array.blocks:
        if block.dtype != array.dtype or block.shape[1:] != array.shape[1:]:
            raise ValueError(f"{where}: a block is {block.dtype} {block.shape}, expected {array.dtype} (n, *{array.shape[1:]})")
        rows += len(block) if block.ndim else 1
        member.write(np.ascontiguousarray(block).data)
    if array.shape and rows != array.shape[0]:
        raise ValueError(f"{where}: got {rows} rows, expected {array.shape[0]}")


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays by name, read-only. Members that are stored are mapped, so a pack larger than memory can be scored.

    Every byte is compared with the archive's checksums first. Raises InputError for a file that is missing, truncated, damaged or
    holds Python objects.
    """
    with _whole_npz(path), zipfile.ZipFile(path) as archive:
        members = _arrays_in(path, archive)
        damaged = archive.testzip()
        if damaged:
            raise InputError(f"{path}: member {damaged} is damaged; {_build_or_fetch(path)}")
        return {member.filename.removesuffix(".npy"): _member(path, archive, member) for member in members}


def _arrays_in(path: Path, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    members = [member for member in checked_members(path, archive) if member.filename.endswith(".npy")]
    if not members:
        raise _no_npz(path, "it holds no array")
    return members


@contextmanager
def _whole_npz(path: Path) -> Iterator[None]:
    """A context in which whatever shows that the file is no whole npz becomes one line that says what it is and what to do with that."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except PermissionError:
        raise InputError(f"{path}: may not be read; make it readable for you") from None
    except ObjectsInside as error:
        raise InputError(f"{path}: {error}, which are never unpickled; save its numbers as plain arrays, or build it again") from None
    except (zipfile.BadZipFile, zlib.error, RuntimeError, OSError, *NO_HEADER) as error:
        raise _no_npz(path, str(error).splitlines()[0] if str(error) else type(error).__name__) from None


def _no_npz(path: Path, reason: str) -> InputError:
    kind = kind_of(path)
    if kind.name in ("npz file", "unknown"):
        return InputError(f"{path}: not a whole npz file ({reason}); {_build_or_fetch(path)}")
    remedy = kind.advice or OTHERS.get(kind.name) or _build_or_fetch(path)
    return InputError(f"{path}: not a whole npz file (its content: {kind.name}); {_build_or_fetch(path, remedy)}")


def _build_or_fetch(path: Path, foreign: str = "it is damaged or cut short: fetch or build it again") -> str:
    """Only what was made here, which a receipt beside it shows, can be built again; of another file what `foreign` says."""
    return "delete the file and build it again" if receipt_path(path).exists() else foreign


def _announced(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and type as the header of an array says, at whose beginning the file stands."""
    # Versions 2 and 3 differ in the encoding of field names, which an array of plain numbers has none of.
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def _span(rows: slice, count: int) -> tuple[int, int]:
    """First row and number of rows of a slice of an array of `count`."""
    first, last, step = rows.indices(count)
    if step != 1:
        raise ValueError("rows are read one after the other; take a slice without a step")
    return first, max(last - first, 0)


def _header(file: IO[bytes], member: zipfile.ZipInfo) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and type of a member that has just been opened; what it announces is what the archive holds."""
    shape, fortran_order, dtype = _announced(file)
    if dtype.hasobject:
        raise ObjectsInside(f"{member.filename} holds Python objects")
    if min(shape, default=0) < 0 or file.tell() + math.prod(shape) * dtype.itemsize != member.file_size:
        raise ValueError(f"{member.filename} announces shape {shape} but has {member.file_size} bytes")
    return shape, fortran_order, dtype


def _member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        shape, fortran_order, dtype = _header(file, member)
        header = file.tell()
    if 0 in shape:
        return np.empty(shape, dtype)  # nothing to map
    if member.compress_type != zipfile.ZIP_STORED:
        with archive.open(member) as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    # The lengths of name and extra field in front of the data stand only in the member's local header.
    with path.open("rb") as raw:
        raw.seek(member.header_offset)
        local = raw.read(LOCAL_HEADER_BYTES)
    start = member.header_offset + LOCAL_HEADER_BYTES + int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    return np.memmap(path, dtype, mode="r", offset=start + header, shape=shape, order="F" if fortran_order else "C")


class Rows:
    """One array of an npz file, read from the file as its rows are asked for; memory holds only what was asked.

    `rows[a:b]` is a fresh array of its rows a to b - 1. Reading forward from row 0 to the last also compares the member's checksum:
    a damaged file raises InputError at the end of the first pass. Reading forward is fast, going back starts from the beginning.
    """

    def __init__(self, path: Path, member: zipfile.ZipInfo):
        self.path, self.member = Path(path), member
        with _whole_npz(self.path), zipfile.ZipFile(path) as archive, archive.open(member) as file:
            self.shape, self.fortran_order, self.dtype = _header(file, member)
            self._header_bytes = file.tell()
        self._stream, self._next = None, 0

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        first, count = _span(rows, len(self))
        if self.fortran_order and self.ndim > 1:
            raise InputError(f"{self.path}: {self.member.filename} is stored column by column; save it with numpy.ascontiguousarray")
        found = np.empty((count, *self.shape[1:]), self.dtype)
        with _whole_npz(self.path):
            self._read_into(found, first)
        return found

    def whole(self) -> np.ndarray:
        """The array in memory, its checksum compared."""
        with _whole_npz(self.path), zipfile.ZipFile(self.path) as archive, archive.open(self.member) as file:
            return np.lib.format.read_array(file, allow_pickle=False)

    def _read_into(self, found: np.ndarray, first: int) -> None:
        if self._stream is None or first < self._next:
            self.close()
            self._stream = zipfile.ZipFile(self.path).open(self.member)  # noqa: SIM115 - the stream holds the file open, and `close` ends both
            self._stream.read(self._header_bytes)
            self._next = 0
        row_bytes = found.nbytes // max(len(found), 1)
        if first > self._next:
            self._stream.seek(self._header_bytes + first * row_bytes)
        into, at = memoryview(found.reshape(-1).view(np.uint8)), 0
        while at < len(into):
            read = self._stream.readinto(into[at : at + READ_BYTES])
            if not read:
                raise EOFError(f"{self.member.filename} ends early")
            at += read
        self._next = first + len(found)
        if self._next == len(self):
            self.close()

    def close(self) -> None:
        """Close the file; the next slice opens it again."""
        if self._stream is not None:
            self._stream.close()
        self._stream = None


def open_npz(path: Path) -> dict[str, Rows]:
    """The arrays by name, none read yet. Raises InputError for a file that is missing, truncated or holds Python objects."""
    with _whole_npz(path), zipfile.ZipFile(path) as archive:
        members = _arrays_in(path, archive)
    return {member.filename.removesuffix(".npy"): Rows(path, member) for member in members}


class ArrayFile:
    """The one array of a .npy file, read as `Rows` are; it has no checksum, so its length alone is held against its header."""

    def __init__(self, path: Path):
        self.path = Path(path)
        with _whole_npy(self.path), self.path.open("rb") as file:
            self.shape, self.fortran_order, self.dtype = _announced(file)
            self._start = file.tell()
            if self.dtype.hasobject:
                raise ObjectsInside("it holds Python objects")
            if min(self.shape, default=0) < 0 or self._start + math.prod(self.shape) * self.dtype.itemsize != self.path.stat().st_size:
                raise ValueError(f"announces shape {self.shape} but has {self.path.stat().st_size} bytes")
        if self.fortran_order and self.ndim > 1:
            raise InputError(f"{self.path}: is stored column by column; save it with numpy.ascontiguousarray")

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        first, count = _span(rows, len(self))
        row = math.prod(self.shape[1:])
        found = np.fromfile(self.path, self.dtype, count * row, offset=self._start + first * row * self.dtype.itemsize)
        if len(found) != count * row:
            raise InputError(f"{self.path}: ends early, it became shorter while it was read; fetch or build it again")
        return found.reshape(-1, *self.shape[1:]) if row else np.empty((count, *self.shape[1:]), self.dtype)

    def whole(self) -> np.ndarray:
        return self[0 : len(self)]


@contextmanager
def _whole_npy(path: Path) -> Iterator[None]:
    try:
        yield
    except ObjectsInside as error:
        raise InputError(f"{path}: {error}, which are never unpickled; save its numbers as a plain array") from None
    except (OSError, *NO_HEADER) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not a whole .npy file ({reason}); {_build_or_fetch(path)}") from None
