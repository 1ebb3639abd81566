"""One process at a time: others wait, then are refused; the kernel frees what a dead process held; nothing is left."""

import errno
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from sra.core import locks
from sra.core.errors import StageError
from sra.core.files import folder_beside
from sra.core.locks import is_held, only_one

HOLDER = """
import sys, time
from pathlib import Path
from sra.core.locks import only_one
with only_one(Path(sys.argv[1]), "busy"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def lock(tmp_path, monkeypatch):
    """Two descriptors of one process exclude each other as those of two processes do."""
    monkeypatch.setattr(locks, "PATIENCE", 0.05)
    monkeypatch.setattr(locks, "POLL", 0.0005)
    return tmp_path / "run" / "training.lock"


def test_a_second_is_refused_and_the_first_is_unharmed(lock):
    with only_one(lock, "busy"):
        with pytest.raises(StageError, match=r"^busy$"), only_one(lock, "busy"):
            raise AssertionError("two at once")
        assert is_held(lock)
    assert not lock.exists()
    with only_one(lock, "busy"):
        pass


def test_who_waits_goes_on_when_the_first_is_done(lock, monkeypatch):
    monkeypatch.setattr(locks, "PATIENCE", 60)
    order, waits = [], threading.Event()

    def second():
        waits.set()
        with only_one(lock, "busy"):
            order.append("second")

    with only_one(lock, "busy"):
        thread = threading.Thread(target=second)
        thread.start()
        waits.wait()
        time.sleep(0.02)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert not lock.exists()


def test_what_a_killed_process_held_is_free_at_once(lock):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(lock)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    assert is_held(lock) is True
    with pytest.raises(StageError), only_one(lock, "busy"):
        pass
    process.kill()
    process.wait()
    process.stdout.close()
    assert lock.exists()
    assert is_held(lock) is False
    with only_one(lock, "busy"):
        assert is_held(lock) is True
    assert not lock.exists()


def test_looking_makes_and_changes_nothing(lock):
    assert is_held(lock) is False
    assert not lock.parent.exists()
    lock.parent.mkdir()
    lock.write_text("as it was")
    assert is_held(lock) is False
    assert lock.read_text() == "as it was"


def test_a_failure_frees_it(lock):
    with pytest.raises(ZeroDivisionError), only_one(lock, "busy"):
        raise ZeroDivisionError
    assert not lock.exists()
    assert is_held(lock) is False


def test_a_disk_without_locks_is_used_without_and_nobody_knows(lock, monkeypatch, capsys):
    def flock(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    with only_one(lock, "busy"), only_one(lock, "busy"):
        assert is_held(lock) is None
    assert capsys.readouterr().err.count("its disk has no locks; nothing else may work on this at the same time\n") == 2


def test_other_failures_of_a_lock_are_no_permission(lock, monkeypatch):
    def flock(descriptor, operation):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(OSError, match="Input/output error"), only_one(lock, "busy"):
        raise AssertionError("held without a lock")


def test_many_take_turns(lock, monkeypatch):
    """Each deletes the file that the others wait for; a lock on a deleted file would let two in."""
    monkeypatch.setattr(locks, "PATIENCE", 60)
    inside, most = [], []

    def turns(name):
        for _ in range(25):
            with only_one(lock, "busy"):
                inside.append(name)
                most.append(len(inside))
                time.sleep(0)
                inside.remove(name)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(turns, "abcd"))
    assert (len(most), max(most)) == (100, 1)


def test_who_ends_takes_nothing_of_who_comes_next(lock, monkeypatch):
    """Many share one scratch folder by turns, and each removes it with all that it holds."""
    monkeypatch.setattr(locks, "PATIENCE", 60)
    output = lock.parent / "pack.npz"

    def turns(name):
        for _ in range(50):
            with folder_beside(output) as folder:
                assert [path.name for path in folder.iterdir()] == [".lock"]
                files = [folder / str(number) for number in range(5)]
                for file in files:
                    file.write_text(name)
                time.sleep(0)
                assert [file.read_text() for file in files] == [name] * 5

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(turns, "abcd"))
    assert list(lock.parent.iterdir()) == []
