"""What the results cost: measured, from Snakemake's benchmark files, beside what was planned for the same work."""

import csv
from collections.abc import Iterable
from pathlib import Path

from sra.core.errors import InputError
from sra.core.progress import duration_text
from sra.core.units import HOUR, binary, grouped, several, three_digits, watt_hours
from sra.reporting.report.document import CostRow, Costs, Planned, Spent
from sra.reporting.write.numbers import ABSENT

# Rendering is not part of the cost of a number, and counting it would change the page each time it is rendered.
STAGES_NOT_COUNTED = ("table", "figure", "claims", "report")
# The stages of the workflow by the kinds of work that a plan speaks of; what a plan has no word for comes last.
KINDS = {
    "data": ("make_", "index_", "import", "pack_images", "train_vae", "train_encoder", "train_clip", "train_extractor", "extract_", "finish_"),
    "training": ("resolve_run", "train", "measure", "export"),
    "sampling": ("sample", "pack"),
    "scoring": ("make_reference", "reference_features", "score", "probe", "pca"),
}
OTHER = "other"
SECONDS = {"min": 60, "h": HOUR}


def spent_by_stage(folders: Iterable[Path]) -> list[Spent]:
    """All jobs by stage, longest first, from the benchmark files `<folder>/<stage>/**.tsv` or `<folder>/<stage>.tsv`. Raises InputError."""
    found: dict[str, list[dict[str, float | None]]] = {}
    for folder in map(Path, folders):
        for path in sorted(folder.rglob("*.tsv")):
            stage = path.relative_to(folder).parts[0].removesuffix(".tsv")
            if stage not in STAGES_NOT_COUNTED:
                found.setdefault(stage, []).extend(_jobs(path))
    total = [
        Spent(
            stage=stage,
            jobs=len(jobs),
            seconds=sum(job["s"] for job in jobs),
            core_seconds=_sum([job["cpu_time"] for job in jobs]),
            peak_mib=max((job["max_rss"] for job in jobs if job["max_rss"] is not None), default=None),
        )
        for stage, jobs in found.items()
    ]
    return sorted(total, key=lambda spent: -spent.seconds)


def _jobs(path: Path) -> list[dict[str, float | None]]:
    with path.open(newline="", encoding="utf-8") as file:
        try:
            rows = list(csv.DictReader(file, delimiter="\t"))
            return [{"s": float(row["s"]), **{key: _number(row.get(key)) for key in ("cpu_time", "max_rss")}} for row in rows]
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{path}: not a Snakemake benchmark file with a column `s`; delete it, its job is not run again for it") from None


def _number(text: str | None) -> float | None:
    """A number of a benchmark file; Snakemake writes `NA` or `-` for what it could not observe."""
    return None if text in (None, "", "NA", "-") else float(text)


def _sum(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def costs_of(spent: list[Spent], planned: Planned | None, disk_bytes: int | None) -> Costs:
    before = planned.seconds if planned else {}
    rows = [
        CostRow(name=kind, planned_seconds=before.get(kind), measured=[one for one in spent if kind_of(one.stage) == kind])
        for kind in (*KINDS, OTHER)
    ]
    longest = max(sum(one.seconds for one in spent), sum(before.values()))
    return Costs(
        unit="h" if longest >= 10 * HOUR else "min",
        rows=[row for row in rows if row.measured or row.planned_seconds],
        sentences=[*_planned_sentences(planned), *_measured_sentences(spent, planned, disk_bytes)],
    )


def kind_of(stage: str) -> str:
    """The kind of work of a stage: `train_vae` is data, `train` is training: the longest name that fits decides."""
    fitting = [(len(name), kind) for kind, names in KINDS.items() for name in names if stage == name or _begins(stage, name)]
    return max(fitting)[1] if fitting else OTHER


def _begins(stage: str, name: str) -> bool:
    return name.endswith("_") and stage.startswith(name)


def _planned_sentences(planned: Planned | None) -> list[str]:
    if planned is None:
        return ["Nothing was planned for this page."]
    total = sum(planned.seconds.values())
    energy = f", {watt_hours(total * planned.watts)} at {planned.watts:g} W for each ({planned.power})" if planned.watts else ""
    return [
        f"Planned, from nothing: {several(planned.runs, 'run')} to train for {grouped(planned.steps)} steps, "
        f"{grouped(planned.images)} images to draw, {device_time(total, planned.unit)} of one {planned.unit} ({planned.device}){energy}; "
        f"{binary(planned.kept_bytes)} that stay on disk and {binary(planned.meanwhile_bytes)} besides meanwhile. {planned.sources}",
        f"Not in the plan: {'; '.join(planned.not_counted)}.",
    ]


def _measured_sentences(spent: list[Spent], planned: Planned | None, disk_bytes: int | None) -> list[str]:
    if not spent:
        return ["No job has been measured yet."]
    seconds, cores = sum(one.seconds for one in spent), _sum([one.core_seconds for one in spent])
    parts = [f"Measured: {several(sum(one.jobs for one in spent), 'job')}, one after the other {duration_text(seconds)}"]
    parts += [f"{device_time(cores, 'core')} of processor time"] if cores is not None else []
    parts += [f"{binary(disk_bytes)} on disk"] if disk_bytes else []
    energy = []
    if planned and planned.watts and planned.unit == "core" and cores is not None:
        energy = [f"Energy of these core-hours: {watt_hours(cores * planned.watts)}, if a busy core takes {planned.watts:g} W ({planned.power})."]
    elif planned and planned.watts and planned.unit == "GPU":
        energy = [
            f"Energy: {watt_hours(seconds * planned.watts)} if each job kept one GPU of {planned.watts:g} W busy ({planned.power}); "
            "a job on several takes as many times more."
        ]
    caveat = "Memory is the largest resident set of one job as Snakemake saw it; what a job shorter than its sampling took is not known."
    return [", ".join(parts) + ".", *energy, caveat]


def device_time(seconds: float, unit: str) -> str:
    """3600 s of a core -> `1.00 core-hours`; below a tenth of an hour in minutes."""
    return f"{three_digits(seconds / HOUR)} {unit}-hours" if seconds >= HOUR / 10 else f"{three_digits(seconds / 60)} {unit}-minutes"


def time_text(seconds: float | None, unit: str) -> str:
    """A time in the unit of a table of costs."""
    return ABSENT if seconds is None else f"{seconds / SECONDS[unit]:.1f}"


def memory_text(mebibytes: float | None) -> str:
    return ABSENT if mebibytes is None else binary(mebibytes * 2**20)
