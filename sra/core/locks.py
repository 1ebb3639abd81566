"""One process at a time: a lock file that the kernel frees when its holder ends, however it ends."""

import errno
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sra.core.errors import StageError

PATIENCE = 10.0  # seconds that a process which was told to stop may take to save what it has
POLL = 0.05
WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # some network disks


@contextmanager
def only_one(lock: Path, busy: str) -> Iterator[None]:
    """Hold the empty file `lock`, made with its folder where that is missing, and remove it at the end.

    A killed Snakemake leaves jobs behind that work on, and its next start begins the same jobs again. Raises StageError with the message `busy`
    when another process still holds the lock after PATIENCE seconds. A disk without locks is used without.
    """
    descriptor = _taken(lock, busy)
    try:
        yield
    finally:
        if _is(descriptor, lock):
            lock.unlink()
        os.close(descriptor)


def _taken(lock: Path, busy: str) -> int:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            descriptor = _opened(lock)
        except (FileNotFoundError, FileExistsError):  # its holder just deleted the folder
            if time.monotonic() > end:
                raise
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            if time.monotonic() > end:
                raise StageError(busy) from None
            time.sleep(POLL)
        except OSError as error:
            if error.errno not in WITHOUT_LOCKS:
                os.close(descriptor)
                raise
            print(f"{lock}: its disk has no locks; nothing else may work on this at the same time", file=sys.stderr)
            return descriptor
        else:
            # The holder before may have deleted it as its last act: then this is a lock on nothing.
            if _is(descriptor, lock):
                return descriptor
            os.close(descriptor)


def _opened(lock: Path) -> int:
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        with suppress(OSError):
            lock.parent.rmdir()
        raise


def _is(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def is_held(lock: Path) -> bool | None:
    """Whether some process holds it at this moment; None on a disk without locks. The file stays as it is."""
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return False
