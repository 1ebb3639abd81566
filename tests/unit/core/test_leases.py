"""Leases: never two holders, freed by the kernel, never half of what is asked."""

import os
import signal
import subprocess
import sys
import time

import pytest

from sra.core.errors import InputError
from sra.core.leases import lease

HOLDER = """
import sys, time
from sra.core.leases import lease
print(*lease("things", sys.argv[2].split(), int(sys.argv[1]), lambda all: print("waiting", all, flush=True)), flush=True)
time.sleep(60)
"""


@pytest.fixture
def hold(tmp_path, monkeypatch):
    """`hold(count, names)`: a process that takes them and stays; each line that it says is read when asked."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    started = []

    def start(count: int, names: str = "a b c") -> subprocess.Popen:
        started.append(subprocess.Popen([sys.executable, "-c", HOLDER, str(count), names], stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_two_holders_never_have_the_same(hold):
    assert hold(2).stdout.readline().split() == ["a", "b"]
    assert hold(1).stdout.readline().split() == ["c"]


def test_who_waits_holds_nothing_and_goes_on_when_a_holder_is_killed(hold):
    first = hold(2)
    first.stdout.readline()
    second = hold(2)
    assert second.stdout.readline() == "waiting 3\n"
    assert hold(1).stdout.readline().split() == ["c"]  # which the waiting one must not have kept
    os.kill(first.pid, signal.SIGKILL)
    assert second.stdout.readline().split() == ["a", "b"]


def test_many_at_once_share_what_there_is(hold):
    holders = [hold(2, "a b c d e f g h") for _ in range(4)]
    taken = [name for holder in holders for name in holder.stdout.readline().split() if name != "waiting"]
    assert sorted(taken) == list("abcdefgh")


def test_more_than_there_is_is_refused(hold):
    began = time.monotonic()
    with pytest.raises(InputError, match=r"^3 of things are asked for and this machine shows 2: a, b$"):
        lease("things", ["a", "b"], 3)
    assert time.monotonic() - began < 1


def test_a_folder_put_there_by_somebody_else_is_refused(hold, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / f"sra-things-{os.getuid()}").symlink_to(elsewhere)
    with pytest.raises(InputError, match="belongs to somebody else"):
        lease("things", ["a"], 1)
    assert not list(elsewhere.iterdir())
