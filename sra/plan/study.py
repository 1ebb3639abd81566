"""What the rules of studies ask: the scores of each part, the runs whose steps are timed, and which targets there are to ask for."""

from dataclasses import dataclass
from itertools import pairwise

from sra.content.required import RequiredScore
from sra.content.studies import (
    PARTS,
    checked_study,
    diverged_before,
    rows_here,
    scores_of_part,
    scores_of_row,
    scores_of_whole,
    seeds_of,
    study_named,
    trials,
)
from sra.core.errors import InputError, unknown
from sra.plan import assets, score, train
from sra.plan.context import Context
from sra.spec.diverged import diverged_at
from sra.spec.layout import Results
from sra.spec.measured import STEPS_PER_BLOCK
from sra.spec.study import Study, StudyPart
from sra.study.document import read_choices

# Before the trials are done nobody knows which weights they choose.
BEFORE_TRIALS: tuple[StudyPart, ...] = ("pilot", "published", "controls", "tuning")


@dataclass(frozen=True)
class Wanted:
    """Scores of a target, as many as there can be. assumed: what was taken for granted to know them, for people."""

    title: str
    scores: list[RequiredScore]
    assumed: tuple[str, ...] = ()


# Targets of the user's preset


def names(context: Context) -> list[str]:
    """The preset's studies, each of which is a target: `study_methods`. None where runs are not trained."""
    return [] if context.catalogue().released else list(context.catalogue().studies)


def parts(context: Context) -> dict[str, list[str]]:
    """Files by target, for what can be asked for without the rest."""
    return {target: _files(context, context.preset, part.scores) for target, part in _parts(context).items()}


def _parts(context: Context) -> dict[str, Wanted]:
    """By target: parts of a study, and single rows of it with all their seeds."""
    catalogue, found = context.catalogue(), {}
    for name in names(context):
        study = study_named(name, catalogue)
        for part in BEFORE_TRIALS:
            found[f"study_{name}_{part}"] = Wanted(PARTS[part], scores_of_part(study, part, catalogue))
        for row in [study.baseline, *rows_here(study, catalogue)]:
            wanted = scores_of_row(study, row.run, seeds_of(study, catalogue), catalogue)
            found[f"study_{name}_{row.run}"] = Wanted(f"{row.label} as published, all seeds", wanted)
    return found


def whole_files(context: Context, study: str) -> list[str]:
    """What a whole study comes to, and what is known before its trials have chosen, so that all of that may be trained at once."""
    catalogue = context.catalogue()
    known = [item for part in BEFORE_TRIALS for item in scores_of_part(study_named(study, catalogue), part, catalogue)]
    return [*dict.fromkeys(_files(context, context.preset, known)), Results(context.preset).study(study)]


def files_of(context: Context, target: str) -> list[str]:
    """Of a study or a part of one whose name was typed in another case. Raises InputError for another name."""
    known = {f"study_{name}": name for name in names(context)}
    if found := known.get(target.lower()):
        return whole_files(context, found)
    of_parts = parts(context)
    if target.lower() not in of_parts:
        raise unknown_target(context, target)
    return of_parts[target.lower()]


def refuse_impossible(context: Context) -> None:
    """Raise InputError for a study of the preset that cannot be done there."""
    catalogue = context.catalogue()
    for name in names(context):
        study = checked_study(name, catalogue)
        score.refuse_impossible(context, scores_of_whole(study, catalogue, {}, {}))


def unknown_target(context: Context, target: str) -> InputError:
    """Why there is none of that name."""
    catalogue = context.catalogue()
    if catalogue.released:
        return InputError(f"{target}: a study trains its runs; leave weights=released away")
    if not catalogue.studies:
        preset = context.preset
        return InputError(f"{target}: preset {preset} has no study; name one of config/studies under studies in config/presets/{preset}.yaml")
    return unknown("study", target, [*(f"study_{name}" for name in names(context)), *_parts(context)])


# What it would take


def wanted_by(context: Context, target: str) -> Wanted:
    """What a study, a part or a row of it comes to. Raises InputError for another name."""
    if target in (known := _parts(context)):
        return known[target]
    for name in names(context):
        if target == f"study_{name}":
            return _at_most(context, study_named(name, context.catalogue()))
    raise unknown_target(context, target)


def _at_most(context: Context, study: Study) -> Wanted:
    """With every method tuned that may yet be: what trials have not chosen is counted as if each chose another weight, and some guidance."""
    catalogue = context.catalogue()
    file = context.root / Results(context.preset).study_choices(study.id)
    decided = read_choices(file) if file.exists() else None
    tuned, guided = (dict(decided.tuned), dict(decided.guided)) if decided else ({}, {})
    methods = [row for row in rows_here(study, catalogue) if study.tuning and not row.control]
    open_rows = [row for row in methods if row.run not in tuned]
    unguided = [row for row in [study.baseline, *methods] if study.guided and row.run not in guided]
    tuned |= {row.run: next(factor for factor in trials(study, row) if factor != 1) for row in open_rows if len(trials(study, row)) > 1}
    guided |= {row.run: study.guided[0] for row in unguided}
    assumed = (f"what timing the steps of study {study.id} takes, which is minutes",)
    if open_rows:
        assumed += (
            f"that fewer rows of study {study.id} are tuned than may be: until its trials have chosen, all {len(open_rows)} methods count as trained "
            "once more with another weight, which is the most that it can come to",
        )
    return Wanted(study.title, scores_of_whole(study, catalogue, tuned, guided), assumed)


# Options


def seed_options(context: Context) -> list[str]:
    """Which training seeds, where the user names some."""
    return ["--seeds", ",".join(map(str, context.user.seeds))] if context.user.seeds else []


def timing_options(context: Context, wildcards) -> list[str]:
    """The stores and the encoder for the command line."""
    given = {role: files for role, files in timed_stores(context, wildcards).items() if files and role != "encoder"}
    source = next((assets.source(context, _OfRun(wildcards.preset, run), "encoder") for run in _encoded(context, wildcards)), None)
    options = [word for role, files in given.items() for file in files for word in (f"--{role}", file)]
    return [*options, *(["--encoder", source] if source and "pixels" in given else []), "--steps", str(_timed_steps(context, wildcards))]


def _timed_steps(context: Context, wildcards) -> int:
    """Timed in a turn: as many as usual, or as fit with the step before them into the shortest stretch between a start, a stop and the end."""
    catalogue, shortest = context.catalogue(wildcards.preset), STEPS_PER_BLOCK + 1
    last = max(catalogue.preset.milestones.values())
    for run in _timed(context, wildcards):
        ends = [0, *(stop for stop in catalogue.spec(run).stops if stop < last), last]
        shortest = min(shortest, *(end - start for start, end in pairwise(ends)))
    return max(1, shortest - 1)


# Inputs


def trial_scores(context: Context, wildcards) -> list[str]:
    """The scores that decide about weights, learning rate and guidance."""
    catalogue = context.catalogue(wildcards.preset)
    return _files(context, wildcards.preset, scores_of_part(study_named(wildcards.study, catalogue), "tuning", catalogue))


def scores(context: Context, wildcards, choices: str) -> list[str]:
    """Every score of a study whose trials have decided. choices: the file of what they chose."""
    catalogue = context.catalogue(wildcards.preset)
    study, decided = study_named(wildcards.study, catalogue), read_choices(context.root / choices)
    return _files(context, wildcards.preset, scores_of_whole(study, catalogue, decided.tuned, decided.guided))


def baseline_config(context: Context, wildcards) -> str:
    """Of the run beside which all others are timed."""
    return Results(wildcards.preset).config(_timed(context, wildcards)[0])


def timed_configs(context: Context, wildcards) -> list[str]:
    """Of the rows whose steps are timed beside the baseline's."""
    return [Results(wildcards.preset).config(run) for run in _timed(context, wildcards)[1:]]


def timed_stores(context: Context, wildcards) -> dict[str, list[str]]:
    """The stores and encoders that all of them read, each once."""
    found: dict[str, list[str]] = {}
    for run in _timed(context, wildcards):
        about = _OfRun(wildcards.preset, run)
        for role, files in {"latents": train.latents(context, about), **train.targets(context, about)}.items():
            found.setdefault(role, []).extend([files] if isinstance(files, str) else files)
    return {role: list(dict.fromkeys(files)) for role, files in found.items()}


@dataclass(frozen=True)
class _OfRun:
    """Wildcards as a rule of one run has them."""

    preset: str
    run: str


def _timed(context: Context, wildcards) -> list[str]:
    """The baseline first, then every row that did not diverge: its first steps, which are those that are timed, may be where it did."""
    catalogue = context.catalogue(wildcards.preset)
    study, results = study_named(wildcards.study, catalogue), Results(wildcards.preset)
    runs = [row.run for row in rows_here(study, catalogue)]
    return [study.baseline.run, *(run for run in runs if diverged_at(context.root / results.diverged(run), catalogue.spec(run)) is None)]


def _encoded(context: Context, wildcards) -> list[str]:
    return [run for run in _timed(context, wildcards) if context.catalogue(wildcards.preset).spec(run).encoder]


def definition(context: Context, wildcards) -> str:
    """The study's own file."""
    return f"config/studies/{wildcards.study}.yaml"


def _files(context: Context, preset: str, wanted: list[RequiredScore]) -> list[str]:
    """Without those of trainings that diverged, which stay in the study as such: to train them once more would end as before."""
    catalogue = context.catalogue(preset)
    return [Results(preset).score(item.run, item.score) for item in wanted if diverged_before(item, catalogue) is None]
