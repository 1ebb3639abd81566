"""How fast this machine is, by what it has done: finished training segments and sample sets, and cost receipts."""

import statistics
from collections.abc import Iterable

from sra.content.required import RequiredScore, required_by_all, training_points
from sra.core.receipts import receipt_of
from sra.core.units import several
from sra.forecast.finished import finished_segments, job_seconds, without_start
from sra.forecast.rates import Rate, Rates, What, is_core
from sra.plan.remaining import Remaining
from sra.spec.machine import Machine
from sra.spec.measured import read_cost
from sra.spec.run import RunSpec


def measured_rates(remaining: Remaining, rates: Rates) -> Iterable[Rate]:
    """Of training and sampling on devices of this kind, for each model and for any other; from results that are as configured now.

    A model of which no segment is finished takes its cost receipts: they are there before anything is trained, but were measured with the machine
    to themselves, where training jobs on a CPU run side by side and are slower.
    """
    root = remaining.registry.root
    kind, start = ("cpu" if is_core(rates.device) else "cuda"), rates.of("start").value
    trained: dict[str, list[float]] = {}
    drawn: dict[str, list[float]] = {}
    for run in remaining.registry.runs:
        spec = _trained_spec(remaining, run)
        for segment in finished_segments(root, spec, training_points(remaining.registry, run)) if spec else ():
            if segment.machine and segment.machine["device"] == kind:
                flops = remaining.works.training(spec, segment.first_step, segment.point.step).amount
                trained.setdefault(spec.model.name, []).append(segment.rate(flops, start) / Machine.model_validate(segment.machine).world)
    for wanted in required_by_all(remaining.registry):
        if (seconds := _sampling_seconds(remaining, wanted, kind, start)) is not None:
            spec = remaining.registry.spec(wanted.run)
            drawn.setdefault(spec.model.name, []).append(remaining.works.evaluations(wanted).amount / seconds)
    timed = {network: values for network, values in receipt_rates(remaining, kind).items() if network not in trained}
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


def receipt_rates(remaining: Remaining, kind: str) -> dict[str, list[float]]:
    """By model, FLOP/s of one GPU or core in the cost receipts of runs that are as configured now."""
    found: dict[str, list[float]] = {}
    for run in remaining.registry.runs:
        spec, receipt = _trained_spec(remaining, run), remaining.registry.root / remaining.results.cost(run)
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


def _sampling_seconds(remaining: Remaining, wanted: RequiredScore, kind: str, start: float) -> float | None:
    """Of the shards of a set that is there and was drawn on such a device; None where the seconds of a shard are missing."""
    root = remaining.registry.root
    pack = root / remaining.results.samples(wanted.run, wanted.score)
    if not remaining.is_drawn(wanted) or receipt_of(pack)["facts"]["device"] != kind:
        return None
    score = wanted.score
    folder = root / remaining.results.folder / "benchmarks" / "sample" / wanted.run / score.milestone / score.sampler / f"n{score.samples}"
    shards = sorted(folder.glob("*.tsv"))
    if len(shards) != remaining.shards(wanted):
        return None
    return sum(without_start(job_seconds(shard), start) for shard in shards)
