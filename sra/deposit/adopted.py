"""Taking over results that were copied: what is whole and wanted counts as finished, whatever the clock of the copy says.

Snakemake judges files by their times and by its own books (`.snakemake`), and a copy has neither. Both are made through its command line: `--touch`
writes the books for the jobs whose results are there, `--cleanup-metadata` takes out what must be made again.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from sra.content.required import training_points
from sra.core.errors import StageError, spelled_out
from sra.core.progress import Progress
from sra.deposit.held import BENCHMARKS, House, Unfit
from sra.spec.layout import Results

DAY = 86_400 * 10**9  # nanoseconds
STEP = re.compile(r"^(\d+) of (\d+) steps")
SAID = ("Error", "error", "cannot", "locked")  # of Snakemake's lines, those that name what was wrong


def check(house: House) -> list[Unfit]:
    """Hold every result against its receipt, with a bar."""
    found = []
    with Progress("checking results", len(house.files), "file") as progress:
        for file in house.files:
            found += [one] if (one := house.unfit(file)) else []
            progress.advance()
    return found


def take_over(house: House, unfit: Sequence[Unfit], targets: Sequence[str], config: Sequence[str]) -> None:
    """Have everything but `unfit` count as finished.

    targets, config: as Snakemake takes them.  Raises StageError where Snakemake does not plan, or another is at work in the folder: then nothing
    was touched. However it ends, what is unfit is older than what it is made from once anything was.
    """
    begun = False
    try:
        for _ in _books_kept(house.context.root, targets, config):
            begun = True
    except BaseException:
        if begun:
            _settle(house, unfit, config)
        raise
    _settle(house, unfit, config)


def _settle(house: House, unfit: Sequence[Unfit], config: Sequence[str]) -> None:
    set_times(house, [one.path for one in unfit])
    _forget(house.context.root, [str(one.path) for one in unfit], config)


def set_times(house: House, unfit: Iterable[Path]) -> None:
    """One instant for all that is whole, so that nothing is newer than what was made from it; a day before that for the rest.

    What no file goes into would never be made again for its time, so it is removed.
    """
    root, now, left = house.context.root, time.time_ns(), set(unfit)
    lost = {path for file in left for path in _of_lost_jobs(house, file)}
    for file in house.timed:
        moment = now - DAY * (file in left or file in lost)
        if file in left and is_first(file):
            (root / file).unlink()
        else:
            os.utime(root / file, ns=(moment, moment))


def is_first(file: Path) -> bool:
    """Whether the workflow makes it from no other file: a run's configuration, and images that are made here."""
    parts = file.parts
    return file.name == "config.json" if parts[1] != "shared" else parts[3] in ("images.zip", "coco")


def _of_lost_jobs(house: House, file: Path) -> Iterator[Path]:
    """What jobs left behind whose results are not there, from a file that must be made again back to what is there: Snakemake goes by its age."""
    _, preset, kind, *below = file.parts
    if preset == "shared" or kind not in ("runs", "samples", "scores", "probes", "pca") or len(below) < 2:
        return
    results, run, is_there = Results(preset), below[0], lambda path: (house.context.root / path).exists()
    folder, milestone = Path(results.folder), file.stem if kind == "runs" else Path(below[1]).stem
    if kind in ("samples", "scores"):
        drawn = Path(*below[:3], file.stem if kind == "scores" else below[3])
        if kind == "scores" and is_there(folder / "samples" / drawn / "samples.npz"):
            return
        yield folder / BENCHMARKS / "pack" / f"{drawn}.tsv"
        yield from (path for path in house.timed if path.is_relative_to(folder / BENCHMARKS / "sample" / drawn))
    if kind != "runs":
        if is_there(results.weights(run, milestone)):
            return
        yield folder / BENCHMARKS / "export" / run / f"{milestone}.tsv"
    points = [point.name for point in training_points(house.context.catalogue(), run)]
    upto = points[: points.index(milestone) + 1] if milestone in points else []
    for point in reversed(upto[:-1] if below[1] == "state" else upto):
        if is_there(results.state(run, point)):
            return
        yield from (folder / BENCHMARKS / "train" / run / f"{point}.tsv", Path(results.curve(run, point)))


def _books_kept(root: Path, targets: Sequence[str], config: Sequence[str]) -> Iterator[None]:
    """Have Snakemake write its books, job by job."""
    command = ["--touch", "--forceall", "--cores", "1", "--scheduler", "greedy", "--quiet", "host", "reason", "rules"]
    lines: list[str] = []
    with _snakemake(root, [*targets, *command], config) as process, ExitStack() as shown:
        progress = None
        for line in process.stdout:
            lines.append(line.rstrip())
            if step := STEP.match(line):
                done, total = int(step[1]), int(step[2])
                progress = progress or shown.enter_context(Progress("writing Snakemake's books", total, "job"))
                progress.advance(done - progress.done)
                yield
    if process.returncode:
        told = [line for line in lines if any(word in line for word in SAID)] or lines[-1:] or ["no word of why"]
        raise StageError(f"snakemake --touch: {spelled_out(told[0]).removeprefix('error: ')}; put that right and adopt again")


def _forget(root: Path, files: Sequence[str], config: Sequence[str]) -> None:
    """What the books say of files that must be made again: by the same hash of a small input they would count as up to date."""
    for start in range(0, len(files), 500):  # a command line has an end
        with _snakemake(root, ["--cleanup-metadata", *files[start : start + 500], "--cores", "1", "--quiet", "all"], config) as process:
            process.communicate()


def _snakemake(root: Path, arguments: Sequence[str], config: Sequence[str]) -> subprocess.Popen:
    given = ["--config", *config] if config else []
    command = [sys.executable, "-m", "snakemake", *arguments, *given]
    return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
