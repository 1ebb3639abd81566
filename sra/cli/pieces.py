"""The command that runs listed jobs one after another in this process, a piece at a time: for a machine without Snakemake."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Annotated

import typer

from sra.core.errors import InputError, Interrupted

if TYPE_CHECKING:
    from sra.stages.run_jobs import Job

commands = typer.Typer()

TIME_IS_OVER = 75  # sysexits.h: EX_TEMPFAIL, try again later
STOPPING = (signal.SIGTERM, signal.SIGINT)
ASKED_AGAIN = 5.0  # seconds; a library may have swallowed the exception
POLL = 0.05

# Of a command line: quoted words; what a shell does more with than to split it; the redirections at its end.
QUOTED = re.compile(r"'[^']*'|\"[^\"$`\\]*\"")
SHELL = re.compile(r"[^\w \t./=@%+,:-]", re.ASCII)
REDIRECTIONS = re.compile(r"(?:[ \t](?:[12]?>[ \t]*[\w./=@%+,:-]+|2>&1))+[ \t]*$", re.ASCII)
REDIRECTION = re.compile(r"([12]?)>[ \t]*(&1|[^ \t]+)")
# They measure a process from its start, or become another one.
OWN_PROCESS = ("measure", "bench", "run-jobs")
# Training in several processes, or through Slurm, takes this process's place.
SHARED = ("SRA_PROCESSES", "SRA_NODES")


@commands.command()
def run_jobs(
    jobs: Annotated[Path, typer.Argument(help="what workflow/scripts/list_jobs.py wrote")],
    minutes: Annotated[float | None, typer.Option(help="of this piece; default: until all is done")] = None,
) -> None:
    """Run the jobs of a list in order, without Snakemake; what is there already is left out. The same command again goes on.

    Exit code 75 when the minutes are over and more is to do. What was being trained then kept its state; leave half a minute for that.

    Example: sra run-jobs results/digits/jobs.json --minutes 8
    """
    from sra.core.locks import only_one
    from sra.stages.run_jobs import read_list

    if minutes is not None and not 0 < minutes < float("inf"):
        raise InputError(f"sra run-jobs: --minutes {minutes:g}: expected more than 0, such as 8; leave it out to run until all is done")
    listed = read_list(jobs)
    os.environ.update(listed.environment)
    busy = f"{jobs}: another process runs this list; wait for it, or end it, and run this command again"
    with only_one(jobs.with_name(f"{jobs.name.removesuffix('.json')}.lock"), busy), Piece(minutes) as piece:
        _run(jobs, listed.jobs, piece)


def _run(path: Path, jobs: "tuple[Job, ...]", piece: "Piece") -> None:
    from sra.core.progress import Progress
    from sra.stages.run_jobs import Record, as_new, failure, finish, keys_of, prepare, remove_read, still_to_do

    record, keys = Record.beside(path), keys_of(jobs)
    to_do = still_to_do(jobs, keys, record)
    temporary = {output for job in jobs for output in job.temporary}
    with Progress("run jobs", len(jobs), "jobs", done=len(jobs) - len(to_do)) as progress:
        for place, job in enumerate(to_do):
            if piece.signal is not None:
                break
            prepare(job)
            record.begin(job, keys[job.name])
            if not progress.live:
                print(job.said, file=sys.stderr, flush=True)
            started = time.monotonic()
            code = execute(job.command, piece)
            piece.take_signals(code)
            as_new()
            seconds = record.spent(job) + time.monotonic() - started
            if code:
                record.end(job, seconds, done=False)
                if piece.signal is None:
                    raise failure(job, code)
                break
            finish(job, seconds)
            record.end(job, seconds, done=True)
            remove_read(job, to_do[place + 1 :], temporary)
            progress.advance()
    _leave(len(jobs), to_do[progress.done - progress.first :], progress.done > progress.first, piece)


def _leave(count: int, left: "list[Job]", got_on: bool, piece: "Piece") -> None:
    """Say what is done and what comes next, as the last line of stdout. got_on: whether this piece has done any job."""
    said = f"{count - len(left)} of {count} jobs done, {piece.spent / 60:.1f} min"
    if not left:
        print(said)
        return
    said = f"{said}; the same command goes on (next: {left[0].message})"
    if not piece.is_over:
        raise Interrupted(said, piece.signal)
    if not got_on and not left[0].resumes:
        said = f"{said}; that had this whole piece and begins anew in each: give it more minutes"
    print(said)
    raise typer.Exit(TIME_IS_OVER)


class Piece:
    """The time of one call. A signal, this process's own at the deadline among them, stops the job at work, and no other begins.

    Training takes signals itself: it saves its state first. Any other job is stopped by an exception; what it writes appears whole or not at all.
    """

    def __init__(self, minutes: float | None):
        self.seconds = None if minutes is None else 60 * minutes
        self.signal: int | None = None
        self.is_over = False  # by the deadline
        self.interruptible = False
        self.process, self.started = os.getpid(), time.monotonic()

    def __enter__(self) -> "Piece":
        self.previous = {number: signal.getsignal(number) for number in STOPPING}
        self.take_signals()
        self.ended, self.clock = Event(), Thread(target=self._ring, daemon=True)
        if self.seconds is not None:
            self.clock.start()
        return self

    def __exit__(self, *error) -> None:
        self.ended.set()
        if self.clock.is_alive():
            self.clock.join()
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    @property
    def spent(self) -> float:
        return time.monotonic() - self.started

    def take_signals(self, code: int = 0) -> None:
        """After a job too: training takes them for itself, ends with a code that says which came, and at its end leaves them ignored."""
        for number in STOPPING:
            signal.signal(number, self._asked)
        if code - 128 in STOPPING:
            self.signal = self.signal or code - 128

    def _ring(self) -> None:
        wait = self.seconds
        while not self.ended.wait(wait):
            self.is_over = self.is_over or self.signal is None
            self.signal = self.signal or signal.SIGTERM  # even where the job at work ignores it
            os.kill(self.process, signal.SIGTERM)
            wait = ASKED_AGAIN

    def _asked(self, number: int, frame) -> None:
        if os.getpid() != self.process:  # a copy of this process
            os._exit(128 + number)
        self.signal = self.signal or number
        self.stop_if_asked()

    def stop_if_asked(self) -> None:
        if self.signal is not None and self.interruptible:
            raise Interrupted("stopped; nothing half-written was kept, and the same command starts this job again", self.signal)


def execute(command: str, piece: Piece) -> int:
    """Run a command line as a shell would; returns its exit code, negative for a signal's number.

    `[exec] sra ...` with redirections at its end is called in this process: starting Python, torch and CUDA for each job would take seconds.
    """
    plain = understood(command)
    if plain is None or plain[0][0] in OWN_PROCESS or "SLURM_JOB_ID" in os.environ or any(os.environ.get(name, "1") != "1" for name in SHARED):
        return _by_bash(command, piece)
    arguments, redirections = plain
    try:
        with redirected(redirections):
            return _called(arguments, piece)
    except Interrupted as stop:  # between two lines of this file
        return stop.exit_code


def understood(command: str) -> tuple[list[str], list[tuple[int, str | None]]] | None:
    """The words after `sra`, and (descriptor, file) of each redirection in order, None for `2>&1`. None of a command that needs a shell."""
    end = REDIRECTIONS.search(command)
    line = command[: end.start()] if end else command
    if SHELL.search(QUOTED.sub("", line)):
        return None
    words = shlex.split(line)
    words = words[1:] if words[:1] == ["exec"] else words
    if len(words) < 2 or words[0] != "sra":
        return None
    found = REDIRECTION.findall(end[0]) if end else []
    return words[1:], [(int(descriptor or 1), None if file == "&1" else file) for descriptor, file in found]


@contextmanager
def redirected(redirections: list[tuple[int, str | None]]) -> Iterator[None]:
    """Of the process itself, so that libraries that hold on to today's sys.stderr and programs that a job starts write there too."""
    _flush()
    before = {descriptor: os.dup(descriptor) for descriptor in (1, 2)}
    try:
        for descriptor, file in redirections:
            if file is None:
                os.dup2(1, descriptor)
                continue
            opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
            os.dup2(opened, descriptor)
            os.close(opened)
        yield
    finally:
        _flush()
        for descriptor, copy in before.items():
            os.dup2(copy, descriptor)
            os.close(copy)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


def _called(arguments: list[str], piece: Piece) -> int:
    from sra.cli import main  # which imports this module

    before, sys.argv = sys.argv, ["sra", *arguments]
    try:
        piece.interruptible = True
        piece.stop_if_asked()
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Interrupted:
        raise
    except Exception:
        traceback.print_exc()  # as Python ends
        return 1
    finally:
        piece.interruptible = False
        sys.argv = before
    return 0


def _by_bash(command: str, piece: Piece) -> int:
    """In a session of its own: Ctrl-C reaches it through this process, which waits until it has saved what it has."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    _flush()
    child = subprocess.Popen(["bash", "-euo", "pipefail", "-c", command], env=environment, start_new_session=True)
    told = False
    while True:
        try:
            return child.wait(timeout=POLL)
        except subprocess.TimeoutExpired:
            if piece.signal is not None and not told:
                os.killpg(child.pid, signal.SIGTERM)
                told = True
