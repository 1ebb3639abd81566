"""What tables and figures would still take, for people and for machines: training, samples, time, disk, energy."""

import json
from dataclasses import dataclass
from typing import Any

from sra.core.units import HOUR, MINUTE, binary, decimal, duration, grouped, several, text_table, three_digits, watt_hours
from sra.forecast.estimate import Estimate, RunLeft, estimate, shared_tasks
from sra.forecast.job_flops import planned_device
from sra.forecast.rates import CONFIDENCE, Prices, Rate, Rates, is_core, read_rates
from sra.forecast.tasks import STAGES
from sra.plan.clocks import again_for_times
from sra.plan.measured_rates import measured_rates
from sra.plan.remaining import STUDY, Remaining
from sra.spec.seeds import split_seed

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
    """items: each table, figure and study by itself; work that several need is in each.  total: all of them together, shared work once."""

    preset: str
    weights: str
    devices: int
    processes: int
    rates: Rates
    items: list[Estimate]
    total: Estimate
    used: dict[Rate, list[str]]  # networks that each rate stood for
    not_counted: list[str]
    again: str  # finished trainings that Snakemake would do again all the same, in one line; empty where there are none

    @property
    def studies(self) -> bool:
        """Whether there are any among the items."""
        return any(item.name.startswith(STUDY) for item in self.items)

    @property
    def unit(self) -> str:
        return "core" if is_core(self.rates.device) else "GPU"


def cost_of(remaining: Remaining, items: list[str], devices: int = 1, device: str | None = None) -> Cost:
    """items: tables, figures and studies, none for all tables and figures.  device: whose rates; None takes those measured here before listed ones.

    Raises InputError for an unknown table, figure, study or device.
    """
    registry = remaining.registry
    asked = list(dict.fromkeys(name for item in items for name in remaining.named(item))) or remaining.items()
    chains_of = {item: remaining.chains_of(item) for item in dict.fromkeys([*asked, *remaining.items()])}
    shared = shared_tasks(chains_of)
    rates = read_rates(registry.root, device or planned_device(registry))
    if device is None:
        rates = Rates(rates.device, rates.listed, tuple(measured_rates(remaining, rates)))
    prices = Prices(rates)
    estimates = [estimate(item, remaining.title(item), chains_of[item], prices, devices, shared) for item in asked]
    total = estimate("total", "all of them, shared work once", [chain for item in asked for chain in chains_of[item]], prices, devices)
    used = {rate: sorted(prices.used[rate]) for rate in sorted(prices.used, key=lambda rate: rate.name)}
    not_counted = [*sorted(prices.unknown | remaining.works.unknown), *remaining.assumed, *NOT_COUNTED]
    weights, again = "released" if registry.released else "trained", again_for_times(remaining.context)
    return Cost(registry.preset_id, weights, devices, remaining.processes, rates, estimates, total, used, not_counted, again)


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
        runs = [(name, grouped(steps), until, of_a_device(seconds)) for name, steps, until, seconds in _trainings(cost.total.runs)]
        sections.append(text_table("training of", ("steps", "until", amount), runs))
    sections += [_listed("rates", _evidence(cost)), _listed("not counted", cost.not_counted)]
    return "\n\n".join(sections)


def _trainings(runs: tuple[RunLeft, ...]) -> list[tuple[str, int, str, float]]:
    """Name, steps, last milestone and seconds; seeds of one run that end alike in one line."""
    alike: dict[tuple[str, str], list[RunLeft]] = {}
    for run in runs:
        alike.setdefault((split_seed(run.run)[0], run.until), []).append(run)
    return [
        (one[0].run if len(one) == 1 else f"{name}, {len(one)} seeds", sum(run.steps for run in one), until, sum(run.seconds for run in one))
        for (name, until), one in alike.items()
    ]


def _heading(cost: Cost) -> str:
    kinds = ("table, figure or study", "tables, figures and studies") if cost.studies else ("table or figure", "tables and figures")
    what, power = several(len(cost.items), *kinds), cost.rates.of("power")
    lines = [
        ("cost", f"{what}, preset {cost.preset}, {cost.weights} weights (nothing is run)"),
        ("machine", f"{several(cost.devices, cost.unit)}, {cost.rates.device}; {min(cost.processes, cost.devices)} for one training run"),
        ("left", "what results/ has of these very runs is subtracted; shared: work that another table or figure needs as well, once in the total"),
        ("wall time", "the longer of two: the work spread evenly, or the longest chain from data through one run to one score"),
        ("disk", "what stays; meanwhile: the most that is there besides while it runs"),
        ("energy", f"{power.value:g} W for each {cost.unit} ({power.evidence})" if power else "not known"),
    ]
    return "\n".join(f"{name:<10}  {text}" for name, text in [*lines, *([("but", cost.again)] if cost.again else [])])


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


def json_of(cost: Cost) -> str:
    power = cost.rates.of("power")
    content = {
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
        "again": cost.again,
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


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
