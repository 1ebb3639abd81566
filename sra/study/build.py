"""From the numbers of single trainings to what a study says: effects, verdicts, controls and words, as one document."""

import math
import statistics
from collections.abc import Collection, Mapping

from sra.spec.metric import Metric, ScoreOf
from sra.study.document import BUDGETS, Effect, PilotFound, PointFound, RowFound, StudyDocument, guided_by
from sra.study.effects import Readings, at_cost, at_steps, effect_of, reach_of
from sra.study.findings import in_short, informative_words, words_of
from sra.study.inputs import RowInput, StudyInput
from sra.study.intervals import Paired, scale_of
from sra.study.pilot import advice, pilot
from sra.study.verdicts import CONTRADICTED, equivalence_of, holm, verdict_of


def build_study(given: StudyInput) -> StudyDocument:
    """The document. What is missing or diverged stays in it as such."""
    readings = Readings(given)
    longer, repeated = _longer(readings), _repeated(readings)
    margins = {metric: _margin(readings, metric) for metric in filter(None, [given.study.metric, given.study.second])}
    informative = _informative(longer, margins)
    rows = _judged([_row(readings, row) for row in given.rows], given, margins, informative)
    document = StudyDocument(
        study=given.study.id,
        title=given.study.title,
        preset=given.preset,
        preset_title=given.preset_title,
        comparable=given.comparable,
        dataset=given.dataset,
        baseline=given.baseline.run,
        metric=given.study.metric,
        second=given.study.second,
        sampler=given.study.sampler,
        samplers=given.study.samplers,
        milestone=given.study.last,
        samples=given.samples,
        seeds=given.seeds,
        equivalence=given.study.equivalence,
        rows=rows,
        longer=longer and _with_verdict(longer, margins, None),
        longer_milestone=given.longer,
        repeated=repeated and _with_verdict(repeated, margins, None),
        repeated_seeds=given.repeated,
        informative=informative,
        informative_words="",
        pilot=_pilot(readings),
        sweeps=given.sweeps,
        guidance=given.guidance,
        machine=given.machine,
        findings=[],
        threats=given.study.threats,
        missing=sum(value.status == "not run" for row in rows for point in row.points for value in point.values),
        diverged=_diverged(rows),
    )
    document = document.model_copy(update={"informative_words": informative_words(document)})
    return document.model_copy(update={"findings": words_of(document), "short": in_short(document)})


def _diverged(rows: list[RowFound]) -> list[str]:
    found = [(row.label, value.seed) for row in rows for point in row.points for value in point.values if value.status == "diverged"]
    return [f"{label}, seed {seed}" for label, seed in dict.fromkeys(found)]


def _row(readings: Readings, row: RowInput) -> RowFound:
    given, study = readings.given, readings.given.study
    baseline = row is given.baseline
    last, base = given.steps[study.last], given.baseline
    return RowFound(
        run=row.run,
        label=row.row.label,
        family=row.row.family,
        kind=row.kind,
        note=row.row.note,
        encoder=row.encoder,
        kept_parameters=row.kept_parameters,
        changes_guidance=row.changes_guidance,
        factor=row.factor,
        training_flops=row.flops(last) / base.flops(last),
        flops_beside_stored=row.flops_beside_stored(last) / base.flops(last) if row.flops_beside_stored else None,
        hours_a_step=row.hours(last) / base.hours(last) if row.hours and base.hours else None,
        hours_a_step_range=None if baseline else row.step_time_range,
        points=[_point(readings, row, name) for name in given.milestones_of(row)],
        effects=[] if baseline else _effects(readings, row),
        means=_means(readings, row),
        reach=[] if baseline else [reach_of(readings, row, budget) for budget in BUDGETS],
        published=row.published,
    )


def _point(readings: Readings, row: RowInput, milestone: str) -> PointFound:
    given = readings.given
    values = readings.values(row.run, given.study.score_at(milestone), given.study.metric)
    step, mean = given.steps[milestone], _mean([found.value for found in values if found.value is not None], given.study.metric)
    return PointFound(milestone=milestone, step=step, flops=row.flops(step), hours=row.hours(step) if row.hours else None, mean=mean, values=values)


def _mean(values: Collection[float], metric: Metric) -> float | None:
    """On the metric's scale; None of no values."""
    if not values:
        return None
    return statistics.geometric_mean(values) if scale_of(metric) == "log" else statistics.fmean(values)


def _further_samplers(given: StudyInput, row: RowInput) -> dict[str, str]:
    """What a row is drawn by besides the study's own sampler, each with what the baseline beside it is drawn by; nothing for a tuned row."""
    if row.kind == "tuned":
        return {}
    beside = {name: name for name in given.study.samplers}
    guided = guided_by(given.guidance)
    if row.run in guided and given.baseline.run in guided:
        beside[guided[row.run]] = guided[given.baseline.run]
    if row.row.sampler:
        beside.setdefault(row.row.sampler, given.study.sampler)
    return beside


def _means(readings: Readings, row: RowInput) -> dict[str, float]:
    given, study = readings.given, readings.given.study
    scores = {name: study.score_at(study.last, name) for name in _further_samplers(given, row)}
    found = {name: _mean(readings.known(row.run, score, study.metric).values(), study.metric) for name, score in scores.items()}
    return {name: mean for name, mean in found.items() if mean is not None}


def _effects(readings: Readings, row: RowInput) -> list[Effect]:
    """The headline first, then equal FLOPs and hours, the second distance, and further samplers."""
    given, study = readings.given, readings.given.study
    found = [at_steps(readings, row, study.metric), at_cost(readings, row, "flops"), at_cost(readings, row, "hours")]
    found += [at_steps(readings, row, study.second)] if study.second else []
    return found + [at_steps(readings, row, study.metric, ours, theirs_by=theirs) for ours, theirs in _further_samplers(given, row).items()]


# Verdicts


# Of equivalence by metric, on the metric's scale.
Margins = Mapping[str, float]


def _margin(readings: Readings, metric: Metric) -> float:
    """Of equivalence: of ratios, or of differences as a share of what the baseline ends with, which is taken for 1 before there is any."""
    study = readings.given.study
    ends = readings.known(readings.given.baseline.run, study.score_at(study.last), metric)
    return equivalence_of(scale_of(metric), statistics.fmean(ends.values()) if ends else 1.0, study.equivalence)


def pair_of(effect: Effect) -> Paired | None:
    """The differences behind an effect; None where there are none."""
    if not effect.seeds:
        return None
    differences = (math.log(seed.effect) if effect.scale == "log" else seed.effect for seed in effect.seeds)
    return Paired(effect.scale, tuple(seed.seed for seed in effect.seeds), tuple(differences))


def _with_verdict(effect: Effect, margins: Margins, p_holm: float | None) -> Effect:
    pair = pair_of(effect)
    if pair is None:
        return effect
    return effect.model_copy(update={"verdict": verdict_of(pair, lower_is_better(effect.metric), margins[effect.metric], p_holm), "p_holm": p_holm})


def lower_is_better(metric: str) -> bool:
    return scale_of(metric) == "log" or metric == "kid"


def _informative(longer: Effect | None, margins: Margins) -> bool | None:
    """Whether the baseline that trains twice as long is told from the baseline; None while that is not known."""
    pair = pair_of(longer) if longer else None
    if pair is None or not pair.judged:
        return None
    return verdict_of(pair, lower_is_better(longer.metric), margins[longer.metric]) == "better"


def _judged(rows: list[RowFound], given: StudyInput, margins: Margins, informative: bool | None) -> list[RowFound]:
    """Verdicts on all effects, of methods' headlines by Holm over the methods of the plan; none at all in a study that tells nothing apart."""
    if informative is not True:
        return rows
    headlines = {row.run: effect for row in rows if row.kind == "method" and (effect := row.effect()) and effect.p_value is not None}
    # A method that is not trained yet counts as one that shows nothing: the family is what the plan names, whatever has run.
    untested = {f"untested {number}": 1.0 for number in range(len(given.study.methods) - len(headlines))}
    adjusted = holm({run: effect.p_value for run, effect in headlines.items()} | untested)
    return [row.model_copy(update={"effects": _verdicts(row, adjusted.get(row.run), margins, given)}) for row in rows]


def _verdicts(row: RowFound, p_holm: float | None, margins: Margins, given: StudyInput) -> list[Effect]:
    judged = []
    for place, effect in enumerate(row.effects):
        found = _with_verdict(effect, margins, p_holm if place == 0 else None)
        judged.append(_agreeing(found, row, given) if place == 0 else found)
    return judged


def _agreeing(headline: Effect, row: RowFound, given: StudyInput) -> Effect:
    """A headline that the second distance contradicts in direction decides nothing: an encoder would mark its own homework."""
    second = row.effect(metric=given.study.second) if given.study.second else None
    if headline.verdict not in ("better", "worse") or second is None or second.mean is None:
        return headline
    if _improves(headline) == _improves(second):
        return headline
    return headline.model_copy(update={"verdict": "undecided", "reason": CONTRADICTED})


def _improves(effect: Effect) -> bool:
    """Whether the mean difference is towards better, however small."""
    return (pair_of(effect).mean < 0) == lower_is_better(effect.metric)


# Controls


def _longer(readings: Readings) -> Effect | None:
    """The positive control: the baseline at its longer milestone beside itself at the last."""
    given, study = readings.given, readings.given.study
    if given.longer is None:
        return None
    ours, theirs = (readings.known(given.baseline.run, study.score_at(name), study.metric) for name in (given.longer, study.last))
    return effect_of(ours, theirs, given.seeds, study.metric, study.sampler, given.longer)


def _repeated(readings: Readings) -> Effect | None:
    """The negative control: the baseline from other seeds beside itself, matched by their places."""
    given, study = readings.given, readings.given.study
    if not given.repeated:
        return None
    score = study.score_at(study.last)
    again = {
        seed: readings.value(given.baseline.run, other, score, study.metric).value for seed, other in zip(given.seeds, given.repeated, strict=False)
    }
    ours = {seed: value for seed, value in again.items() if value is not None}
    return effect_of(ours, readings.known(given.baseline.run, score, study.metric), list(again), study.metric, study.sampler, study.last)


def _pilot(readings: Readings) -> PilotFound | None:
    given, study = readings.given, readings.given.study
    score = study.score_at(study.last)
    baseline = readings.known(given.baseline.run, score, study.metric)
    if len(baseline) < 2 or scale_of(study.metric) != "log":
        return None
    other = readings.known(study.pilot.run, score, study.metric) if study.pilot else {}
    found = pilot(baseline, other or None)
    return PilotFound(
        run_sd=found.run_sd and found.run_sd.value,
        difference_sd=found.difference_sd and found.difference_sd.value,
        correlation=found.correlation and found.correlation.value,
        sampling_sd=_sampling_sd(readings, score),
        sentences=advice(found),
    )


def _sampling_sd(readings: Readings, score: ScoreOf) -> float | None:
    """Of the log of the distance, over sample sets of one training of the baseline; None where it was sampled once."""
    given, study = readings.given, readings.given.study
    drawn = [score, *(score.model_copy(update={"sampler": f"{study.sampler}__s{seed}"}) for seed in study.redrawn)]
    values = [readings.value(given.baseline.run, given.seeds[0], each, study.metric).value for each in drawn]
    known = [math.log(value) for value in values if value is not None]
    return statistics.stdev(known) if len(known) > 1 else None
