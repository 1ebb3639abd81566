"""Jobs that have ended, by what Snakemake and the receipts say of them: how long they took, and how fast the machine was."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sra.content.required import Point
from sra.core.receipts import receipt_of, receipt_path
from sra.spec.layout import Results
from sra.spec.run import RunSpec


@dataclass(frozen=True)
class FinishedSegment:
    """A training job that ended. machine: how it was set up, as its state's receipt says."""

    first_step: int
    point: Point
    seconds: float
    machine: dict[str, Any] | None

    def rate(self, flops: float, start_seconds: float) -> float:
        """FLOP/s of all processes together, by what the segment computes, without what a job takes to start and save."""
        return flops / without_start(self.seconds, start_seconds)


def finished_segments(root: Path, run: RunSpec, points: list[Point]) -> list[FinishedSegment]:
    """Snakemake's benchmark files hold the seconds, the receipts of the states whether they belong to this very run."""
    results, found = Results(run.preset), []
    for first, point in zip([0, *(point.step for point in points)], points, strict=False):
        benchmark, receipt = root / results.folder / "benchmarks" / "train" / run.run / f"{point.name}.tsv", root / results.state(run.run, point.name)
        if not benchmark.exists() or not receipt_path(receipt).exists():
            continue
        facts = receipt_of(receipt)["facts"]
        if (facts["fingerprint"], facts["step"]) == (run.fingerprint, point.step):
            found.append(FinishedSegment(first, point, job_seconds(benchmark), facts.get("machine")))
    return found


def job_seconds(benchmark: Path) -> float:
    """Of a job, by Snakemake's benchmark file; of its last try where it had several."""
    with benchmark.open(encoding="utf-8", newline="") as file:
        return [float(row["s"]) for row in csv.DictReader(file, delimiter="\t")][-1]


def without_start(seconds: float, start: float) -> float:
    return max(seconds - start, seconds / 2)
