"""Processes that stand still: SIGSTOP returns before it has stopped anything."""

import os
import signal
import time
from pathlib import Path

PATIENCE = 240  # seconds until a wait is given up; nothing here takes a tenth of it on a machine of its own


def state_of(stat: Path) -> str:
    """One letter, from /proc: R runs, S sleeps, T was stopped, Z has ended."""
    return stat.read_text().rpartition(")")[2].split()[0]


def stop(pid: int) -> None:
    """Until SIGCONT. A thread that is deleting or writing a file stops only once that is done, so this waits for every one."""
    os.kill(pid, signal.SIGSTOP)
    end = time.monotonic() + PATIENCE
    while not _stands(pid):
        assert time.monotonic() < end, f"process {pid} still runs {PATIENCE} s after SIGSTOP"
        time.sleep(0.0003)


def _stands(pid: int) -> bool:
    try:
        return all(state_of(thread / "stat") in "TZ" for thread in Path(f"/proc/{pid}/task").iterdir())
    except (FileNotFoundError, ProcessLookupError):  # a thread ended meanwhile
        return not Path(f"/proc/{pid}").exists()
