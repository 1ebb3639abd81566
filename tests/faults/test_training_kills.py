"""Signals and kills at any moment: the same command again goes on from the last state, and the end is that of an undisturbed run."""

import os
import random
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from sra.core.files import written_whole

SECONDS = 1 / 60  # in minutes


def test_signals_keep_the_step(new_run, undisturbed):
    run, chance, until, at = new_run(), random.Random(1), 120, None
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGINT, signal.SIGTERM):
        training, tens = run.start(until), chance.randint(0, 2)
        training.wait_for_training()
        training.wait_for(lambda tens=tens, at=at: run.logged() >= (at or 0) // 10 * 10 + 10 * tens)
        time.sleep(chance.uniform(0, 0.03))
        done = training.send(number)
        assert done.code == 128 + number
        assert done.complaint == f"stopped at step {done.stopped}; the state is kept and the same command continues from there"
        assert (done.continued, done.began) == (at, at or 0)
        assert run.saved()[-1] == done.stopped
        at = done.stopped
    done = run.train(until)
    assert (done.code, done.continued, done.complaint) == (0, at, "")
    assert run.result() == undisturbed(until)
    assert not run.scratch.exists()


def test_an_impatient_user_loses_nothing(new_run):
    run = new_run()
    training = run.start(1000)
    training.wait_for_training()
    for _ in range(3):
        training.notify(signal.SIGINT)
    done = training.finish()
    assert done.code == 130
    assert run.saved() == [done.stopped]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_training_begins(number, new_run):
    """While torch is imported there is nothing to keep."""
    run = new_run()
    command = [sys.executable, "-m", "sra", *run.command(10)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as training:
        maps = Path(f"/proc/{training.pid}/maps")
        while "libtorch_cpu" not in maps.read_text():
            time.sleep(0.01)
        os.kill(training.pid, number)
        text = training.communicate()[0]
    if number == signal.SIGINT:
        assert (training.returncode, len(text.splitlines())) == (130, 1)
        assert text.startswith("stopped")
    else:
        assert (training.returncode, text) == (-signal.SIGTERM, "")
    assert run.files() == {"config.json"}


@pytest.mark.slow
def test_twenty_kills(new_run, undisturbed):
    """A state after every step. Every second kill is aimed at the write of one; the others fall anywhere, from before the first step on.

    On a busy machine a write may be over before it is killed: there are more kills then.
    """
    until, spec = 160, {"width": 32}
    run, chance = new_run(**spec), random.Random(20)
    saved, falls_into_writes, kill = [], 0, 0
    while kill < 20 or falls_into_writes < 5:
        assert kill < 30, "writes are hardly ever met"
        before = run.left_half_written()
        training = run.start(until, minutes=0)
        if kill % 2:
            training.wait_for_training()
            training.wait_for_write(run.scratch, chance.randint(1, 3))
        else:
            time.sleep(chance.uniform(0, 0.25))
        done = training.send(signal.SIGKILL)
        assert done.code == -signal.SIGKILL
        assert not run.torn()
        if "starting" in done.text:
            assert done.began == (saved[-1] if saved else 0), "it did not continue from its newest whole state"
        saved = run.saved()
        if saved:
            assert run.logged() <= saved[-1] + 1, "more than one step was lost"
        falls_into_writes += bool(run.left_half_written() - before)
        kill += 1
    done = run.train(until)
    assert (done.code, done.began) == (0, saved[-1])
    assert run.result() == undisturbed(until, **spec)
    assert not run.left_half_written()
    assert not run.scratch.exists()


def test_states_are_saved_an_interval_apart(new_run):
    run, seen = new_run(), set()
    training = run.start(100_000, minutes=0.3 * SECONDS)
    training.wait_for(lambda: seen.add(run.newest()) or len(seen) > 4)
    training.send(signal.SIGKILL)
    assert len(run.saved()) >= 2
    steps = sorted(seen)
    assert max(later - earlier for earlier, later in pairwise(steps)) > 1, "a state after every step is one of interval 0"


@pytest.mark.parametrize("moment", ["state", "receipt", "curve"])
def test_a_kill_while_the_results_are_written(moment, new_run, undisturbed):
    """The same command again writes them, and nothing half-written stays beside them."""
    until, spec = 10, {"width": 96}
    for _ in range(10):
        run = new_run(**spec)
        folder, missing = {
            "state": (run.state().parent, run.state()),
            "receipt": (run.state().parent, run.state().with_name("end.safetensors.receipt.json")),
            "curve": (run.curve().parent, run.curve()),
        }[moment]
        training = run.start(until)
        if moment == "receipt":
            training.wait_for_moment(run.state().exists)
        training.wait_for_write(folder, 1)
        code = training.send(signal.SIGKILL).code
        # The moment lasts a few milliseconds; on a busy machine it may pass between seeing it and killing.
        if code == -signal.SIGKILL and run.left_half_written() and not missing.exists():
            break
    else:
        pytest.fail(f"ten kills in a row missed the write of the {moment}")
    assert not run.torn()
    assert run.train(until).code == 0
    assert run.result() == undisturbed(until, **spec)
    assert not run.left_half_written()


def test_the_bytes_reach_the_disk_before_the_name(tmp_path, monkeypatch):
    """A kill cannot show this, only a power failure: the disk may otherwise hold the new name with nothing behind it."""
    path, synced, fsync = tmp_path / "state", set(), os.fsync

    def recorded(file: int) -> None:
        if not path.exists():
            synced.add(os.fstat(file).st_ino)
        fsync(file)

    monkeypatch.setattr(os, "fsync", recorded)
    with written_whole(path) as temporary:
        temporary.write_bytes(b"all of it")
    assert path.stat().st_ino in synced
