"""A row beside the baseline: at equal steps, at equal FLOPs or hours, by other metrics and samplers, and how much sooner it is where that ends."""

import math
from collections.abc import Collection, Mapping

from sra.spec.metric import Metric, ScoreOf
from sra.study import reach as reaching
from sra.study.curves import Curve
from sra.study.document import BUDGETS, Budget, Effect, Reach, SeedEffect, SeedValue
from sra.study.inputs import RowInput, StudyInput
from sra.study.intervals import Paired, paired, scale_of
from sra.study.power import smallest_share_seen


class Readings:
    """The numbers of a study, each read once."""

    def __init__(self, given: StudyInput):
        self.given = given
        self._read: dict[tuple[str, int, ScoreOf, Metric], SeedValue] = {}

    def value(self, run: str, seed: int, score: ScoreOf, metric: Metric) -> SeedValue:
        key = (run, seed, score, metric)
        if key not in self._read:
            self._read[key] = usable(self.given.read(*key), metric)
        return self._read[key]

    def values(self, run: str, score: ScoreOf, metric: Metric, seeds: Collection[int] | None = None) -> list[SeedValue]:
        return [self.value(run, seed, score, metric) for seed in (self.given.seeds if seeds is None else seeds)]

    def known(self, run: str, score: ScoreOf, metric: Metric, seeds: Collection[int] | None = None) -> dict[int, float]:
        """By seed, of those that have one."""
        return {found.seed: found.value for found in self.values(run, score, metric, seeds) if found.value is not None}

    def failed(self, run: str) -> list[int]:
        """Seeds whose training diverged before the last milestone."""
        last = self.given.study.score_at(self.given.study.last)
        return [found.seed for found in self.values(run, last, self.given.study.metric) if found.status == "diverged"]

    def curves(self, row: RowInput, budget: Budget) -> dict[int, Curve]:
        """By seed, of trainings that are scored at every milestone of the study; without the longer one of the baseline.

        Empty where the budget was not measured.
        """
        cost = {"steps": float, "flops": row.flops, "hours": row.hours}[budget]
        if cost is None:
            return {}
        found = {}
        for seed in self.given.seeds:
            values = [self.value(row.run, seed, self.given.study.score_at(name), self.given.study.metric).value for name in self.given.milestones]
            if None not in values:
                steps = tuple(float(self.given.steps[name]) for name in self.given.milestones)
                found[seed] = Curve(steps, tuple(values)).over(cost)
        return found


def usable(found: SeedValue, metric: Metric) -> SeedValue:
    """The same, but a value that the metric's scale has no place for is none, with the reason."""
    value = found.value
    if value is None or (math.isfinite(value) and (scale_of(metric) == "natural" or value > 0)):
        return found
    return found.model_copy(update={"value": None, "status": "diverged", "reason": f"its {metric} is {value:g}, which is no distance between images"})


def effect_of(
    ours: Mapping[int, float], theirs: Mapping[int, float], expected: Collection[int], metric: Metric, sampler: str, milestone: str, **about
) -> Effect:
    """Two sets of values by seed, compared. about: the budget, where it is not steps, and a reason that is known already."""
    scale = scale_of(metric)
    pair = paired(ours, theirs, scale)
    missing = [seed for seed in expected if pair is None or seed not in pair.seeds]
    reason = about.pop("reason", None) or (_without_numbers(missing) if missing else None)
    common = {"budget": "steps", "metric": metric, "sampler": sampler, "milestone": milestone, "scale": scale, "reason": reason, **about}
    if pair is None:
        return Effect(mean=None, **common)
    interval = pair.interval()
    low, high = (None, None) if interval is None else map(pair.shown, interval)
    return Effect(
        mean=pair.shown(pair.mean),
        low=low,
        high=high,
        seeds=[SeedEffect(seed=seed, effect=pair.shown(each)) for seed, each in zip(pair.seeds, pair.differences, strict=True)],
        p_value=pair.p_value if pair.judged else None,
        smallest_seen=smallest_seen(pair),
        **common,
    )


def smallest_seen(pair: Paired) -> float | None:
    """The ratio below 1 that four in five studies with such noise and so many seeds would tell from none; None on other scales, or without noise."""
    if not pair.judged or not pair.sd or pair.scale != "log":
        return None
    return 1 - smallest_share_seen(pair.count, pair.sd)


def at_steps(readings: Readings, row: RowInput, metric: Metric, sampler: str | None = None, theirs_by: str | None = None) -> Effect:
    """At the last milestone. theirs_by: the baseline's sampler, where it is not the row's."""
    given = readings.given
    score, base = given.study.score_at(given.study.last, sampler), given.study.score_at(given.study.last, theirs_by or sampler)
    ours, theirs = readings.known(row.run, score, metric), readings.known(given.baseline.run, base, metric)
    return effect_of(ours, theirs, given.seeds, metric, score.sampler, score.milestone)


def at_cost(readings: Readings, row: RowInput, budget: Budget) -> Effect:
    """Where the row has cost what the baseline costs at the study's last milestone, on the row's own curve."""
    given, study = readings.given, readings.given.study
    base_cost, own_cost = (part.flops if budget == "flops" else part.hours for part in (given.baseline, row))
    if base_cost is None or own_cost is None:
        return effect_of({}, {}, given.seeds, study.metric, study.sampler, study.last, budget=budget, reason="steps were not timed here")
    total, curves = base_cost(given.steps[study.last]), readings.curves(row, budget)
    ours = {seed: value for seed, curve in curves.items() if (value := curve.at(total)) is not None}
    reason = None
    if curves and not ours:
        share = own_cost(given.steps[study.last]) / total
        reason = f"not trained that far: its last milestone is at {share:.3g} of the baseline's {BUDGETS[budget]}"
        if share > 1:
            reason = f"its first milestone is beyond the baseline's {BUDGETS[budget]}"
    theirs = readings.known(given.baseline.run, study.score_at(study.last), study.metric)
    return effect_of(ours, theirs, given.seeds, study.metric, study.sampler, study.last, budget=budget, reason=reason)


def reach_of(readings: Readings, row: RowInput, budget: Budget) -> Reach:
    """How much sooner the row's curve is where the baseline ends."""
    given = readings.given
    baseline, ours = readings.curves(given.baseline, budget), readings.curves(row, budget)
    if not baseline or (budget == "hours" and row.hours is None):
        reason = "steps were not timed here" if budget == "hours" else "the baseline is not scored at every milestone"
        return Reach(budget=budget, reached=0, of=0, reason=reason)
    found = reaching.reach(baseline, ours, [seed for seed in readings.failed(row.run) if seed not in ours])
    if found is None:
        return Reach(budget=budget, reached=0, of=0, reason="no seed is scored at every milestone")
    median, spread = found.median, found.spread
    left_out = len(given.seeds) - found.count
    reasons = [found.no_spread, f"{left_out} of {len(given.seeds)} seeds are not scored at every milestone" if left_out else None]
    return Reach(
        budget=budget,
        reached=found.reached,
        of=found.count,
        speed_up=median and median.ratio,
        at_least=bool(median and median.at_least),
        low=spread.low.ratio if spread and spread.low else None,
        high=spread.high.ratio if spread and spread.high else None,
        spread=spread.kind if spread else "none",
        reason="; ".join(filter(None, reasons)) or None,
    )


def _without_numbers(seeds: list[int]) -> str:
    listed = ", ".join(map(str, seeds))
    return f"seed {listed} has no number on one side or both" if len(seeds) == 1 else f"seeds {listed} have no number on one side or both"
