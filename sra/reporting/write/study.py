"""How a study's effects, verdicts and gaps are written: in its table, its figures and on the page alike."""

from dataclasses import dataclass

from sra.reporting.pairs import seeds_words
from sra.reporting.write.numbers import METRIC_NAMES, difference_text, listed, milestone_text, number_text
from sra.spec.variants import split_variant
from sra.study.document import BUDGETS, Budget, Effect, PointFound, Reach, RowFound, SeedValue, StudyDocument
from sra.study.intervals import LEAST_SEEDS, scale_of
from sra.study.samplers import effects_by_sampler
from sra.study.verdicts import Verdict

VERDICT_SIGNS: dict[Verdict, str] = {"better": "✓", "worse": "✗", "equivalent": "≈", "undecided": "?", "one seed": "○"}
NOT_RANKED = "not ranked"


def ranks(study: StudyDocument) -> bool:
    """Whether anything may be called better than anything else."""
    return study.informative is True


def verdict_text(effect: Effect | None, study: StudyDocument, control: bool = False) -> str:
    """The verdict with its sign; `not ranked` in a study that is not known to be informative. control: one that says whether it is."""
    if effect is None or not effect.seeds:
        return ""
    if len(effect.seeds) < LEAST_SEEDS:
        return f"{VERDICT_SIGNS['one seed']} {seeds_words(len(effect.seeds))}"
    if not control and not ranks(study):
        return NOT_RANKED
    return f"{VERDICT_SIGNS[effect.verdict]} {effect.verdict}" if effect.verdict else ""


def told(effect: Effect | None, study: StudyDocument) -> Verdict | None:
    """Better or worse where the study may say so, and None for everything else."""
    return effect.verdict if effect and ranks(study) and effect.verdict in ("better", "worse") else None


def effect_number(value: float, effect: Effect) -> str:
    """A ratio with three decimals, or a difference with its sign."""
    return number_text(value, ".3f") if effect.scale == "log" else difference_text(value, ".4f")


def effect_text(effect: Effect | None) -> str:
    return effect_number(effect.mean, effect) if effect and effect.mean is not None else ""


def interval_text(effect: Effect | None) -> str:
    """`[0.881, 0.943]`; empty where there is none."""
    if effect is None or effect.low is None or effect.high is None:
        return ""
    return f"[{effect_number(effect.low, effect)}, {effect_number(effect.high, effect)}]"


def effect_name(study: StudyDocument, effect: Effect | None = None) -> str:
    """What an effect is of: `FID / baseline`, or `KID − baseline`."""
    scale, metric = (effect.scale, effect.metric) if effect else (scale_of(study.metric), study.metric)
    return f"{METRIC_NAMES[metric]} {'/' if scale == 'log' else chr(0x2212)} baseline"


def reached_text(reach: Reach | None) -> str:
    """`×1.42, 5 of 5`, `≥ ×2.10, 3 of 5`, `not reached, 1 of 5`; nothing where no seed can be compared."""
    if reach is None or not reach.of:
        return ""
    return f"{speed_text(reach)}, {reach.reached} of {reach.of}"


def speed_text(reach: Reach) -> str:
    if reach.speed_up is None:
        return "not reached"
    return f"{'≥ ' if reach.at_least else ''}×{number_text(reach.speed_up, '.2f')}"


def spread_text(reach: Reach) -> str:
    """`95 %: 1.30 to 1.60`, or the range of the seeds, whose slowest may not be there at all."""
    if reach.spread == "none":
        return ""
    low, high = ("not reached" if end is None else number_text(end, ".2f") for end in (reach.low, reach.high))
    return f"{'95 %' if reach.spread == 'interval' else 'range'}: {low} to {high}"


def factor_text(factor: float) -> str:
    """`×¼`, `×½`, `×1`, `×4`."""
    return f"×{ {0.25: '¼', 0.5: '½'}.get(factor, f'{factor:g}') }"


def headline_point(row: RowFound, study: StudyDocument) -> PointFound | None:
    """The row at the study's last milestone."""
    return row.at(study.milestone)


@dataclass(frozen=True)
class Seeds:
    """What became of a row's trainings at the headline. asked: how many there would be."""

    asked: int
    there: int
    diverged: int

    @property
    def text(self) -> str:
        """`5`, `3 of 5, 1 diverged`, `diverged`, `not run`."""
        if self.there == self.asked:
            return str(self.asked)
        if not self.there:
            return "not run" if not self.diverged else "diverged" if self.diverged == self.asked else f"{self.diverged} diverged, others not run"
        return f"{self.there} of {self.asked}" + (f", {self.diverged} diverged" if self.diverged else "")


def seeds_of_row(row: RowFound, study: StudyDocument) -> Seeds:
    point = headline_point(row, study)
    values = point.values if point else []
    there, diverged = sum(value.value is not None for value in values), sum(value.status == "diverged" for value in values)
    return Seeds(max(len(study.seeds), len(values)), there, diverged)


def gap_text(row: RowFound, effect: Effect | None, budget: Budget, study: StudyDocument) -> str:
    """Why there is no effect, in a word or two: the whole reason stands in the notes."""
    seeds = seeds_of_row(row, study)
    if not seeds.there:
        return seeds.text
    if budget == "hours" and (effect is None or row.hours_a_step is None):
        return "not measured"
    if effect and effect.verdict == "one seed":
        return seeds_words(len(effect.seeds))
    return "no value" if effect and effect.reason else "not run"


def reasons_of(row: RowFound, study: StudyDocument) -> list[str]:
    """What a reader must know of the row: its note, trainings without a value, effects that could not be had."""
    found = [row.note] if row.note else []
    if row.changes_guidance and not row.note:
        found.append("no guidance is not what it is in other rows")
    untimed = {"hours"} if row.hours_a_step is None else set()  # which is said once, of all rows
    for effect in row.effects:
        if effect.reason and of_headline(effect, study) and effect.budget not in untimed and _says_more(effect, row, study):
            found.append(effect.reason if effect.budget == "steps" else f"equal {BUDGETS[effect.budget]}: {effect.reason}")
    further = effects_by_sampler(row, study).values()
    found += [
        f"{effect.sampler}: {effect.reason}" for effect in further if effect.reason and effect.mean is not None and _says_more(effect, row, study)
    ]
    unreached: dict[str, list[str]] = {}
    there = seeds_of_row(row, study).there
    for one in row.reach if there else []:
        if one.reason and one.budget not in untimed and one.of < there:  # of all seeds that are there its own words say how many get there
            unreached.setdefault(one.reason, []).append(BUDGETS[one.budget])
    found += [f"{listed(budgets)} to the baseline: {reason}" for reason, budgets in unreached.items()]
    return [*found, *missing_seeds(row, study)]


def _says_more(effect: Effect, row: RowFound, study: StudyDocument) -> bool:
    """Whether its reason is another than that trainings are missing, which is said of each."""
    seeds = seeds_of_row(row, study)
    return seeds.there == seeds.asked or (effect.mean is None and seeds.there > 0)


def effect_at(row: RowFound, study: StudyDocument, budget: Budget = "steps") -> Effect | None:
    """The row's effect on the study's own metric and sampler."""
    return row.effect(budget, study.metric, study.sampler)


def of_headline(effect: Effect, study: StudyDocument) -> bool:
    """Whether it is of the study's own metric and sampler, at any budget."""
    return (effect.metric, effect.sampler) == (study.metric, study.sampler)


def missing_seeds(row: RowFound, study: StudyDocument) -> list[str]:
    """`seed 1: diverged at step 300`, `seeds 3 and 4: not run`, of the headline."""
    point, by_reason = headline_point(row, study), {}
    values = {value.seed: value for value in (point.values if point else [])}
    for seed in dict.fromkeys([*study.seeds, *values]):
        value = values.get(seed, SeedValue(seed=seed, value=None, status="not run"))
        if value.value is None:
            by_reason.setdefault(_why(value), []).append(str(seed))
    return [f"{'seeds' if len(seeds) > 1 else 'seed'} {listed(seeds)}: {why}" for why, seeds in by_reason.items()]


def _why(value: SeedValue) -> str:
    """Status and reason; a reason that begins with the status says both."""
    if not value.reason or value.reason.startswith(value.status):
        return value.reason or value.status
    return value.reason if value.status == "ok" else f"{value.status}: {value.reason}"


def row_name(row: RowFound, study: StudyDocument) -> str:
    """Its label; of a tuned row, that of its method with the factor of its weight."""
    if row.kind != "tuned" or row.factor is None:
        return row.label
    method = method_of(row, study)
    return f"{method.label if method else row.label}, tuned {factor_text(row.factor)}"


def method_of(tuned: RowFound, study: StudyDocument) -> RowFound | None:
    """The row with published options that a tuned row stands beside."""
    run = split_variant(tuned.run)[0]
    return next((row for row in study.rows if row.run == run and row.kind != "tuned"), None)


def tuned_of(row: RowFound, study: StudyDocument) -> RowFound | None:
    return next((other for other in study.rows if other.kind == "tuned" and method_of(other, study) is row), None)


def controls_of(study: StudyDocument) -> list[tuple[str, Effect]]:
    """The positive and the negative control as rows: the baseline trained longer, and with other seeds."""
    base, found = study.base.label, []
    if study.longer:
        at = f" ({milestone_text(study.longer_milestone)})" if study.longer_milestone else ""
        found.append((f"{base}, trained longer{at}", study.longer))
    if study.repeated:
        found.append((f"{base}, other seeds", study.repeated))
    return found


def rows_in_order(study: StudyDocument) -> list[RowFound]:
    """All rows as they are shown: in the study's order, each tuned row after its method."""
    found: list[RowFound] = []
    for row in study.rows:
        if row.kind != "tuned" or method_of(row, study) is None:
            tuned = None if row.kind == "tuned" else tuned_of(row, study)
            found += [row, tuned] if tuned else [row]
    return found


def counts_of(study: StudyDocument) -> tuple[int, int, int]:
    """How many scores exist, of how many that the study asks for; none lies beyond it."""
    there = sum(value.value is not None for row in study.rows for point in row.points for value in point.values)
    return there, there + study.missing, 0


def legend_of(study: StudyDocument) -> str:
    """What the numbers and words beside the rows mean."""
    scale = "ratio to the baseline of the same seed, mean over seeds on the scale of logarithms"
    margin = number_text(study.equivalence, ".0%")
    words = (
        "Holm p: of no difference, paired t over seeds, adjusted for all methods together. ✓ better, ✗ worse: told from the baseline at 5 %; ≈ "
        f"equivalent: surely within {margin} %; ? undecided; ○ one seed or two: not judged."
    )
    sooner = "Sooner: the median over seeds; not reached where half of them or fewer get there."
    bold = "Bold: better than the baseline by that rule; methods as published alone." if ranks(study) else "Nothing is ranked here."
    return f"95 %: t interval of the {scale}. {words} {sooner} {bold}"
