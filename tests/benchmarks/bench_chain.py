"""Where the time of a whole build went, such as that of `make run`: core-seconds of its jobs by what they did, as Snakemake wrote them down.

    sra bench chain                    after `make run`, in the same checkout
    sra bench chain --results FOLDER   of another checkout's results

Each share is of what the cores had between the first job's start and the last one's end. What starting the processes took is measured here,
by importing what each of them imports, and is part of the other rows.
"""

import argparse
import csv
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness import Row, Timing, options_of, publish, take_turns

# What jobs do, by the folder of their records; each stage is what such a job imports.
WORK = {
    "training the models": {"train": "train"},
    "sampling": {"sample": "sample"},
    "scoring": {"score": "score", "make_reference": "make_reference", "reference_features": "reference_features"},
    "stand-ins for the VAE, DINOv2, CLIP and Inception": {
        "train_vae": "train_vae",
        "train_encoder": "train_encoder",
        "train_clip": "train_clip",
        "train_extractor": "train_extractor",
    },
    "latents, features and texts": {
        "extract_latents": "extract_latents",
        "extract_features": "extract_features",
        "extract_text": "extract_text",
        "finish_latents": "finish_latents",
        "finish_features": "finish_features",
        "finish_text": "finish_text",
    },
    "probes, PCA and costs": {"probe": "probe", "pca": "pca", "measure": "measure"},
}
ELSE, OTHER_STAGE = "everything else", "table"
ONE_BUILD = 0.5  # of the cores' time: with less, the records are those of several builds


@dataclass(frozen=True)
class Job:
    """One record. kind: the folder that it is in.  end: when it was written, by the file system's clock."""

    kind: str
    seconds: float
    end: float


def main() -> None:
    parser = options_of(__doc__, turns=3)
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
    rows = rows_of(jobs, had, f"{options.cores} cores for {elapsed // 60:.0f} min {elapsed % 60:02.0f} s", options)
    publish(f"a build of {len(jobs)} jobs", rows, options, jobs=len(jobs), seconds=round(elapsed), cores=options.cores)


def jobs_of(results: Path, preset: str) -> list[Job]:
    """All records of a preset and of what its data sets share."""
    found = []
    for folder in [results / preset / "benchmarks", *sorted((results / "shared").glob("*/benchmarks"))]:
        for path in sorted(folder.rglob("*.tsv")):
            with path.open(encoding="utf-8", newline="") as lines:
                seconds = float(next(csv.DictReader(lines, delimiter="\t"))["s"])
            kind = path.relative_to(folder).parts[0].removesuffix(".tsv")
            found.append(Job(kind, seconds, path.stat().st_mtime))
    return found


def rows_of(jobs: list[Job], had: float, peer: str, options: argparse.Namespace) -> list[Row]:
    """had: core-seconds of the build."""
    works = {kind: work for work, kinds in WORK.items() for kind in kinds}
    stages = {kind: stage for kinds in WORK.values() for kind, stage in kinds.items()}
    count, seconds = Counter(), Counter()
    for job in jobs:
        count[works.get(job.kind, ELSE)] += 1
        seconds[works.get(job.kind, ELSE)] += job.seconds
    wanted = Counter(stages.get(job.kind, OTHER_STAGE) for job in jobs)
    starts = take_turns({stage: starting(stage) for stage in wanted}, options.turns)
    starting_all = sum(jobs_of_it * starts[stage].median for stage, jobs_of_it in wanted.items())

    def row(what: str, of_it: float) -> Row:
        return Row(what, Timing((of_it,)), peer, Timing((had,)))

    rows = [row(f"the whole build: {work}, {count[work]} jobs", took) for work, took in seconds.most_common()]
    rows.append(row("the whole build: Snakemake itself, and cores that waited", had - sum(seconds.values())))
    return [*rows, row(f"the whole build: {len(jobs)} processes starting, in the rows above", starting_all)]


def starting(stage: str) -> Callable[[], object]:
    """A process that imports what the stage does, and ends."""
    code = f"import sra.commands; sra.commands.imported({stage!r})"
    return partial(subprocess.run, [sys.executable, "-c", code], check=True, capture_output=True)


if __name__ == "__main__":
    main()
