"""Which GPUs a stage sees: those that it leased, named so that no other program means another."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sra.core.errors import InputError
from sra.models.device import LEASE, VISIBLE, choose_device, visible_gpus

GPUS = ("GPU-11", "GPU-22", "GPU-33")


@pytest.fixture
def three_gpus(tmp_path, monkeypatch):
    """A machine whose nvidia-smi lists three; its locks lie in tmp_path."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\n" + "".join(f"echo {gpu}\n" for gpu in GPUS))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv(VISIBLE, "")  # what the code sets is undone after the test
    monkeypatch.delenv(VISIBLE)
    monkeypatch.setenv(LEASE, "1")
    return tmp_path


@pytest.mark.parametrize(
    ("allowed", "seen"),
    [(None, GPUS), ("2,0", ("GPU-33", "GPU-11")), ("GPU-22", ("GPU-22",)), ("MIG-77", ("MIG-77",)), ("", ())],
)
def test_numbers_become_names(three_gpus, monkeypatch, allowed, seen):
    if allowed is not None:
        monkeypatch.setenv(VISIBLE, allowed)
    assert tuple(visible_gpus()) == seen


def test_a_job_sees_the_gpus_that_it_took_and_no_other_job_does(three_gpus, monkeypatch):
    monkeypatch.setenv(VISIBLE, "0,1")
    takes = "from sra.models.device import choose_device; import os, time; choose_device('auto')"
    script = f"{takes}; print(os.environ['CUDA_VISIBLE_DEVICES'], flush=True); time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "GPU-11\n"
        choose_device("auto")
        assert os.environ[VISIBLE] == "GPU-22"
        assert LEASE not in os.environ  # asked again, it keeps what it has
        choose_device("auto")
        assert os.environ[VISIBLE] == "GPU-22"
    finally:
        other.kill()
        other.wait()
        other.stdout.close()


def test_training_takes_one_for_each_process(three_gpus, monkeypatch):
    choose_device("auto", processes=2)
    assert os.environ[VISIBLE] == "GPU-11,GPU-22"
    monkeypatch.setenv(LEASE, "1")
    monkeypatch.delenv(VISIBLE)
    with pytest.raises(InputError, match=r"^4 of gpus are asked for and this machine shows 3: GPU-11, GPU-22, GPU-33$"):
        choose_device("auto", processes=4)


@pytest.mark.parametrize("without", ["lease", "cpu", "process of a training"])
def test_nothing_is_taken_otherwise(three_gpus, monkeypatch, without):
    if without == "lease":
        monkeypatch.delenv(LEASE)
    if without == "process of a training":
        monkeypatch.setenv("LOCAL_RANK", "0")
    choose_device("cpu" if without == "cpu" else "auto")
    assert VISIBLE not in os.environ
    assert not list(Path(three_gpus).glob("sra-gpus-*"))
