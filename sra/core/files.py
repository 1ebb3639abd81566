"""Files that appear whole or not at all, and the hashes that name them."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sra.core.errors import InputError, StageError
from sra.core.locks import only_one

LOCK = ".lock"
CHECKSUM = "sha256_of_the_rest"  # its key in a JSON file


@contextmanager
def written_whole(path: Path | str) -> Iterator[Path]:
    """A temporary path to write to: on success it is flushed to disk and renamed to `path`, on failure it is removed.

    Raises InputError where the folder cannot be written to, and StageError when the disk is full or another process is writing the same file.
    """
    path = Path(path)
    # In a folder, since a library may write beside the name it was given (safetensors does), and a killed one leaves that there.
    with folder_beside(path) as folder:
        temporary = folder / path.name
        temporary.write_bytes(b"")
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)
        # A rename may reach the disk before the bytes do, so the bytes go first.
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)


@contextmanager
def folder_beside(path: Path | str) -> Iterator[Path]:
    """A folder beside `path` for what is needed until that is there; removed at the end, with all that lies in it.

    Its name is always the same, so that what a killed process left is removed by the next; a lock keeps it to one process. Raises as `written_whole`.
    """
    path = Path(path)
    folder = path.with_name(f".{path.name}.partial")
    check_writable(path)
    busy = f"{path}: another process is writing it; wait for that to end, or end it, and run the same command again"
    try:
        with room_for(path), only_one(folder / LOCK, busy):
            _remove_left(folder)
            try:
                yield folder
            finally:
                _remove_left(folder)
    finally:
        with suppress(OSError):  # the next may be at work in it by now
            folder.rmdir()


def _remove_left(folder: Path) -> None:
    """Remove all in the folder but the lock, which goes last: until then nobody else may begin."""
    for left in folder.iterdir():
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        elif left.name != LOCK:
            with suppress(OSError):  # a network disk keeps what is still open
                left.unlink()


def check_writable(path: Path | str) -> None:
    """Raises InputError when the folder of a file to be written, or the one that it would be made in, takes no files."""
    folder = _nearest_folder(Path(path))
    if not folder.is_dir():
        raise InputError(f"{path}: {folder} is {'a link to nothing' if folder.is_symlink() else 'a file'}, expected a folder; give another place")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{path}: {folder} cannot be written to (read-only, or another user's); make it writable or give another place")


def _nearest_folder(path: Path) -> Path:
    """The folder that the path lies in or would be made in, or whatever is in the place of such a folder."""
    return next(folder for folder in path.absolute().parents if os.path.lexists(folder))


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Raises StageError when what is written here does not fit on the disk."""
    try:
        yield
    except Exception as error:
        if _has_no_room(error):
            raise _no_room(path) from None
        raise


def check_room(path: Path, needed: int) -> None:
    """Raises StageError when the disk has less free than the `needed` bytes, and as `check_writable`: said at once, and not after hours of work."""
    check_writable(path)
    if shutil.disk_usage(_nearest_folder(path)).free < needed:
        raise _no_room(path, f"{_size(needed)} needed, ")


def reserve(file: Path, size: int) -> None:
    """Take the bytes of a file that is to be written through a memory map: on a full disk a map kills the process without a word."""
    if not hasattr(os, "posix_fallocate"):  # macOS
        return
    with file.open("r+b") as opened:
        os.posix_fallocate(opened.fileno(), 0, size)


def _no_room(path: Path, needed: str = "") -> StageError:
    free = _size(shutil.disk_usage(_nearest_folder(path)).free)
    return StageError(
        f"{path}: no room to write it ({needed}{free} free on its disk); free space and run the same command again, nothing else is lost"
    )


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e7 or not count else f"{count / 1e6:.2f} MB"


def _has_no_room(error: Exception) -> bool:
    """Whether an error means a full disk, a quota or a file size limit. Libraries written in Rust give the number in their text alone."""
    number = getattr(error, "errno", None)
    named = re.search(r"\(os error (\d+)\)", str(error))
    return (int(named[1]) if named else number) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_text(path: Path | str, text: str) -> None:
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` with sorted keys, so that equal values are equal bytes. NaN and infinity are refused: JSON has none."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def write_checked_json(path: Path | str, value: dict[str, Any]) -> None:
    """`write_json` of an object and its own checksum, for what has no receipt that would know it: `read_json` compares and takes it out."""
    as_read = json.loads(json.dumps(value, allow_nan=False))  # keys are text there
    write_json(path, {**as_read, CHECKSUM: sha256_of_json(as_read)})


def read_json(path: Path | str) -> Any:
    """The value in the file. Raises InputError when it is missing, is not JSON, or differs from the checksum in it."""
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
        differs = isinstance(value, dict) and CHECKSUM in value and value.pop(CHECKSUM) != sha256_of_json(value)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (ValueError, RecursionError) as error:  # of JSON, of UTF-8, of a number with thousands of digits; of a file of brackets
        raise InputError(f"{path}: not valid JSON ({error}); delete it and run the command again to rebuild it") from None
    if differs:
        raise InputError(f"{path}: is damaged or was edited, its {CHECKSUM} differs; delete it and run the command again to rebuild it")
    return value


def sha256_of_file(path: Path | str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_json(value: Any) -> str:
    """Hash of a JSON value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()).hexdigest()


def path_inside(folder: Path | str, relative: str) -> Path:
    """`folder / relative`, refused when it would leave the folder (`..`, an absolute path, a link that points out)."""
    folder = Path(folder)
    path = folder / relative
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{relative!r} points outside {folder}; give a path inside that folder")
    return path
