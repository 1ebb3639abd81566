"""Uncompressed npz files that are written in a stream, have the same bytes for the same arrays, and are read by memory map.

`numpy.savez` stamps the time of day into the archive and needs every array whole; 50,000 images of 256 px are 9.8 GB.
"""

import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sra.core.errors import InputError
from sra.core.files import written_whole

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date a zip can hold
LOCAL_HEADER_BYTES = 30


@dataclass(frozen=True)
class Blocks:
    """An array of the given shape, handed over in blocks along its first axis."""

    shape: tuple[int, ...]
    dtype: np.dtype
    blocks: Iterable[np.ndarray]


def write_npz(path: Path, arrays: Mapping[str, np.ndarray | Blocks]) -> None:
    """Write the arrays as members `<name>.npy` in the given order. Blocks are written as they come."""
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
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            if damaged:
                raise InputError(f"{path}: member {damaged} is damaged; delete the file and build it again")
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            return {member.filename.removesuffix(".npy"): _member(path, archive, member) for member in members}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not a whole npz file ({reason}); delete the file and build it again") from None


def _member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if member.compress_type != zipfile.ZIP_STORED or version != (1, 0):
            file.seek(0)
            return np.lib.format.read_array(file, allow_pickle=False)
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
        header = file.tell()
    if dtype.hasobject:
        raise ValueError(f"{member.filename} holds Python objects")
    if header + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize != member.file_size:
        raise ValueError(f"{member.filename} announces shape {shape} but has {member.file_size} bytes")
    if 0 in shape:
        return np.empty(shape, dtype)  # nothing to map
    # The lengths of name and extra field in front of the data stand only in the member's local header.
    with path.open("rb") as raw:
        raw.seek(member.header_offset)
        local = raw.read(LOCAL_HEADER_BYTES)
    start = member.header_offset + LOCAL_HEADER_BYTES + int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    return np.memmap(path, dtype, mode="r", offset=start + header, shape=shape, order="F" if fortran_order else "C")
