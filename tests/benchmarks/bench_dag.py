"""How long Snakemake plans, beside what Snakemake takes for as many jobs of one bare rule; and how soon a command without torch is at work.

    sra bench dag --quick     the presets; a minute
    sra bench dag             and with three seeds, and a registry of 2,000 runs more

Each plan is `snakemake -n` in a fresh folder without results, so everything is still to do. The jobs are counted from what it prints.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from harness import Row, Timing, options_of, publish

from sra.core.progress import Progress

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
BARE = """\
rule all:
    input:
        [f"{{number}}.txt" for number in range({count})],


rule one:
    output:
        "{{number}}.txt",
    shell:
        "touch {{output}}"
"""
PEER = "Snakemake on as many jobs of one bare rule"
LOOKS = 0.01  # seconds between two
TORCH = [sys.executable, "-c", "import torch"]


@dataclass
class Command:
    """What is typed in a folder. jobs, megabytes: what a plan said, and its peak."""

    what: str
    words: list[str]
    folder: Path
    environment: dict[str, str]
    jobs: int = 0
    megabytes: float = 0.0
    seconds: list[float] = field(default_factory=list)

    def run(self, counts: bool) -> None:
        """A run that does not count says how much memory it takes. Ends the benchmark when it fails."""
        with tempfile.TemporaryFile("w+") as printed:
            began = time.perf_counter()
            process = subprocess.Popen(self.words, cwd=self.folder, env=self.environment, stdout=printed, stderr=subprocess.STDOUT)
            while not counts and process.poll() is None:  # looking would take time of its own, and the kernel's account begins with this process's
                self.megabytes = max(self.megabytes, _peak_of(process.pid))
                time.sleep(LOOKS)
            process.wait()
            seconds = time.perf_counter() - began
            printed.seek(0)
            said = printed.read()
        if process.returncode:
            sys.exit(f"{' '.join(self.words)} ended with {process.returncode}:\n{said[-2000:]}")
        if found := re.search(r"^total +(\d+)$", said, re.MULTILINE):
            self.jobs = int(found[1])
        if counts:
            self.seconds.append(seconds)

    @property
    def timing(self) -> Timing:
        return Timing(tuple(self.seconds))


def _peak_of(pid: int) -> float:
    """Megabytes of memory that a process has held at its peak; 0 where it has just ended."""
    try:
        said = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    found = re.search(r"^VmHWM:\s+(\d+) kB$", said, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def snakemake(what: str, checkout: Checkout, *arguments: str) -> Command:
    words = [sys.executable, "-m", "snakemake", "--cores", "1", "--dry-run", *arguments]
    return Command(what, words, checkout.folder, checkout.environment)


def sra(what: str, checkout: Checkout, *arguments: str) -> Command:
    return Command(what, [sys.executable, "-m", "sra", *arguments], checkout.folder, checkout.environment)


def with_runs(checkout: Checkout, count: int) -> None:
    """So many runs in one experiment, each with a weight of its own, and a table with a row of each."""
    names = [f"sit_b2_sra_w{number}" for number in range(count)]
    runs = "\n".join(f"  {name}: {{method: sra, weight: {0.1 + number / 1e4:.4f}}}" for number, name in enumerate(names))
    (checkout.folder / "config/experiments/many.yaml").write_text(EXPERIMENT.format(runs=runs))
    rows = "\n".join(f"  - {{label: {name}, run: {name}}}" for name in names)
    (checkout.folder / "report/tables/table_9.yaml").write_text(TABLE.format(rows=rows))


def bare(folder: Path, count: int) -> Command:
    folder.mkdir()
    (folder / "Snakefile").write_text(BARE.format(count=count - 1), encoding="utf-8")
    return Command(PEER, [sys.executable, "-m", "snakemake", "--cores", "1", "--dry-run"], folder, dict(os.environ))


def take_turns(commands: list[Command], turns: int) -> None:
    """One after the other in each turn, after one that does not count and that fills the disk's cache."""
    warm_up = 1 if turns > 1 else 0
    with Progress("benchmark", (warm_up + turns) * len(commands), "commands") as progress:
        for turn in range(warm_up + turns):
            for command in commands:
                command.run(counts=turn >= warm_up)
                progress.advance()


def main() -> None:
    parser = options_of(__doc__, turns=3, runs=2000)
    parser.add_argument("--quick", action="store_true", help="the presets alone, with one seed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        usual, large = Checkout(folder / "usual"), Checkout(folder / "large")
        with_runs(large, options.runs)
        plans = [snakemake("preset digits", usual), snakemake("preset paper", usual, "--config", "preset=paper")]
        once = []
        if not options.quick:
            plans.append(snakemake("preset paper, three seeds", usual, "--config", "preset=paper", "seeds=[0, 1, 2]"))
            once.append(snakemake(f"{options.runs:,} runs more", large, "table_9"))
        starts = [
            sra("sra --help", usual, "--help"),
            sra("sra resolve", usual, "resolve", "sit_b2_sra", "--preset", "paper", "--output", "run.json"),
            sra("sra table table_1", usual, "table", "table_1", "--preset", "digits"),
        ]
        imported = Command("importing torch", TORCH, folder, dict(os.environ))
        for command in (*plans, *once):
            command.run(counts=False)  # to count its jobs
        floors = {command.what: bare(folder / f"bare_{command.jobs}", command.jobs) for command in (*plans, *once)}
        take_turns([*plans, *(floors[plan.what] for plan in plans), *starts, imported], options.turns)
        take_turns([*once, *(floors[plan.what] for plan in once)], turns=1)
    rows = [
        Row(f"snakemake -n, {plan.what}", plan.timing, PEER, floors[plan.what].timing, None, f"{plan.jobs:,} jobs, {plan.megabytes:.0f} MB")
        for plan in (*plans, *once)
    ]
    rows += [Row(start.what, start.timing, imported.what, imported.timing) for start in starts]
    publish("planning and starting", rows, options, runs=options.runs)


if __name__ == "__main__":
    main()
