"""What each job asks of the machine. Snakemake asks again with every attempt, and each attempt is granted more than the one before.

Time: what the cost model predicts of this job at the rates of config/throughput.tsv, with a margin; the preset's own number where it predicts
nothing. Memory: what earlier jobs of the same run took here, with a margin; the preset's own number before there are any.
"""

import csv
from collections.abc import Callable
from functools import cache
from math import ceil
from pathlib import Path
from typing import Protocol

from sra.content.catalogue import Catalogue
from sra.spec.config import UserConfig
from sra.spec.scale import Needs

TIME_MARGIN = 1.3
LEAST_MINUTES = 5
MEMORY_MARGIN = 1.5
MEMORY_STEP = 100  # MB
LEAST_SECONDS = 10  # of a job, for its memory to count: Snakemake looks at a job now and then, and misses the peak of a short one
MEGABYTE = 10**6


class Asked(Protocol):
    """What is asked of the plan whose stages these are."""

    root: Path
    preset: str
    user: UserConfig

    def registry(self, preset: str) -> Catalogue: ...


class StageNeeds:
    """Resource functions of a stage, as rules name them: `needs.mem_mb` takes wildcards. seconds, size: predicted, of a job and of its files."""

    def __init__(
        self,
        plan: Asked,
        stage: str,
        seconds: Callable[..., float | None] | None = None,
        size: Callable[..., int] | None = None,
    ):
        self._plan, self._stage, self._seconds, self._size = plan, stage, seconds, size

    def gpu(self, wildcards) -> int:
        """Training, measured or not, takes one for each of the user's processes on all its machines."""
        gpu = self._entry(wildcards).gpu
        return max(gpu, self._plan.user.world) if gpu and self._stage in ("train", "measure") else gpu

    def threads(self, wildcards) -> int:
        return self._entry(wildcards).threads

    def mem_mb(self, wildcards, attempt: int) -> int:
        return attempt * (self._measured_mb(wildcards) or self._entry(wildcards).mem_mb)

    def runtime(self, wildcards, attempt: int) -> int:
        """Minutes."""
        seconds = self._seconds(wildcards) if self._seconds else None
        return attempt * (max(LEAST_MINUTES, ceil(TIME_MARGIN * seconds / 60)) if seconds else self._entry(wildcards).runtime)

    def disk_mb(self, wildcards, attempt: int) -> int:
        """Of what the job writes, as large as it ever is; for executors that lend disks."""
        return max(1, ceil(self._size(wildcards) / MEGABYTE))

    def _entry(self, wildcards) -> Needs:
        preset = getattr(wildcards, "preset", self._plan.preset)
        return self._plan.registry(preset).preset.needs.get(self._stage, Needs())

    def _measured_mb(self, wildcards) -> int | None:
        if not (hasattr(wildcards, "run") and hasattr(wildcards, "preset")):
            return None
        peak = _peak_mb(self._plan.root / "results" / wildcards.preset / "benchmarks" / self._stage / wildcards.run)
        return peak and MEMORY_STEP * ceil(MEMORY_MARGIN * peak / MEMORY_STEP)


@cache
def _peak_mb(folder: Path) -> float | None:
    """Of the jobs whose benchmark files lie there; None of none."""
    jobs = [row for path in sorted(folder.rglob("*.tsv")) for row in csv.DictReader(path.read_text().splitlines(), delimiter="\t")]
    return max((float(job["max_rss"]) for job in jobs if _counts(job)), default=None)


def _counts(job: dict[str, str]) -> bool:
    try:
        return float(job["s"]) >= LEAST_SECONDS and float(job["max_rss"]) > 0
    except (KeyError, TypeError, ValueError):  # NA, or a line that was cut off
        return False
