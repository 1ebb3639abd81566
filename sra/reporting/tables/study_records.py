"""A table of a study as records: one line a number, every seed's among them, with its status and the score that it was read from."""

from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields

from sra.reporting.tables.document import TableDocument
from sra.reporting.write.delimited import digits
from sra.reporting.write.study import ranks, row_name, rows_in_order
from sra.study.document import Effect, PointFound, Reach, RowFound, StudyDocument, Sweep


@dataclass(frozen=True)
class Record:
    """One number. What it is of is told by the fields that are filled. verdict: empty where the study ranks nothing.

    quantity: score and mean of a milestone; effect, of all seeds together or of one; reach; cost; published; trial, of tuning.
    """

    quantity: str
    budget: str = ""
    metric: str = ""
    sampler: str = ""
    milestone: str = ""
    step: str = ""
    seed: str = ""
    factor: str = ""
    value: str = ""
    low: str = ""
    high: str = ""
    n: str = ""
    of: str = ""
    p_value: str = ""
    p_holm: str = ""
    verdict: str = ""
    status: str = ""
    reason: str = ""
    score_sha256: str = ""


def study_records(document: TableDocument) -> Iterator[list[str]]:
    study = document.study
    yield ["table", "preset", "study", "informative", "family", "label", "run", "kind", *(field.name for field in fields(Record))]
    of_study = [document.id, document.preset, study.study, {True: "yes", False: "no", None: "not known"}[study.informative]]
    for row in rows_in_order(study):
        for record in _of_row(row, study):
            yield [*of_study, row.family, row_name(row, study), row.run, row.kind, *astuple(record)]
    for name, effect in (("trained longer", study.longer), ("other seeds", study.repeated)):
        for record in _of_effect(effect, study, control=True) if effect else ():
            yield [*of_study, "", f"{study.base.label}, {name}", study.baseline, "control of the study", *astuple(record)]
    for sweep in study.sweeps:
        for record in _of_sweep(sweep):
            yield [*of_study, "", sweep.label, sweep.run, "trial", *astuple(record)]


def _of_row(row: RowFound, study: StudyDocument) -> Iterator[Record]:
    if not row.points:
        yield Record("score", milestone=study.milestone, metric=study.metric, sampler=study.sampler, status="not run")
    for point in row.points:
        yield from _of_point(point, study)
    for effect in row.effects:
        yield from _of_effect(effect, study)
    yield from map(_of_reach, row.reach)
    costs = {
        "flops_over_baseline": row.training_flops,
        "flops_over_baseline_features_stored": row.flops_beside_stored,
        "kept_parameters": float(row.kept_parameters),
    }
    yield from (Record(f"cost: {name}", value=digits(value)) for name, value in costs.items())
    low, high = row.hours_a_step_range or (None, None)
    yield Record("cost: step_time_over_baseline", value=digits(row.hours_a_step), low=digits(low), high=digits(high))
    if row.published:
        yield Record("published", metric=study.metric, value=row.published.text, reason=f"{row.published.source}; {row.published.protocol}")


def _of_point(point: PointFound, study: StudyDocument) -> Iterator[Record]:
    here = {"metric": study.metric, "sampler": study.sampler, "milestone": point.milestone, "step": str(point.step)}
    for one in point.values:
        told = {"status": one.status, "reason": one.reason or "", "score_sha256": one.score_sha256 or ""}
        yield Record("score", **here, seed=str(one.seed), value=digits(one.value), **told)
    there = sum(one.value is not None for one in point.values)
    yield Record("mean", **here, value=digits(point.mean), n=str(there), of=str(len(point.values)))
    yield Record("cost: flops", milestone=point.milestone, step=str(point.step), value=digits(point.flops))
    if point.hours:
        yield Record("cost: hours", milestone=point.milestone, step=str(point.step), value=digits(point.hours))


def _of_effect(effect: Effect, study: StudyDocument, control: bool = False) -> Iterator[Record]:
    of = {"budget": effect.budget, "metric": effect.metric, "sampler": effect.sampler, "milestone": effect.milestone}
    quantity = "ratio" if effect.scale == "log" else "difference"
    judged = control or ranks(study) or effect.verdict == "one seed"
    yield Record(
        quantity, **of, value=digits(effect.mean), low=digits(effect.low), high=digits(effect.high), n=str(len(effect.seeds)),
        p_value=digits(effect.p_value), p_holm=digits(effect.p_holm), verdict=(effect.verdict or "") if judged else "", reason=effect.reason or "",
    )  # fmt: skip
    for one in effect.seeds:
        yield Record(f"{quantity} of a seed", **of, seed=str(one.seed), value=digits(one.effect))
    if effect.smallest_seen is not None:
        yield Record("smallest effect seen", **of, value=digits(effect.smallest_seen))


def _of_reach(reach: Reach) -> Record:
    status = "not reached" if reach.speed_up is None else "at least" if reach.at_least else reach.spread
    limits = {"low": digits(reach.low), "high": digits(reach.high), "n": str(reach.reached), "of": str(reach.of)}
    return Record("speed-up", budget=reach.budget, value=digits(reach.speed_up), **limits, status=status, reason=reach.reason or "")


def _of_sweep(sweep: Sweep) -> Iterator[Record]:
    for trial in sweep.trials:
        told = {"status": trial.status, "reason": trial.reason or "", "score_sha256": trial.score_sha256 or ""}
        chosen = ", chosen" if trial.factor == sweep.chosen else ""
        yield Record(f"trial: {sweep.what}{chosen}", factor=digits(trial.factor), value=digits(trial.value), **told)
