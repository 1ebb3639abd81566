"""Things of this machine that one process has at a time, such as GPUs: a lock file each, which the kernel frees when the process ends."""

import fcntl
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sra.core.errors import InputError

POLL_SECONDS = 1.0


def lease(kind: str, names: list[str], count: int, waits: Callable[[int], None] = lambda taken: None) -> list[str]:
    """Take `count` of the named things until this process ends, waiting until so many are free.

    kind: a word for the folder of the locks, which every process of this user shares.  waits: called once, with the
    number of things, when too many are taken. Nobody waits while holding some. Raises InputError when there are not so many.
    """
    if count > len(names):
        raise InputError(f"{count} of {kind} are asked for and this machine shows {len(names)}: {', '.join(names) or 'none'}")
    folder = _folder(kind)
    announced = False
    while True:
        taken = _take(folder, names, count)
        if taken:
            return taken
        if not announced:
            waits(len(names))
            announced = True
        time.sleep(POLL_SECONDS)


def _take(folder: Path, names: list[str], count: int) -> list[str]:
    """Take that many, or none. The descriptors stay open on purpose: closing one would free its lock."""
    one_at_a_time = _open(folder / ".choosing")
    fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
    locked: dict[str, int] = {}
    for name in names:
        descriptor = _open(folder / name)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        locked[name] = descriptor
        if len(locked) == count:
            break
    enough = len(locked) == count
    for descriptor in () if enough else locked.values():
        os.close(descriptor)
    os.close(one_at_a_time)
    return list(locked) if enough else []


def _open(path: Path) -> int:
    """A descriptor of the file, which is closed when another program takes this process's place."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def _folder(kind: str) -> Path:
    folder = Path(tempfile.gettempdir(), f"sra-{kind}-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise InputError(f"{folder}: belongs to somebody else; remove it, or set TMPDIR to a folder of your own")
    return folder
