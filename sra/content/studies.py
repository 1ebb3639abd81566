"""Which scores a study needs at a preset, part by part, and which runs its trials and its tuned rows are."""

from itertools import pairwise
from typing import get_args

from sra.content.catalogue import Catalogue
from sra.content.inspected import available
from sra.content.required import RequiredScore, reachable
from sra.core.errors import InputError, unknown
from sra.spec.diverged import diverged_at
from sra.spec.metric import ScoreOf
from sra.spec.scale import SecondaryMetric
from sra.spec.seeds import seeded
from sra.spec.study import Study, StudyPart, StudyRow
from sra.spec.variants import varied

PARTS: dict[StudyPart, str] = {
    "pilot": "the first seeds, the learning rates and the longer baseline: how noisy runs are, and whether they tell anything apart",
    "published": "every method as published, all seeds",
    "controls": "rows that show where a gain comes from, and the baseline's second set of seeds",
    "tuning": "trials of each method's weight and of guidance on the seed that is kept for it",
    "tuned": "methods whose trials chose another weight, all seeds",
    "samplers": "all rows at the last milestone by further samplers",
}


def study_named(name: str, registry: Catalogue) -> Study:
    """One of the preset's. Raises InputError for another, and for one whose runs and samplers are not there."""
    if name not in registry.studies:
        if not registry.studies:
            raise InputError(f"preset {registry.preset_id} has no study; list {name} under studies in config/presets/{registry.preset_id}.yaml")
        raise unknown("study", name, registry.studies, where=f"preset {registry.preset_id}")
    study = registry.studies[name]
    for row in study.all_rows:
        if row.run not in registry.runs:
            raise unknown("run", row.run, registry.runs, where=_file(study))
    for sampler in filter(None, [study.sampler, *study.samplers, *study.guided, *(row.sampler for row in study.rows)]):
        if sampler not in registry.samplers:
            raise unknown("sampler", sampler, registry.samplers, where=_file(study))
    return study


def checked_study(name: str, registry: Catalogue) -> Study:
    """The same, asked whether everything in it can be done at the preset. Raises InputError where not, before anything is trained."""
    study = study_named(name, registry)
    _check_rows(study, registry)
    _check_milestones(study, registry)
    _check_seeds(study, registry)
    _check_metrics(study, registry)
    for part in PARTS:
        scores_of_part(study, part, registry)  # refuses samplers that do not fit a row, and counts that the preset has not
    return study


def _file(study: Study) -> str:
    return f"config/studies/{study.id}.yaml"


def _check_rows(study: Study, registry: Catalogue) -> None:
    baseline, preset = registry.spec(study.baseline.run), registry.preset
    if baseline.dataset != preset.dataset:
        trained = f"baseline {baseline.run} trains on {baseline.dataset}"
        raise InputError(f"{_file(study)}: {trained}, the preset's images are {preset.dataset}; name another run")
    for row in study.all_rows:
        if registry.checkpoint(row.run):
            raise InputError(f"{_file(study)}: {row.run} takes released weights, which have no seeds; name a run that is trained")
        spec = registry.spec(row.run)
        ours, theirs = ((each.model.name, each.resolution, each.dataset) for each in (spec, baseline))
        if ours != theirs:
            shown = [f"{model} at {resolution} px" for model, resolution, _ in (ours, theirs)]
            raise InputError(f"{_file(study)}: {row.run} trains {shown[0]}, the baseline {shown[1]}; a study compares methods on one model")
        for run in trials(study, row).values():
            try:
                registry.spec(run)
            except InputError as error:
                raise InputError(f"{_file(study)}: {error}, or mark the row as control: true") from None


def _check_milestones(study: Study, registry: Catalogue) -> None:
    steps, here = registry.preset.milestones, f"preset {registry.preset_id}"
    for what, name in {"milestones": study.last, **({"tuning: milestone": study.tuning.milestone} if study.tuning else {})}.items():
        if name not in steps:
            raise InputError(f"{_file(study)}: {what}: {here} does not train to {name}; add it to the preset's milestones")
    for before, after in pairwise(milestones_here(study, registry)):
        if steps[after] <= steps[before]:
            raise InputError(f"{_file(study)}: milestones: at {here} {after} does not come after {before}; name them in the order of their steps")
    longer = longer_here(study, registry)
    if longer and steps[longer] != 2 * steps[study.last]:
        raise InputError(
            f"{_file(study)}: longer: {longer} is step {steps[longer]:,} at {here}; the positive control has twice the {steps[study.last]:,} steps "
            f"of {study.last}, so name a milestone at {2 * steps[study.last]:,}"
        )


def _check_seeds(study: Study, registry: Catalogue) -> None:
    """Seeds that others than the study name: its own file has been looked at."""
    seeds = set(seeds_of(study, registry))
    held_out = [("tuning: seed", study.tuning.seed)] if study.tuning else []
    for what, seed in [*held_out, *(("repeated: seed", seed) for seed in study.repeated)]:
        if seed in seeds:
            raise InputError(f"{_file(study)}: {what} {seed} is among the seeds {sorted(seeds)} that rows are judged by; keep it apart from them")
    own = registry.sampler(study.sampler).seed
    if own in study.redrawn:
        raise InputError(f"{_file(study)}: redrawn: {study.sampler} has seed {own} itself; name others")


def _check_metrics(study: Study, registry: Catalogue) -> None:
    for what, metric in (("metric", study.metric), ("second", study.second)):
        if metric in get_args(SecondaryMetric) and metric not in registry.preset.secondary:
            raise InputError(f"{_file(study)}: {what}: preset {registry.preset_id} does not score {metric}; add it to the preset's secondary")


def seeds_of(study: Study, registry: Catalogue) -> list[int]:
    """Training seeds of the study at this preset: its own, else the user's or the preset's, else that of each run."""
    return list(study.seeds or registry.seeds.training or (0,))


def milestones_here(study: Study, registry: Catalogue) -> list[str]:
    """Those of the study that the preset trains to, in their order."""
    return [name for name in study.milestones if name in registry.preset.milestones]


def longer_here(study: Study, registry: Catalogue) -> str | None:
    """The milestone of the positive control; None where the preset does not train to it."""
    return study.longer if study.longer in registry.preset.milestones else None


def rows_here(study: Study, registry: Catalogue) -> list[StudyRow]:
    """Rows other than the baseline that can be trained at the preset."""
    return [row for row in study.rows if available(registry, row.run)]


def run_of_seed(run: str, seed: int, registry: Catalogue) -> str:
    """The name of a run, or of a trial of it, with a training seed."""
    return seeded(run, seed, registry.spec(run).training.seed)


def sampler_of_seed(sampler: str, seed: int, registry: Catalogue) -> str:
    return seeded(sampler, seed, registry.sampler(sampler).seed)


def trials(study: Study, row: StudyRow) -> dict[float, str]:
    """The runs that are tried for a row, by the factor of what is varied: the rate of the baseline, the weight of everything else."""
    if study.tuning is None or row.control:
        return {}
    if row is study.baseline:
        return {factor: varied(row.run, "rate", factor) for factor in sorted(study.tuning.rates)}
    return {factor: varied(row.run, "weight", factor) for factor in sorted(study.tuning.weights)}


def trial_score(study: Study, run: str, registry: Catalogue, sampler: str | None = None) -> RequiredScore:
    """The score of a trial on the tuning seed."""
    seed = study.tuning
    drawn = sampler_of_seed(sampler or study.sampler, seed.sampling_seed, registry)
    return RequiredScore(run_of_seed(run, seed.seed, registry), study.score_at(seed.milestone, drawn))


def scores_of_row(study: Study, run: str, seeds: list[int], registry: Catalogue, milestones: list[str] | None = None) -> list[RequiredScore]:
    """A row, or a run in its place, with each seed at each of the study's milestones."""
    wanted = milestones_here(study, registry) if milestones is None else milestones
    return [RequiredScore(run_of_seed(run, seed, registry), study.score_at(milestone)) for seed in seeds for milestone in wanted]


def diverged_before(wanted: RequiredScore, registry: Catalogue) -> int | None:
    """The step at which the training behind a score diverged on the way to its milestone; None where it did not, so far."""
    step = diverged_at(registry.root / registry.results.diverged(wanted.run), registry.spec(wanted.run))
    return step if step is not None and step <= registry.preset.milestones[wanted.score.milestone] else None


def scores_of_part(
    study: Study, part: StudyPart, registry: Catalogue, tuned: dict[str, float] | None = None, guided: dict[str, str] | None = None
) -> list[RequiredScore]:
    """tuned: by run, the factor that its trials chose; guided: by run, the guided sampler they chose. Both {} before the trials are done."""
    if part == "pilot":
        wanted = _pilot(study, registry)
    elif part == "published":
        wanted = [*_baseline(study, registry), *_rows(study, registry, control=False)]
    elif part == "controls":
        wanted = [*_rows(study, registry, control=True), *_repeated(study, registry)]
    elif part == "tuning":
        wanted = _tuning(study, registry)
    elif part == "tuned":
        wanted = _tuned(study, registry, tuned or {})
    else:
        wanted = _samplers(study, registry, guided or {})
    return reachable(wanted, registry, f"study {study.id}")


def scores_of_whole(study: Study, registry: Catalogue, tuned: dict[str, float], guided: dict[str, str]) -> list[RequiredScore]:
    """Of all parts, each once."""
    return list(dict.fromkeys(score for part in PARTS for score in scores_of_part(study, part, registry, tuned, guided)))


def _pilot(study: Study, registry: Catalogue) -> list[RequiredScore]:
    if study.pilot is None:
        return []
    seeds = seeds_of(study, registry)
    return [
        *_baseline(study, registry, seeds[: study.pilot.baseline_seeds]),
        *scores_of_row(study, study.pilot.run, seeds[: study.pilot.seeds], registry),
        *(RequiredScore(run_of_seed(study.baseline.run, seeds[0], registry), _redrawn(study, seed, registry)) for seed in study.redrawn),
        *(trial_score(study, run, registry) for run in trials(study, study.baseline).values()),
    ]


def _redrawn(study: Study, seed: int, registry: Catalogue) -> ScoreOf:
    return study.score_at(study.last, sampler_of_seed(study.sampler, seed, registry))


def _baseline(study: Study, registry: Catalogue, seeds: list[int] | None = None) -> list[RequiredScore]:
    longer = longer_here(study, registry)
    milestones = [*milestones_here(study, registry), *([longer] if longer else [])]
    return scores_of_row(study, study.baseline.run, seeds or seeds_of(study, registry), registry, milestones)


def _rows(study: Study, registry: Catalogue, control: bool) -> list[RequiredScore]:
    rows = [row for row in rows_here(study, registry) if row.control == control]
    return [score for row in rows for score in scores_of_row(study, row.run, seeds_of(study, registry), registry)]


def _repeated(study: Study, registry: Catalogue) -> list[RequiredScore]:
    """Of as many other seeds as the study has, at its last milestone."""
    return scores_of_row(study, study.baseline.run, repeated_here(study, registry), registry, [study.last])


def repeated_here(study: Study, registry: Catalogue) -> list[int]:
    """The baseline's second set of seeds, as many as the first has."""
    return study.repeated[: len(seeds_of(study, registry))]


def _tuning(study: Study, registry: Catalogue) -> list[RequiredScore]:
    if study.tuning is None:
        return []
    rows = [study.baseline, *(row for row in rows_here(study, registry) if not row.control)]
    weights = [trial_score(study, run, registry) for row in rows for run in trials(study, row).values()]
    return weights + [trial_score(study, row.run, registry, sampler) for row in rows for sampler in study.guided]


def _tuned(study: Study, registry: Catalogue, tuned: dict[str, float]) -> list[RequiredScore]:
    seeds = seeds_of(study, registry)
    return [
        score
        for row in rows_here(study, registry)
        if tuned.get(row.run, 1) != 1
        for score in scores_of_row(study, varied(row.run, "weight", tuned[row.run]), seeds, registry)
    ]


def _samplers(study: Study, registry: Catalogue, guided: dict[str, str]) -> list[RequiredScore]:
    wanted = []
    for row in [study.baseline, *rows_here(study, registry)]:
        samplers = [*study.samplers, row.sampler, guided.get(row.run)]
        for sampler in dict.fromkeys(filter(None, samplers)):
            for seed in seeds_of(study, registry):
                wanted.append(RequiredScore(run_of_seed(row.run, seed, registry), study.score_at(study.last, sampler)))
    return wanted
