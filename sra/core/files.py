"""Files that appear whole or not at all, and the hashes that name them."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sra.core.errors import InputError, StageError


@contextmanager
def written_whole(path: Path | str) -> Iterator[Path]:
    """A temporary path beside `path` to write to: on success it is flushed to disk and renamed, on failure it is removed.

    Its name is always the same, so that what a killed process left is overwritten by the next; one writer a file, as a workflow has.
    Raises StageError when the disk is full.
    """
    path = Path(path)
    # A folder, since a library may write beside the name it was given (safetensors does), and a killed one leaves that there.
    folder = path.with_name(f".{path.name}.partial")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with room_for(path):
            folder.mkdir(parents=True)
            temporary = folder / path.name
            temporary.write_bytes(b"")
            mode = temporary.stat().st_mode
            yield temporary
            temporary.chmod(mode)
            # A rename may reach the disk before the bytes do, so the bytes go first.
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Raises StageError when what is written here does not fit on the disk."""
    try:
        yield
    except Exception as error:
        if _has_no_room(error):
            free = shutil.disk_usage(path.parent).free / 1e9
            raise StageError(
                f"{path}: no room to write it ({free:.2f} GB free on its disk); free space and run the same command again, nothing else is lost"
            ) from None
        raise


def _has_no_room(error: Exception) -> bool:
    """Disk full, quota or file size limit; libraries written in Rust give the number in their text alone."""
    number = getattr(error, "errno", None)
    named = re.search(r"\(os error (\d+)\)", str(error))
    return (int(named[1]) if named else number) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_text(path: Path | str, text: str) -> None:
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` with sorted keys, so that equal values are equal bytes. NaN and infinity are refused: JSON has none."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid JSON ({error}); delete it and run the command again to rebuild it") from None


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
