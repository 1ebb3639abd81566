"""Seeds are functions of their purpose; progress says what runs without carriage returns in a log."""

import os
import re
import subprocess
import sys
import time

import pytest

from sra.core import progress
from sra.core.progress import Progress, tracked
from sra.core.seeds import derive_seed


def test_seeds_are_fixed_and_unrelated():
    assert derive_seed(0, "noise", 1) == derive_seed(0, "noise", 1)
    seeds = {derive_seed(seed, purpose, step) for seed in range(4) for purpose in ("noise", "time") for step in range(250)}
    assert len(seeds) == 2000
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_seeds_do_not_run_together_at_their_seams():
    assert derive_seed(1, "a", 11) != derive_seed(11, "a", 1) != derive_seed(1, "a1", 1)


def test_a_log_gets_whole_lines(capsys, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    with Progress("train x", total=3, unit="steps", done=1) as bar:
        bar.advance(1, loss=0.5)
        bar.advance(1, loss=0.25)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "train x: 1/3 steps, starting"
    assert lines[1].startswith("train x: 2/3 steps")
    assert "loss 0.5" in lines[1]
    assert "s left" in lines[1]
    assert lines[-1].startswith("train x: 3/3 steps")
    assert "\r" not in "".join(lines)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(40, "40.0 s left"), (1500, "25 min 00 s left, until 10:25"), (7380, "2 h 03 min left, until 12:03"), (90_000, "1 d 1 h left, until Tue 11:00")],
)
def test_a_long_wait_says_when_it_ends(monkeypatch, seconds, text):
    ten_on_monday = time.mktime((2024, 1, 1, 10, 0, 0, 0, 0, -1))
    monkeypatch.setattr(time, "time", lambda: ten_on_monday)
    assert progress._time_left(seconds) == text


def test_items_pass_through():
    assert list(tracked(iter("abc"), "letters", 3)) == ["a", "b", "c"]


@pytest.mark.parametrize(("seconds", "text"), [(8.2, "8.2 s"), (59.96, "1 min 00 s"), (192, "3 min 12 s"), (7500, "2 h 05 min"), (273600, "3 d 4 h")])
def test_durations(seconds, text):
    assert progress.duration_text(seconds) == text


def test_what_starting_took_is_the_first_line_of_a_log_and_of_nothing_else(tmp_path):
    """A job's log is a file; a pipe, and the file of whoever calls a command, get what was asked for alone."""
    command = [sys.executable, "-c", "import time; time.sleep(0.3); from sra.core.progress import log_start; log_start()"]
    job = {**os.environ, "SRA_LOGGED": "1"}
    with (tmp_path / "log").open("w") as log, (tmp_path / "own").open("w") as own:
        subprocess.run(command, stderr=log, check=True, env=job)
        subprocess.run(command, stderr=own, check=True)
    said = re.fullmatch(r"started in (\d+\.\d\d) s\n", (tmp_path / "log").read_text())
    assert 0.3 <= float(said[1]) < 60
    assert (tmp_path / "own").read_text() == ""
    assert subprocess.run(command, stderr=subprocess.PIPE, check=True, env=job).stderr == b""


def test_nothing_is_said_where_the_system_does_not_know_when_it_started(monkeypatch, tmp_path):
    monkeypatch.setattr(progress, "OF_PROCESS", tmp_path / "stat")
    assert progress.seconds_running() is None
