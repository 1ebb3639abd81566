"""How long Snakemake takes to plan, and how much memory: `snakemake -n` of a preset, with several seeds, and of a registry of 2,000 runs.

Each plan is a process of its own in a fresh folder without results, so everything is still to do. The jobs are counted from what it prints.
Options: --turns (default 3), --runs of the large registry (default 2,000).
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from checkout import Checkout

TABLE = """\
id: table_9
title: A table of many runs
paper: none
columns:
  - {{metric: fid, better: lower, format: ".2f"}}
score: {{milestone: m400k, sampler: sde250, samples: 50000}}
rows:
{rows}
"""
EXPERIMENT = "recipe: sit\nmodel: SiT-B/2\nmilestones: [m400k]\nruns:\n{runs}\n"


@dataclass(frozen=True)
class Planned:
    """Medians over the turns. jobs: that a run would start.  cpu_seconds: of Snakemake's own process."""

    what: str
    jobs: int
    seconds: float
    cpu_seconds: float
    peak_megabytes: float


def with_runs(checkout: Checkout, count: int) -> None:
    """So many runs in one experiment, each with a weight of its own, and a table with a row of each."""
    names = [f"sit_b2_sra_w{number}" for number in range(count)]
    runs = "\n".join(f"  {name}: {{method: sra, weight: {0.1 + number / 1e4:.4f}}}" for number, name in enumerate(names))
    (checkout.folder / "config/experiments/many.yaml").write_text(EXPERIMENT.format(runs=runs))
    rows = "\n".join(f"  - {{label: {name}, run: {name}}}" for name in names)
    (checkout.folder / "report/tables/table_9.yaml").write_text(TABLE.format(rows=rows))


def plan(what: str, checkout: Checkout, turns: int, *arguments: str) -> Planned:
    measured = [_once(checkout, *arguments) for _ in range(turns)]
    jobs = measured[0][0]
    return Planned(what, jobs, *(statistics.median(column) for column in list(zip(*measured, strict=True))[1:]))


def _once(checkout: Checkout, *arguments: str) -> tuple[int, float, float, float]:
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--dry-run", *arguments]
    with tempfile.TemporaryFile("w+") as printed:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=checkout.folder, env=checkout.environment, stdout=printed, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        said = printed.read()
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{said[-2000:]}")
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return int(re.search(r"^total +(\d+)$", said, re.MULTILINE)[1]), seconds, usage.ru_utime + usage.ru_stime, kilobytes / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--runs", type=int, default=2000, help="of the large registry")
    parser.add_argument("--json", type=Path, help="file for everything that was measured")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        usual, large = Checkout(Path(folder, "usual")), Checkout(Path(folder, "large"))
        with_runs(large, given.runs)
        plans = [
            plan("preset digits", usual, given.turns),
            plan("preset paper", usual, given.turns, "--config", "preset=paper"),
            plan("preset paper, three seeds", usual, given.turns, "--config", "preset=paper", "seeds=[0, 1, 2]"),
            plan(f"a registry of {given.runs} more runs, all of them", large, 1, "table_9"),
            plan("one table of that registry", large, 1, "table_6"),
        ]
    for one in plans:
        rate = f"{1000 * one.seconds / one.jobs:.1f} ms a job"
        print(f"{one.what:45s} {one.jobs:6d} jobs {one.seconds:7.1f} s ({one.cpu_seconds:.1f} s of CPU, {rate}) {one.peak_megabytes:5.0f} MB")
    if given.json:
        given.json.write_text(json.dumps([asdict(one) for one in plans], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
