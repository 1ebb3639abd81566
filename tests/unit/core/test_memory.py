"""Memory of the process follows what it holds, and its peak what it held."""

import subprocess
import sys

import numpy as np
import pytest

from sra.core import memory
from sra.core.memory import peak_resident, resident

MB = 1_000_000
linux = pytest.mark.skipif(not memory.STATUS.exists(), reason="says what is resident now on Linux alone")


@linux
def test_resident_grows_and_shrinks_and_the_peak_stays():
    """In a process of its own: in a large one, the allocator may hand out again what earlier tests freed."""
    lines = [
        "import numpy as np",
        "from sra.core.memory import peak_resident, resident",
        "before = resident()",
        f"held = np.ones({200 * MB}, np.uint8)",
    ]
    lines += ["during = resident()", "del held", "print(before, during, resident(), peak_resident())"]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, check=True)
    before, during, after, peak = map(int, done.stdout.split())
    assert 190 * MB < during - before < 230 * MB
    assert after < during - 150 * MB
    assert peak > during - 5 * MB  # the kernel counts in steps of some pages a thread


@linux
def test_the_peak_is_that_of_this_program_and_not_of_the_one_that_started_it():
    held = np.ones(400 * MB, np.uint8)
    command = "from sra.core.memory import peak_resident; print(peak_resident())"
    small = subprocess.run([sys.executable, "-c", command], capture_output=True, check=True)
    assert int(small.stdout) < 200 * MB < held.nbytes


def test_without_proc_both_are_the_peak(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "STATUS", tmp_path / "none")
    assert resident() == peak_resident() > 10 * MB
