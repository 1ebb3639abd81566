"""A list of jobs that run without Snakemake: which of them are still to do, by a record beside the list. No torch is imported."""

import gc
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from sra.core.errors import InputError, StageError, spelled_out
from sra.core.files import read_json, sha256_of_file, sha256_of_json, write_json, write_text
from sra.spec.base import Strict
from sra.spec.load import checked

LARGEST_HASHED = 2**28  # bytes; of a larger source the size and the time of its last change stand for its bytes
LAST_BYTES = 2**16  # of a log, in which its error is looked for
ERROR = "error: "  # how the command line begins one
TRACEBACK = "Traceback (most recent call last):"
BENCHMARK = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time"  # Snakemake's columns


class Job(Strict):
    """A rule's command with all words filled in, and the files that it reads and writes."""

    rule: str
    message: str
    command: str
    threads: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...] = Field(min_length=1)
    temporary: tuple[str, ...] = ()  # outputs that are removed when all that reads them is done
    log: str | None = None
    benchmark: str | None = None

    @property
    def name(self) -> str:
        """No other job of a list makes this file."""
        return self.outputs[0]

    @property
    def said(self) -> str:
        """The rule, and what it does in the rule's own words."""
        return self.rule if self.message == self.rule else f"{self.rule} ({self.message})"

    @property
    def resumes(self) -> bool:
        """Whether it keeps its state when it is stopped, as training does."""
        return self.command.removeprefix("exec ").startswith("sra train ")


class JobList(Strict):
    """What `workflow/scripts/list_jobs.py` writes. environment: variables that the workflow sets for its jobs."""

    environment: dict[str, str]
    jobs: tuple[Job, ...] = Field(min_length=1)


class Entry(Strict):
    """What became of a job. seconds: that it took, of a job that resumes in all its parts."""

    key: str
    done: bool
    seconds: float = 0.0


def read_list(path: Path) -> JobList:
    """Raises InputError for a file that is missing or no list of jobs, each after those that it reads from."""
    hint = "expected what workflow/scripts/list_jobs.py writes; run that again"
    if not path.is_file():
        raise InputError(f"{path}: no such file; write it with workflow/scripts/list_jobs.py, on a machine with Snakemake")
    try:
        found = checked(read_json(path), JobList, str(path))
    except InputError as error:
        raise InputError(f"{error}; {hint}") from None
    made = [output for job in found.jobs for output in job.outputs]
    later = set(made)
    for job in found.jobs:
        if early := later & set(job.inputs):
            raise InputError(f"{path}: {job.said} reads {min(early)}, which a later job makes; {hint}")
        later -= set(job.outputs)
    if len(made) > len(set(made)):
        raise InputError(f"{path}: two of its jobs make the same file; {hint}")
    return found


def keys_of(jobs: Iterable[Job]) -> dict[str, str]:
    """By job, the hash of all that decides what it makes: its command, the sources that it reads, and the keys of the jobs that make the rest."""
    makers: dict[str, str] = {}
    sources: dict[str, str | list[int] | None] = {}
    keys: dict[str, str] = {}
    for job in jobs:
        for path in job.inputs:
            if path not in makers and path not in sources:
                sources[path] = _content(Path(path))
        read = {path: makers.get(path) or sources[path] for path in job.inputs}
        keys[job.name] = sha256_of_json([job.command, read])
        makers |= dict.fromkeys(job.outputs, keys[job.name])
    return keys


def _content(path: Path) -> str | list[int] | None:
    """None of what is missing: what was made from it may have come here without it."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if path.is_dir() or found.st_size > LARGEST_HASHED:
        return [found.st_size, found.st_mtime_ns]
    return sha256_of_file(path)


@dataclass
class Record:
    """Which jobs of a list were done here, and from what; written after each. It lies beside the list, so that it goes where the results go."""

    path: Path
    entries: dict[str, Entry]

    @classmethod
    def beside(cls, jobs: Path) -> "Record":
        path = jobs.with_name(f"{jobs.name.removesuffix('.json')}.done.json")
        return cls(path, checked(read_json(path), dict[str, Entry], str(path)) if path.exists() else {})

    def differs(self, job: Job, key: str) -> bool:
        """Whether its outputs are known to be made from something else. What was made elsewhere is trusted."""
        return job.name in self.entries and self.entries[job.name].key != key

    def half_done(self, job: Job) -> bool:
        return job.name in self.entries and not self.entries[job.name].done

    def spent(self, job: Job) -> float:
        """Seconds of its parts before this one."""
        return self.entries[job.name].seconds

    def begin(self, job: Job, key: str) -> None:
        """Before its first output can be there: a killed process leaves no half that would count as whole."""
        goes_on = job.resumes and self.half_done(job) and not self.differs(job, key)
        self._write(job, Entry(key=key, done=False, seconds=self.spent(job) if goes_on else 0.0))

    def end(self, job: Job, seconds: float, done: bool) -> None:
        self._write(job, Entry(key=self.entries[job.name].key, done=done, seconds=seconds))

    def _write(self, job: Job, entry: Entry) -> None:
        self.entries[job.name] = entry
        write_json(self.path, {name: each.model_dump() for name, each in self.entries.items()})


def still_to_do(jobs: tuple[Job, ...], keys: dict[str, str], record: Record) -> list[Job]:
    """In their order: those whose outputs are not all there, or are of other inputs. A temporary one may be missing where no job to do reads it."""
    changed: set[str] = set()
    for job in jobs:
        unrecorded = job.name not in record.entries
        if record.differs(job, keys[job.name]) or (unrecorded and changed & set(job.inputs)):
            changed |= set(job.outputs)
    read = {path for job in jobs for path in job.inputs}
    wanted = {path for job in jobs for path in job.outputs if path not in job.temporary or path not in read}
    found: list[Job] = []
    for job in reversed(jobs):
        missing = any(path in wanted and not Path(path).exists() for path in job.outputs)
        if missing or job.name in changed or record.half_done(job):
            found.append(job)
            wanted |= set(job.inputs)
    return found[::-1]


def prepare(job: Job) -> None:
    """Remove what is there of its outputs and make the folders, as Snakemake does. Raises InputError when an input is missing."""
    for path in job.inputs:
        if not Path(path).exists():
            raise InputError(f"{job.said}: needs {path}, which is not here and no job of the list makes; bring it here and run this again")
    for path in map(Path, job.outputs):
        path.unlink(missing_ok=True)
    for path in (*job.outputs, *(each for each in (job.log, job.benchmark) if each)):
        Path(path).parent.mkdir(parents=True, exist_ok=True)


def finish(job: Job, seconds: float) -> None:
    """Write its benchmark. Raises StageError when an output is missing."""
    for path in job.outputs:
        if not Path(path).exists():
            raise StageError(f"{job.said}: ended without an error but did not write {path} (log: {job.log})")
    if job.benchmark:
        clock = f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02d}:{int(seconds) % 60:02d}"
        # Memory and processor time of one job among others in a process are not known.
        unknown = "\tNA" * (BENCHMARK.count("\t") - 1)
        write_text(job.benchmark, f"{BENCHMARK}\n{seconds:.4f}\t{clock}{unknown}\n")


def remove_read(job: Job, left: list[Job], temporary: set[str]) -> None:
    """Of a job that is done: remove its temporary inputs that no other job still to do reads."""
    for path in temporary & set(job.inputs):
        if not any(path in other.inputs for other in left):
            Path(path).unlink(missing_ok=True)


def failure(job: Job, code: int) -> InputError | StageError:
    """The error that the job's log ends with, as one of the command line."""
    text = _last_error(Path(job.log)) if job.log else ""
    why = text or (f"ended by signal {-code}" if code < 0 else f"exit code {code}")
    return (InputError if code == 2 else StageError)(f"{job.said}: {why}{f' (log: {job.log})' if job.log else ''}")


def _last_error(log: Path) -> str:
    """The last line of an error; else what a traceback came to, whose message may have more lines; else the last line."""
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LAST_BYTES))
        lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix(ERROR) for line in lines if line.startswith(ERROR)]
    if not errors and TRACEBACK in lines:
        after = lines[len(lines) - lines[::-1].index(TRACEBACK) :]
        errors = [line for line in after if not line[0].isspace()][:1]
    return spelled_out((errors or lines or [""])[-1].strip())


def as_new() -> None:
    """Give back memory and settings of the whole process: the next job must not come out otherwise than in a process of its own."""
    gc.collect()
    if torch := sys.modules.get("torch"):
        torch.backends.cuda.matmul.fp32_precision = "none"  # torch's own; training and sampling choose theirs and leave it
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
        if "torch._dynamo" in sys.modules:
            torch.compiler.reset()  # else blocks of the ninth model are no longer compiled
