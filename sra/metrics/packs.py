"""Reading npz archives of any writer: checksums compared, large members mapped instead of loaded, nothing unpickled."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from sra.core.errors import InputError

LOCAL_HEADER_BYTES = 30


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
