"""What each job asks of the machine. Snakemake asks again with every attempt, and each attempt is granted more than the one before.

Time: what the cost model predicts of this job at the rates of config/throughput.tsv, with a margin; the preset's own number where it predicts
nothing. Memory: what earlier jobs of the same run took here, with a margin; the preset's own number before there are any.
"""

import csv
from functools import cache
from math import ceil
from pathlib import Path

from sra.forecast.rates import Prices, Work, is_core
from sra.plan.context import Context
from sra.spec.scale import Needs

TIME_MARGIN = 1.3
LEAST_MINUTES = 5
MEMORY_MARGIN = 1.5
MEMORY_STEP = 100  # MB
LEAST_SECONDS = 10  # of a job, for its memory to count: Snakemake looks at a job now and then, and misses the peak of a short one
MEGABYTE = 10**6


def gpu(context: Context, wildcards, stage: str) -> int:
    """Training, measured or not, takes one for each of the user's processes on all its machines."""
    asked = _of_stage(context, wildcards, stage).gpu
    return max(asked, context.user.world) if asked and stage in ("train", "measure") else asked


def threads(context: Context, wildcards, stage: str) -> int:
    return _of_stage(context, wildcards, stage).threads


def mem_mb(context: Context, wildcards, attempt: int, stage: str) -> int:
    return attempt * (_measured_mb(context, wildcards, stage) or _of_stage(context, wildcards, stage).mem_mb)


def runtime(context: Context, wildcards, attempt: int, stage: str, seconds: float | None = None) -> int:
    """Minutes. seconds: predicted of the job, where something is."""
    return attempt * (max(LEAST_MINUTES, ceil(TIME_MARGIN * seconds / 60)) if seconds else _of_stage(context, wildcards, stage).runtime)


def megabytes(size: int) -> int:
    """Of what a job writes, in bytes and as large as it ever is; for executors that lend disks."""
    return max(1, ceil(size / MEGABYTE))


def predicted_seconds(context: Context, preset: str, stage: str, works: tuple[Work, ...], devices: int = 1) -> float | None:
    """Of a job that does this on so many devices; None where config/throughput.tsv has no rate. A device of the CPU kind is one core."""
    prices = Prices(context.rates(preset))
    if any(prices.rates.of(work.what, work.network, work.method, work.precision) is None for work in works):
        return None
    cores = context.catalogue(preset).preset.needs.get(stage, Needs()).threads if is_core(prices.rates.device) else 1
    return sum(prices.seconds(works).values()) / (devices * cores) + sum(prices.seconds((Work("start", 1),)).values())


def _of_stage(context: Context, wildcards, stage: str) -> Needs:
    return context.catalogue(getattr(wildcards, "preset", None)).preset.needs.get(stage, Needs())


def _measured_mb(context: Context, wildcards, stage: str) -> int | None:
    if not (hasattr(wildcards, "run") and hasattr(wildcards, "preset")):
        return None
    peak = _peak_mb(context.root / "results" / wildcards.preset / "benchmarks" / stage / wildcards.run)
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
