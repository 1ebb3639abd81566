"""Listed jobs in pieces: what is left out, what is made again, and how a piece ends."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sra.cli.pieces import Piece
from sra.core.files import write_json
from sra.stages.run_jobs import Record, as_new

ROOT = Path(__file__).parents[3]

# The command line with a few stages of no time; each adds its name to the file `calls`.
STAGES = '''
import os, signal, time
from pathlib import Path
from sra import cli
from sra.core.errors import InputError, Interrupted, StageError
from sra.core.files import write_text

def called(what):
    with open("calls", "a") as file:
        file.write(f"{what}\\n")

@cli.app.command()
def make(output: str, reads: list[str] = []):
    called(output)
    write_text(output, "".join(Path(path).read_text() for path in reads) + output)

@cli.app.command()
def fail(how: str):
    raise {"input": InputError, "stage": StageError}.get(how, ValueError)(f"the {how} is bad" + (how == "long") * "\\n\\nTry another library")

@cli.app.command()
def sleep(output: str):
    called(output)
    time.sleep(60)

@cli.app.command()
def half(output: str):
    """Two files are to be there at its end; killed after the first."""
    called(output)
    write_text(output, "")
    os.kill(os.getpid(), signal.SIGKILL)

@cli.app.command()
def deaf(output: str):
    """As a library that takes every exception for its own."""
    try:
        time.sleep(60)
    except Exception:
        write_text(output, "")

commands = cli.training.commands
commands.registered_commands = [one for one in commands.registered_commands if one.callback.__name__ != "train"]

@commands.command()
def train(output: str, steps: int):
    """As training: a signal is remembered, the state is kept, the same command goes on, and at its end signals are ignored."""
    asked = []
    before = {number: signal.signal(number, lambda number, frame: asked.append(number)) for number in (signal.SIGTERM, signal.SIGINT)}
    state = Path(f"{output}.state")
    done = len(state.read_text()) if state.exists() else 0
    called(f"{output} from {done}")
    for step in range(done, steps):
        time.sleep(0.02)
        with state.open("a") as file:
            file.write(".")
        if asked:
            for number, handler in before.items():
                signal.signal(number, handler)
            raise Interrupted(f"stopped at step {step}; the state is kept", asked[0])
    write_text(output, state.read_text())
    for number in before:
        signal.signal(number, signal.SIG_IGN)

if __name__ == "__main__":
    cli.main()
'''


def job(command: str, *outputs: str, reads: tuple[str, ...] = (), **given) -> dict:
    name = outputs[0].replace("/", "_")
    return {"rule": f"rule_{name}", "message": f"make {name}", "command": command, "threads": 1, "inputs": reads, "outputs": outputs} | given


def makes(output: str, *reads: str, **given) -> dict:
    return job(f"sra make {output} {' '.join(f'--reads {path}' for path in reads)}", output, reads=reads, **given)


class Place:
    """A folder with a list of jobs."""

    def __init__(self, folder: Path):
        self.folder = folder
        (folder / "stages.py").write_text(STAGES)

    def write(self, *jobs: dict, environment: dict | None = None) -> None:
        write_json(self.folder / "jobs.json", {"environment": environment or {}, "jobs": jobs})

    def start(self, *options: str) -> subprocess.Popen:
        command = [sys.executable, "stages.py", "run-jobs", "jobs.json", *options]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=self.folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True, **pipes)

    def run(self, *options: str) -> tuple[int, list[str], list[str]]:
        """As `end_of`."""
        return self.end_of(self.start(*options))

    def end_of(self, process: subprocess.Popen) -> tuple[int, list[str], list[str]]:
        """Exit code, lines of stdout, lines of stderr, with N for the minutes that it took."""
        out, err = (re.sub(r"\b\d+\.\d min\b", "N min", text).splitlines() for text in process.communicate(timeout=120))
        return process.returncode, out, err

    def done(self) -> None:
        code, _, err = self.run()
        assert code == 0, err

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def wait_for_call(self) -> None:
        end = time.monotonic() + 60
        while not self.calls:
            assert time.monotonic() < end
            time.sleep(0.02)

    def __truediv__(self, path: str) -> Path:
        return self.folder / path


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(tmp_path)


# What is left out and what is made again


def test_jobs_run_in_order_and_not_twice(place):
    place.write(makes("a"), makes("deep/b", "a"), job("echo $SRA_DEVICE > c", "c"), environment={"SRA_DEVICE": "cpu"})
    code, out, err = place.run()
    assert (code, place.calls) == (0, ["a", "deep/b"])
    assert out == ["3 of 3 jobs done, N min"]
    assert (place / "c").read_text() == "cpu\n"
    assert "rule_deep_b (make deep_b)" in err
    assert (place / "deep/b").read_text() == "adeep/b"
    place.done()
    assert place.calls == ["a", "deep/b"]


def test_lists_whose_names_have_dots_have_records_of_their_own(tmp_path):
    names = ("jobs.json", "cfg-1.5", "cfg-1.8", "cfg-1.5.json")
    found = [Record.beside(tmp_path / name).path.name for name in names]
    assert found == ["jobs.done.json", "cfg-1.5.done.json", "cfg-1.8.done.json", "cfg-1.5.done.json"]


def test_what_was_made_elsewhere_is_trusted_and_what_is_missing_is_made(place):
    (place / "a").write_text("from elsewhere ")
    place.write(makes("a"), makes("b", "a"))
    place.done()
    assert (place / "b").read_text() == "from elsewhere b"
    assert place.calls == ["b"]
    (place / "b").unlink()
    place.done()
    assert place.calls == ["b", "b"]


def test_a_change_of_a_source_or_a_command_makes_all_that_follows_again_and_nothing_else(place):
    (place / "source").write_text("1")
    place.write(makes("a", "source"), makes("b", "a"), makes("c", "b"), makes("alone"))
    place.done()
    (place / "source").write_text("2")
    place.done()
    assert place.calls == ["a", "b", "c", "alone", "a", "b", "c"]
    assert (place / "c").read_text() == "2abc"
    os.utime(place / "source")  # the same bytes
    place.done()
    assert len(place.calls) == 7
    place.write(makes("a", "source"), makes("b", "a") | {"command": "sra make b --reads a --reads a"}, makes("c", "b"), makes("alone"))
    place.done()
    assert place.calls[7:] == ["b", "c"]


def test_what_was_made_elsewhere_from_something_that_changed_is_made_again(place):
    place.write(makes("a"))
    place.done()
    (place / "b").write_text("of the old a")
    place.write(makes("a") | {"command": "exec sra make a"}, makes("b", "a"))
    place.done()
    assert place.calls == ["a", "a", "b"]


def test_the_outputs_of_a_killed_job_are_not_taken_for_whole(place):
    place.write(job("sra half a", "a"))
    assert place.run()[0] == -signal.SIGKILL
    assert (place / "a").exists()
    place.run()
    assert place.calls == ["a", "a"]


def test_a_temporary_file_goes_when_all_that_reads_it_is_done_and_comes_back_when_one_is_to_do(place):
    shard = makes("shard", temporary=["shard"])
    place.write(shard, makes("b", "shard"), makes("c", "shard"))
    place.done()
    assert (place / "c").exists()
    assert not (place / "shard").exists()
    place.done()
    assert place.calls == ["shard", "b", "c"]
    (place / "c").unlink()
    place.done()
    assert place.calls[3:] == ["shard", "c"]


def test_a_benchmark_is_written_that_the_report_can_read(place):
    from sra.reporting.report.spending import spent_by_stage

    place.write(makes("a", benchmark="benchmarks/stage/a.tsv"))
    place.done()
    (spent,) = spent_by_stage([place / "benchmarks"])
    assert (spent.stage, spent.jobs, spent.peak_mib) == ("stage", 1, None)
    assert 0 < spent.seconds < 60


# How a piece ends


def test_training_goes_on_over_several_pieces(place):
    place.write(job("exec sra train out 200 2> log", "out", log="log"), makes("after", "out"))
    ends = []
    while not ends or ends[-1][0] == 75:
        assert len(ends) < 60
        ends.append(place.run("--minutes", "0.03"))
    assert len(ends) > 1
    assert ends[0][1] == ["0 of 2 jobs done, N min; the same command goes on (next: make out)"]
    assert ends[-1][0] == 0
    assert (place / "out").read_text() == 200 * "."  # no step twice
    starts = [int(call.split()[-1]) for call in place.calls if call.startswith("out")]
    assert starts == sorted(set(starts))
    assert len(starts) > 1
    assert json.loads((place / "jobs.done.json").read_text())["out"]["seconds"] > 200 * 0.02  # of all pieces


def test_a_job_that_starts_anew_each_time_and_takes_longer_than_a_piece_is_pointed_out(place):
    place.write(makes("a"), job("sra sleep b", "b"))
    code, out, _ = place.run("--minutes", "0.02")
    assert (code, place.calls) == (75, ["a", "b"])
    assert out == ["1 of 2 jobs done, N min; the same command goes on (next: make b)"]
    code, out, _ = place.run("--minutes", "0.02")
    assert code == 75
    assert out[-1].endswith("(next: make b); that had this whole piece and begins anew in each: give it more minutes")
    assert not (place / "b").exists()


def test_the_deadline_holds_for_the_job_after_one_that_left_signals_ignored(place):
    place.write(job("sra train a 1", "a"), job("sra sleep b", "b"))
    assert place.run("--minutes", "0.03")[0] == 75
    assert place.calls == ["a from 0", "b"]


def test_nothing_begins_after_the_deadline(place):
    place.write(job("sra deaf a", "a"), job("echo > b", "b"))
    code, out, _ = place.run("--minutes", "0.01")
    assert code == 75
    assert out[-1].startswith("1 of 2 jobs done")
    assert not (place / "b").exists()


@pytest.mark.parametrize(
    ("number", "command"), [(signal.SIGINT, "sra sleep b"), (signal.SIGTERM, "sra sleep b"), (signal.SIGINT, "sra train b 5000")]
)
def test_stopped_from_outside(place, number, command):
    place.write(job(command, "b"))
    process = place.start("--minutes", "10")
    place.wait_for_call()
    process.send_signal(number)
    code, _, err = place.end_of(process)
    assert code == 128 + number
    assert err[-1] == "0 of 1 jobs done, N min; the same command goes on (next: make b)"


def test_a_program_of_the_shell_is_told_too_and_may_save_what_it_has(place):
    place.write(job("trap 'echo state > saved; exit 143' TERM; sleep 60 & wait", "b"))
    assert place.run("--minutes", "0.01")[0] == 75
    assert (place / "saved").exists()


def test_signals_are_as_before_when_it_ends():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with Piece(0.001) as piece:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        piece.take_signals()
        while not piece.is_over:
            time.sleep(0.01)
        assert piece.signal == signal.SIGTERM
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


@pytest.mark.parametrize(
    ("how", "code", "log"),
    [("input", 2, "error: the input is bad"), ("stage", 1, "error: the stage is bad"), ("bug", 1, "ValueError: the bug is bad")],
)
def test_a_failed_job_is_named_with_its_error_and_its_log(place, how, code, log):
    place.write(makes("a"), job(f"sra fail {how} 2> logs/b.log", "b", log="logs/b.log"), makes("c"))
    found, _, err = place.run()
    assert found == code
    assert err[-1] == f"error: rule_b (make b): {log.removeprefix('error: ')} (log: logs/b.log)"
    assert (place / "logs/b.log").read_text().splitlines()[-1] == log
    assert place.calls == ["a"]


def test_of_a_message_of_several_lines_the_first_is_told(place):
    """Libraries end theirs with advice that may be wrong here."""
    place.write(job("sra fail long 2> logs/b.log", "b", log="logs/b.log"))
    _, _, err = place.run()
    assert err[-1] == "error: rule_b (make b): ValueError: the long is bad (log: logs/b.log)"


def test_a_job_that_does_not_write_its_output_failed(place):
    place.write(job("sra make a", "a", "b"))
    code, _, err = place.run()
    assert code == 1
    assert err[-1] == "error: rule_a (make a): ended without an error but did not write b (log: None)"


# What is refused


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (None, (), "jobs.json: no such file; write it with workflow/scripts/list_jobs.py"),
        ("[", (), "jobs.json: not valid JSON"),
        ('{"jobs": []}', (), "jobs.json: environment is missing"),
        ('{"environment": {}, "jobs": []}', (), "jobs.json: jobs: Tuple should have at least 1 item"),
        (json.dumps({"environment": {}, "jobs": [makes("b", "a"), makes("a")]}), (), "reads a, which a later job makes"),
        (json.dumps({"environment": {}, "jobs": [makes("a"), makes("a")]}), (), "two of its jobs make the same file"),
        (json.dumps({"environment": {}, "jobs": [makes("b", "a")]}), (), "rule_b (make b): needs a, which is not here"),
        (json.dumps({"environment": {}, "jobs": [makes("a")]}), ("--minutes", "0"), "--minutes 0: expected more than 0, such as 8"),
        (json.dumps({"environment": {}, "jobs": [makes("a")]}), ("--minutes", "nan"), "--minutes nan: expected more than 0, such as 8"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(place, content, options, message):
    if content is not None:
        (place / "jobs.json").write_text(content)
    code, _, err = place.run(*options)
    assert code == 2
    assert message in err[-1]
    assert [line for line in err if line.startswith("error: ")] == err[-1:]
    assert place.calls == []


def test_one_list_is_run_once_at_a_time(place, monkeypatch):
    from sra.core import locks
    from sra.core.errors import StageError

    place.write(job("sra sleep b", "b"))
    process = place.start()
    place.wait_for_call()
    monkeypatch.setattr(locks, "PATIENCE", 0.1)
    with pytest.raises(StageError), locks.only_one(place / "jobs.lock", ""):
        pass
    process.terminate()
    process.communicate(timeout=60)


def test_a_job_finds_the_settings_of_a_new_process():
    """Training leaves the format of its products behind, and scoring may not even ask for it then."""
    import torch

    products = torch.backends.cuda.matmul
    before = products.fp32_precision
    try:
        products.fp32_precision = "tf32"
        as_new()
        assert products.fp32_precision == "none"
        assert products.allow_tf32 is False
    finally:
        products.fp32_precision = before
