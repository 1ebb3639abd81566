"""Uncompressed npz files that are written in a stream, have the same bytes for the same arrays, and are read by memory map.

`numpy.savez` stamps the time of day into the archive and needs every array whole; 50,000 images of 256 px are 9.8 GB.
"""

import struct
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sra.core.errors import InputError
from sra.core.files import written_whole

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date a zip can hold
LOCAL_HEADER = struct.Struct("<4s5H3I2H")


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


def map_npz(path: Path) -> dict[str, np.ndarray]:
    """The members by name as read-only memory maps. Raises InputError unless every one is a stored, whole, plain array."""
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            return {info.filename.removesuffix(".npy"): _map_member(path, file, info) for info in archive.infolist()}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (zipfile.BadZipFile, ValueError, struct.error, OSError) as error:
        raise InputError(f"{path}: not a whole npz file ({error}); delete it and build it again") from None


def _map_member(path: Path, file, info: zipfile.ZipInfo) -> np.ndarray:
    if info.compress_type != zipfile.ZIP_STORED:
        raise InputError(f"{path}: {info.filename} is compressed; save it with numpy.savez, not savez_compressed")
    file.seek(info.header_offset)
    fields = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
    start = info.header_offset + LOCAL_HEADER.size + fields[-2] + fields[-1]
    file.seek(start)
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran_order, dtype = read_header(file)
    if dtype.hasobject or fortran_order:
        raise InputError(f"{path}: {info.filename} holds {'objects' if dtype.hasobject else 'Fortran order'}; expected a plain C-ordered array")
    expected = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if file.tell() - start + expected != info.file_size:
        raise InputError(f"{path}: {info.filename} is {info.file_size} bytes, its header promises {expected}; delete the file and build it again")
    if expected == 0:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype=dtype, mode="r", offset=file.tell(), shape=shape if shape else (1,)).reshape(shape)
