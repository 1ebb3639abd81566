"""A short build of the whole chain to be killed: its processes as the kernel lists them, how far its trainings are, and what it leaves.

One table of two runs on the digits: index, stand-in models, latents and REPA's features, training in two segments by two processes each,
samples in two shards, scores, the table and the page.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from checkout import Checkout

from sra.core.files import sha256_of_file
from sra.spec.scratch import last_entry

TABLE = """
id: table_s9
title: SRA and REPA
paper: none
columns: [{metric: fid, better: lower, format: ".2f"}]
score: {milestone: m400k, sampler: sde250, samples: 50000}
rows:
"""
RUNS = ("sit_b2_sra", "sit_xl2_repa_dinov2b")
STAGES = {
    "index": ("make-images", "index", "resolve"),
    "stand-ins": ("train-vae", "train-encoder", "train-extractor", "make-reference", "reference-features"),
    "latents and features": ("extract-latents", "finish-latents", "extract-features", "finish-features"),
    "training": ("train", "export"),
    "sampling": ("sample", "pack"),
    "scoring": ("score",),
    "rendering": ("table", "claims", "report", "registry", "appendix"),
}
STAGE_OF = {command: stage for stage, commands in STAGES.items() for command in commands}
PLANNING = "planning"  # Snakemake alone
# Times and memory as they were: of logs and benchmarks, and of what quotes them.
MEASURED = ("logs", "benchmarks", "report.html", "report.pdf", "appendix.md")
PATIENCE = 600  # seconds until something is said to hang
LOOKS = 0.02  # seconds between two


@dataclass(frozen=True)
class Process:
    """A living process of a build. role: snakemake, shell (of a rule), rule (its `sra ...`), worker (that a training starts), or other."""

    pid: int
    role: str
    stage: str


class Build:
    """The slice in a folder of its own. interval: seconds between rolling states.  processes: that train one run together."""

    def __init__(self, folder: Path, runs: tuple[str, ...] = RUNS, interval: float = 1.0, processes: int = 2):
        self.checkout, self.folder, self.runs, self.interval, self.lives = Checkout(folder), folder, runs, interval, 0
        self.options = ("--quiet", "host", "reason", "--rerun-incomplete", "--show-failed-logs", "--config", f"processes={processes}")
        self.checkout.show_only(table_s9=TABLE + "".join(f"  - {{label: {run}, run: {run}}}\n" for run in runs))
        self.checkout.shorten(
            milestones="{m200k: 150, m400k: 300}",
            samples="{50000: 64, 1000: 64}",
            evaluations="{250: 10}",
            shard_samples="40",
            reference_images="300",
            rolling_minutes=f"{interval / 60}",
            standins="{vae: {steps: 60}, encoder: {steps: 60}, extractor: {steps: 80}}",
            B="{depth: 8, width: 32, heads: 2}",
            XL="{depth: 8, width: 32, heads: 2}",
        )
        self.results = folder / "results"

    def start(self) -> "Life":
        self.lives += 1
        return Life(self, self.folder.with_name(f"{self.folder.name}_{self.lives:03d}.txt"))

    def undisturbed(self) -> dict[str, float]:
        """Build it in peace. Returns the seconds that a job of each stage takes."""
        life, lived = self.start(), {}
        while life.code is None:
            for process in life.new("rule"):
                lived[process] = (lived.get(process, (time.monotonic(), 0))[0], time.monotonic())
            time.sleep(LOOKS)
        assert life.code == 0, life.text
        times = {stage: [last - first for process, (first, last) in lived.items() if process.stage == stage] for stage in STAGES}
        return {stage: sum(seconds) / len(seconds) for stage, seconds in times.items() if seconds}

    def unlock(self) -> None:
        done = self.checkout.snakemake("--unlock", *self.options)
        assert done.returncode == 0, done.stdout

    def processes(self) -> list[Process]:
        """All that live in its folder, the oldest first."""
        return list(self._processes())

    def _processes(self) -> Iterator[Process]:
        for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
            try:
                if os.readlink(f"/proc/{pid}/cwd") != str(self.folder):
                    continue
                words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            role, words = _role(words)
            yield Process(pid, role, next((STAGE_OF[word] for word in words if word in STAGE_OF), PLANNING))

    def steps(self) -> dict[str, int]:
        """The last logged step of each run that is being trained."""
        found = {}
        for run in self.runs:
            for curve in (self.results / "tiny" / "runs" / run / "scratch").glob("*/curve.jsonl"):
                step = last_entry(curve).get("step", 0)
                if curve.exists():  # else it was just taken away
                    found[run] = step
        return found

    def digests(self) -> dict[str, str]:
        """SHA-256 of every file that holds no times, by path."""
        files = (path for path in self.results.rglob("*") if path.is_file())
        named = {str(path.relative_to(self.results)): path for path in files}
        return {name: sha256_of_file(path) for name, path in sorted(named.items()) if not set(MEASURED) & set(Path(name).parts)}

    def half_written(self) -> list[str]:
        """What bears the name of something that is not whole yet, and folders of rolling states."""
        found = (path for path in self.results.rglob("*") if path.name.startswith(".") or path.name == "scratch")
        return sorted(str(path.relative_to(self.results)) for path in found)


class Life:
    """One Snakemake process, in a process group with its jobs as a terminal would have it."""

    def __init__(self, build: Build, printed: Path):
        self.build, self.printed, self.began = build, printed, time.monotonic()
        self.known = {process.pid for process in build.processes()}  # left by earlier lives
        with printed.open("w") as file:
            self.process = subprocess.Popen(
                build.checkout.command(*build.options),
                cwd=build.folder,
                env=build.checkout.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    @property
    def code(self) -> int | None:
        return self.process.poll()

    @property
    def text(self) -> str:
        return self.printed.read_text(encoding="utf-8", errors="replace")

    @property
    def locked(self) -> bool:
        """Whether Snakemake said that the folder must be unlocked first."""
        return bool(self.code) and "can be removed with the --unlock argument" in self.text

    def new(self, role: str) -> list[Process]:
        """Processes of this role that this life started."""
        return [process for process in self.build.processes() if process.role == role and process.pid not in self.known]


def _role(words: list[str]) -> tuple[str, list[str]]:
    """Of a command line, and the words among which its stage is found."""
    if Path(words[0]).name in ("bash", "sh"):
        return "shell", " ".join(words).split()
    if "snakemake" in words:
        return "snakemake", []
    if words[1:] and Path(words[1]).name == "sra":
        return "rule", words[2:]
    return ("worker" if words[1:3] == ["-m", "sra"] else "other"), words
