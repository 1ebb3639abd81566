"""Stage: what tables and figures would still take, said before any of it is done: training, samples, time, disk, energy. Needs no torch."""

import csv
import json
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sra.content.catalogue import Catalogue
from sra.content.wanted import Point, Wanted, training_points, wanted_by_all
from sra.core.receipts import receipt_of, receipt_path
from sra.forecast.estimate import Estimate, estimate, shared_tasks
from sra.forecast.rates import CONFIDENCE, Prices, Rate, Rates, What, is_core, read_rates
from sra.forecast.tasks import STAGES
from sra.forecast.work import planned_device
from sra.plan.remaining import Remaining
from sra.plan.workflow import plan_of
from sra.reporting.write.units import HOUR, MINUTE, binary, decimal, duration, grouped, several, text_table, three_digits, watt_hours
from sra.spec.layout import Results
from sra.spec.machine import Machine
from sra.spec.measured import read_cost
from sra.spec.run import RunSpec

SCHEMA = 1
KILOWATT_HOUR = 3.6e6  # joules
NOT_COUNTED = (
    "what you fetch: images, checkpoints, pretrained networks",
    "indexing and cropping of images, which take processor time alone, and drawing tables, figures and the page",
    "finished shards of stores and sample sets that are not whole yet: they are reused, and counted as if they were not there",
    "work done again after an interruption, and waiting for machines",
)


@dataclass(frozen=True)
class Cost:
    """items: each table and figure by itself; work that several need is in each of them.  total: all of them together, shared work once."""

    preset: str
    weights: str
    devices: int
    processes: int
    rates: Rates
    items: list[Estimate]
    total: Estimate
    used: dict[Rate, list[str]]  # networks that each rate stood for
    not_counted: list[str]

    @property
    def unit(self) -> str:
        return "core" if is_core(self.rates.device) else "GPU"


def show_cost(cost: Cost, as_json: bool = False) -> None:
    print(json.dumps(json_of(cost), indent=2, ensure_ascii=False) if as_json else text_of(cost))


def cost_of(registry: Catalogue, items: list[str], devices: int = 1, processes: int = 1, device: str | None = None) -> Cost:
    """items: tables and figures, none for all.  device: whose rates; None takes those measured here before the listed ones.

    Raises InputError for an unknown preset, table, figure or device.
    """
    root, remaining = registry.root, Remaining(plan_of(registry), processes)
    asked = list(dict.fromkeys(items)) or remaining.items()
    chains_of = {item: remaining.chains_of(item) for item in dict.fromkeys([*asked, *remaining.items()])}
    shared = shared_tasks(chains_of)
    rates = read_rates(root, device or planned_device(registry))
    if device is None:
        rates = Rates(rates.device, rates.listed, tuple(measured_rates(root, remaining, rates)))
    prices = Prices(rates)
    estimates = [estimate(item, remaining.title(item), chains_of[item], prices, devices, shared) for item in asked]
    total = estimate("total", "all of them, shared work once", [chain for item in asked for chain in chains_of[item]], prices, devices)
    used = {rate: sorted(prices.used[rate]) for rate in sorted(prices.used, key=lambda rate: rate.name)}
    not_counted = [*sorted(prices.unknown | remaining.works.unknown), *NOT_COUNTED]
    weights = "released" if registry.released else "trained"
    return Cost(registry.preset_id, weights, devices, processes, rates, estimates, total, used, not_counted)


# Rates from what this machine has done


@dataclass(frozen=True)
class FinishedSegment:
    """A training job that ended. machine: how it was set up, as its state's receipt says."""

    first_step: int
    point: Point
    seconds: float
    machine: dict[str, Any] | None

    def rate(self, step_flops: float, start_seconds: float) -> float:
        """FLOP/s of all processes together, without what a job takes to start and save."""
        return (self.point.step - self.first_step) * step_flops / _without_start(self.seconds, start_seconds)


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


def measured_rates(root: Path, remaining: Remaining, rates: Rates) -> Iterable[Rate]:
    """Of training and sampling on devices of this kind, for each model and for any other; from results that are as configured now.

    A model of which no segment is finished takes its cost receipts: they are there before anything is trained, but were measured with the machine
    to themselves, where training jobs on a CPU run side by side and are slower.
    """
    kind, start = ("cpu" if is_core(rates.device) else "cuda"), rates.of("start").value
    trained: dict[str, list[float]] = {}
    drawn: dict[str, list[float]] = {}
    for run in remaining.registry.runs:
        spec = _trained_spec(remaining, run)
        for segment in finished_segments(root, spec, training_points(remaining.registry, run)) if spec else ():
            if segment.machine and segment.machine["device"] == kind:
                step_flops = remaining.segment(spec, segment.first_step, segment.point).work[0].amount / (segment.point.step - segment.first_step)
                trained.setdefault(spec.model.name, []).append(segment.rate(step_flops, start) / Machine.model_validate(segment.machine).world)
    for wanted in wanted_by_all(remaining.registry):
        if (seconds := _sampling_seconds(root, remaining, wanted, kind, start)) is not None:
            spec = remaining.registry.spec(wanted.run)
            drawn.setdefault(spec.model.name, []).append(remaining.works.evaluations(wanted).amount / seconds)
    timed = {network: values for network, values in receipt_rates(root, remaining, kind).items() if network not in trained}
    folder = f"results/{remaining.context.preset}"
    sources: list[tuple[What, dict[str, list[float]], str, str]] = [
        ("train", trained, "finished segment", f"{folder}/benchmarks/train"),
        ("train", timed, "cost receipt", f"{folder}/costs, alone on the machine"),
        ("sample", drawn, "finished sample set", f"{folder}/benchmarks/sample, decoding among it"),
    ]
    for what, found, of, where in sources:
        everything = [rate for rates_of_model in found.values() for rate in rates_of_model]
        # For any other model, one kind of evidence: segments before receipts.
        others = [(None, everything)] if everything and not (found is timed and trained) else []
        for network, values in [*found.items(), *others]:
            yield Rate(
                what=what,
                device=rates.device,
                network=network,
                value=statistics.median(values),
                unit="FLOP/s",
                source="measured",
                evidence=f"median of {several(len(values), of)} ({where})",
                confidence="high" if network and len(values) > 2 else "medium",
            )


def receipt_rates(root: Path, remaining: Remaining, kind: str) -> dict[str, list[float]]:
    """By model, FLOP/s of one GPU or core in the cost receipts of runs that are as configured now."""
    found: dict[str, list[float]] = {}
    for run in remaining.registry.runs:
        spec, receipt = _trained_spec(remaining, run), root / remaining.results.cost(run)
        if spec is None or not receipt.exists():
            continue
        cost = read_cost(receipt)
        if cost.fingerprint == spec.fingerprint and cost.machine.device == kind:
            devices = cost.machine.world * (cost.threads if kind == "cpu" else 1)
            found.setdefault(spec.model.name, []).append(cost.flops_per_second / devices)
    return found


def _trained_spec(remaining: Remaining, run: str) -> RunSpec | None:
    """The run as it is trained at this preset; None for what is not."""
    registry = remaining.registry
    return None if not registry.has_part_of(run) or registry.checkpoint(run) or not registry.milestones(run) else registry.spec(run)


def _sampling_seconds(root: Path, remaining: Remaining, wanted: Wanted, kind: str, start: float) -> float | None:
    """Of the shards of a set that is there and was drawn on such a device; None where the seconds of a shard are missing."""
    pack = root / remaining.results.samples(wanted.run, wanted.score)
    if not remaining.is_drawn(wanted) or receipt_of(pack)["facts"]["device"] != kind:
        return None
    score = wanted.score
    folder = root / remaining.results.folder / "benchmarks" / "sample" / wanted.run / score.milestone / score.sampler / f"n{score.samples}"
    shards = sorted(folder.glob("*.tsv"))
    if len(shards) != remaining.shards(wanted):
        return None
    return sum(_without_start(job_seconds(shard), start) for shard in shards)


def job_seconds(benchmark: Path) -> float:
    """Of a job, by Snakemake's benchmark file; of its last try where it had several."""
    with benchmark.open(encoding="utf-8", newline="") as file:
        return [float(row["s"]) for row in csv.DictReader(file, delimiter="\t")][-1]


def _without_start(seconds: float, start: float) -> float:
    return max(seconds - start, seconds / 2)


# For people


def text_of(cost: Cost) -> str:
    all_of_it, amount = [*cost.items, cost.total], cost.unit
    times = MINUTE if cost.total.total_seconds < 10 * HOUR else HOUR

    def of_a_device(seconds: float) -> str:
        return three_digits(seconds / times)

    amount += "-hours" if times == HOUR else "-minutes"
    left = [
        (
            item.name,
            str(len(item.runs)),
            grouped(item.steps),
            grouped(item.images),
            str(item.sets),
            of_a_device(item.total_seconds),
            "" if item is cost.total else of_a_device(item.shared_seconds),
            duration(item.wall_seconds) if item.wall_seconds else "0 s",
            binary(item.kept),
            binary(item.temporary),
            watt_hours(item.joules),
        )
        for item in all_of_it
    ]
    columns = ("runs", "steps", "images", "sets", amount, "shared", "wall time", "disk", "meanwhile", "energy")
    by_stage = [(item.name, *(of_a_device(item.seconds[stage]) for stage in STAGES), item.title) for item in all_of_it]
    sections = [_heading(cost), text_table("left to do", columns, left), text_table(f"{amount} of", (*STAGES, ""), by_stage)]
    if cost.total.runs:
        runs = [(run.run, grouped(run.steps), run.until, of_a_device(run.seconds)) for run in cost.total.runs]
        sections.append(text_table("training of", ("steps", "until", amount), runs))
    sections += [_listed("rates", _evidence(cost)), _listed("not counted", cost.not_counted)]
    return "\n\n".join(sections)


def _heading(cost: Cost) -> str:
    what, power = several(len(cost.items), "table or figure", "tables and figures"), cost.rates.of("power")
    lines = [
        ("cost", f"{what}, preset {cost.preset}, {cost.weights} weights (nothing is run)"),
        ("machine", f"{several(cost.devices, cost.unit)}, {cost.rates.device}; {min(cost.processes, cost.devices)} for one training run"),
        ("left", "what results/ has of these very runs is subtracted; shared: work that another table or figure needs as well, once in the total"),
        ("wall time", "the longer of two: the work spread evenly, or the longest chain from data through one run to one score"),
        ("disk", "what stays; meanwhile: the most that is there besides while it runs"),
        ("energy", f"{power.value:g} W for each {cost.unit} ({power.evidence})" if power else "not known"),
    ]
    return "\n".join(f"{name:<10}  {text}" for name, text in lines)


def _listed(title: str, lines: list[str]) -> str:
    return "\n".join([title, *(f"  {line}" for line in lines)])


def _evidence(cost: Cost) -> list[str]:
    """How much rests on what, and one line a rate: for which networks, how fast, how sure, and where it is from."""
    total = cost.total.total_seconds
    shares = [f"{seconds / total:.0%} on {source}" for source, seconds in cost.total.seconds_by_source.items() if seconds]
    lines = [f"the time rests {', '.join(shares)} rates"] if shares else []
    lines += [f"sure: {', '.join(f'{name} is {meaning}' for name, meaning in CONFIDENCE.items())}"]
    for rate, networks in cost.used.items():
        of = ", ".join(filter(None, (rate.network or ", ".join(networks), rate.method, rate.precision)))
        value = f"{decimal(rate.value)}{rate.unit}" if rate.unit == "FLOP/s" else f"{rate.value:g} {rate.unit}"
        lines.append(f"{rate.what}{f' ({of})' if of else ''}: {value}, {rate.source}, {rate.confidence}: {rate.evidence}")
    return lines


# For machines


def json_of(cost: Cost) -> dict[str, Any]:
    power = cost.rates.of("power")
    return {
        "schema": SCHEMA,
        "preset": cost.preset,
        "weights": cost.weights,
        "device": cost.rates.device,
        "devices": cost.devices,
        "processes": cost.processes,
        "watts": power.value if power else None,
        "items": [_estimate_json(item) for item in cost.items],
        "total": _estimate_json(cost.total),
        "rates": [
            {**rate.model_dump(mode="json"), "used_for": networks} for rate, networks in sorted(cost.used.items(), key=lambda pair: pair[0].name)
        ],
        "not_counted": cost.not_counted,
    }


def _estimate_json(item: Estimate) -> dict[str, Any]:
    return {
        "name": item.name,
        "title": item.title,
        "runs": [{"run": run.run, "steps": run.steps, "until": run.until, "device_hours": run.seconds / HOUR} for run in item.runs],
        "steps": item.steps,
        "images": item.images,
        "sets": item.sets,
        "device_hours_by_source": {source: seconds / HOUR for source, seconds in item.seconds_by_source.items()},
        "device_hours": {**{stage: item.seconds[stage] / HOUR for stage in STAGES}, "total": item.total_seconds / HOUR},
        "shared_device_hours": item.shared_seconds / HOUR,
        "wall_hours": item.wall_seconds / HOUR,
        "disk_bytes": {"kept": item.kept, "meanwhile": item.temporary},
        "energy_kwh": item.joules / KILOWATT_HOUR,
    }
