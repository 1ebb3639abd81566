"""Where the time of a whole build went, such as that of `make run`: core-seconds of its jobs by what they did, as Snakemake wrote them down.

    sra bench chain                    after `make run`, in the same checkout
    sra bench chain --results FOLDER   of another checkout's results

Each share is of what the cores had between the first job's start and the last one's end. What starting the processes took is what the jobs wrote
into their logs during the build, and is part of the other rows.
"""

import csv
import os
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from harness import Row, Timing, options_of, publish

from sra.core.progress import STARTED

# What jobs do, by the folder of their records.
WORK = {
    "training the models": ("train",),
    "sampling": ("sample",),
    "scoring": ("score", "make_reference", "reference_features"),
    "stand-ins for the VAE, DINOv2, CLIP and Inception": ("train_vae", "train_encoder", "train_clip", "train_extractor"),
    "latents, features and texts": (
        *("extract_latents", "extract_features", "extract_text"),
        *("finish_latents", "finish_features", "finish_text"),
    ),
    "probes, PCA and costs": ("probe", "pca", "measure"),
}
ELSE = "everything else"
START = re.compile(rf"^{STARTED} (\d+\.\d+) s$", re.MULTILINE)
ONE_BUILD = 0.5  # of the cores' time: with less, the records are those of several builds


@dataclass(frozen=True)
class Job:
    """One record. kind: the folder that it is in.  end: when it was written, by the file system's clock.

    start: seconds of it that starting its process took, as its log says; None where the log does not.
    """

    kind: str
    seconds: float
    end: float
    start: float | None


def main() -> None:
    parser = options_of(__doc__, turns=None)
    parser.add_argument("--results", type=Path, default=Path("results"), help="where the build wrote; default %(default)s")
    parser.add_argument("--preset", default="digits", help="default %(default)s")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="that the build had; default all of this machine's, %(default)s")
    options = parser.parse_args()
    jobs = jobs_of(options.results, options.preset)
    if not jobs:
        sys.exit(f"{options.results}: holds no records of jobs of preset {options.preset}; build it first, with make run")
    elapsed = max(job.end for job in jobs) - min(job.end - job.seconds for job in jobs)
    had, worked = options.cores * elapsed, sum(job.seconds for job in jobs)
    if worked < ONE_BUILD * had:
        sys.exit(
            f"{options.results}: its {len(jobs)} jobs worked {worked:.0f} s within {elapsed:.0f} s of {options.cores} cores, so they are those "
            f"of several builds; give the results of one"
        )
    rows = rows_of(jobs, had, f"{options.cores} cores for {elapsed // 60:.0f} min {elapsed % 60:02.0f} s")
    publish(f"a build of {len(jobs)} jobs", rows, options, jobs=len(jobs), seconds=round(elapsed), cores=options.cores)


def jobs_of(results: Path, preset: str) -> list[Job]:
    """All records of a preset and of what its data sets share."""
    found = []
    for folder in [results / preset / "benchmarks", *sorted((results / "shared").glob("*/benchmarks"))]:
        for path in sorted(folder.rglob("*.tsv")):
            with path.open(encoding="utf-8", newline="") as lines:
                seconds = float(next(csv.DictReader(lines, delimiter="\t"))["s"])
            kind = path.relative_to(folder).parts[0].removesuffix(".tsv")
            found.append(Job(kind, seconds, path.stat().st_mtime, _start_of(path.relative_to(folder), folder.with_name("logs"))))
    return found


def _start_of(record: Path, logs: Path) -> float | None:
    """Of the job of a record: the log has the record's place, or its name alone."""
    for log in (logs / record.with_suffix(".log"), logs / f"{record.stem}.log"):
        if log.is_file() and (said := START.search(log.read_text(encoding="utf-8", errors="replace"))):
            return float(said[1])
    return None


def rows_of(jobs: list[Job], had: float, peer: str) -> list[Row]:
    """had: core-seconds of the build."""
    works = {kind: work for work, kinds in WORK.items() for kind in kinds}
    count, seconds = Counter(), Counter()
    for job in jobs:
        count[works.get(job.kind, ELSE)] += 1
        seconds[works.get(job.kind, ELSE)] += job.seconds
    starts = [job.start for job in jobs if job.start is not None]

    def row(what: str, of_it: float) -> Row:
        return Row(what, Timing((of_it,)), peer, Timing((had,)))

    rows = [row(f"the whole build: {work}, {count[work]} jobs", took) for work, took in seconds.most_common()]
    rows.append(row("the whole build: Snakemake itself, and cores that waited", had - sum(seconds.values())))
    if not starts:
        print("What starting the processes took is not in the logs of this build, which an earlier version made.", file=sys.stderr)
        return rows
    some = "" if len(starts) == len(jobs) else f" of {len(jobs)}"
    return [*rows, row(f"the whole build: {len(starts)}{some} processes starting, in the rows above", sum(starts))]


if __name__ == "__main__":
    main()
