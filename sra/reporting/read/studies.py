"""What a study is computed from, as it lies in the results: scores, trials, step times, and what each row is."""

import math
from functools import cached_property

from sra.content.catalogue import Catalogue
from sra.content.required import RequiredScore
from sra.content.studies import (
    diverged_before,
    longer_here,
    milestones_here,
    repeated_here,
    rows_here,
    run_of_seed,
    scores_of_whole,
    seeds_of,
    trial_score,
    trials,
)
from sra.forecast.flops import summary_parameters
from sra.forecast.job_flops import Works
from sra.reporting.read.networks import refuse_other_networks
from sra.reporting.read.published import Published as PublishedNumbers
from sra.reporting.read.scores import ScoreFile, load_scores
from sra.spec.diverged import diverged_at
from sra.spec.measured import StudySteps, read_study_steps
from sra.spec.methods.contrastive import ContrastiveOptions
from sra.spec.metric import Metric, ScoreOf
from sra.spec.study import Study, StudyRow
from sra.spec.variants import varied
from sra.study.choices import chosen_factor, chosen_guidance
from sra.study.curves import Cost
from sra.study.document import GuidanceChoice, Published, SeedValue, StudyChoices, Sweep, Trial, read_choices
from sra.study.effects import usable
from sra.study.inputs import RowInput, StudyInput


class StudyFiles:
    """The results of one study at one preset, as far as they are there."""

    def __init__(self, study: Study, registry: Catalogue, published: PublishedNumbers | None = None):
        self.study, self.registry, self.published = study, registry, published
        self.results = registry.results
        self.choices, self.timed = self._choices(), self._timed()

    # What trials decided

    def _choices(self) -> StudyChoices | None:
        file = self.registry.root / self.results.study_choices(self.study.id)
        return read_choices(file) if file.exists() else None

    def _timed(self) -> StudySteps | None:
        file = self.registry.root / self.results.study_steps(self.study.id)
        return read_study_steps(file) if file.exists() else None

    @property
    def tuned(self) -> dict[str, float]:
        """By run, the factor that its trials chose."""
        return self.choices.tuned if self.choices else {}

    @property
    def guided(self) -> dict[str, str]:
        """By run, the guided sampler that its trials chose."""
        return self.choices.guided if self.choices else {}

    # Scores

    @property
    def begun(self) -> bool:
        """Whether any of its scores is there."""
        return bool(self._scores)

    def wanted(self) -> list[RequiredScore]:
        """Every score that the study may have, each once."""
        return scores_of_whole(self.study, self.registry, self.tuned, self.guided)

    @cached_property
    def _scores(self) -> dict[tuple[str, ScoreOf], ScoreFile]:
        paths = [self.registry.root / self.results.score(item.run, item.score) for item in self.wanted()]
        files = load_scores(paths, self.registry.preset_id)
        refuse_other_networks([file.record for file in files], self.results)
        return {(file.record.run, file.of): file for file in files}

    def read(self, run: str, seed: int, score: ScoreOf, metric: Metric) -> SeedValue:
        """The metric of one training, or why there is none."""
        return self.of(run_of_seed(run, seed, self.registry), seed, score, metric)

    def of(self, name: str, seed: int, score: ScoreOf, metric: Metric) -> SeedValue:
        """The same of a run by its whole name, seed included."""
        step = diverged_before(RequiredScore(name, score), self.registry)
        if step is not None:
            return SeedValue(seed=seed, value=None, status="diverged", reason=f"training diverged at step {step:,}")
        found = self._scores.get((name, score))
        if found is None:
            step = diverged_at(self.registry.root / self.results.diverged(name), self.registry.spec(name))
            later = f"training diverged later, at step {step:,}" if step is not None else None
            return SeedValue(seed=seed, value=None, status="not run", reason=later)
        value = found.record.metrics.get(metric)
        reason = None if value is not None else f"{metric} was not asked for when these samples were scored"
        return SeedValue(seed=seed, value=value, status="ok" if value is not None else "not run", reason=reason, score_sha256=found.sha256)

    # The study's inputs

    def given(self) -> StudyInput:
        registry, study, preset = self.registry, self.study, self.registry.preset
        milestones = [*milestones_here(study, registry), *filter(None, [longer_here(study, registry)])]
        return StudyInput(
            study=study,
            preset=registry.preset_id,
            preset_title=preset.title,
            comparable=preset.comparable,
            dataset=preset.dataset,
            samples=registry.sample_count(study.samples),
            seeds=seeds_of(study, registry),
            repeated=repeated_here(study, registry),
            steps={name: preset.milestones[name] for name in milestones},
            rows=[*(self._row(row) for row in [study.baseline, *rows_here(study, registry)]), *self._tuned_rows()],
            read=self.read,
            sweeps=self.choices.sweeps if self.choices else [],
            guidance=self.choices.guidance if self.choices else [],
            machine=self.timed.words if self.timed else None,
        )

    def _row(self, row: StudyRow, factor: float | None = None) -> RowInput:
        run = row.run if factor is None else varied(row.run, "weight", factor)
        last = self._last_step(row)
        spec, kind = self.registry.spec(run), "tuned" if factor is not None else "control" if row.control else "method"
        stored = spec if spec.encoder and not spec.encodes_in_step else None
        timed = self.timed if self._is_timed(row) else None
        return RowInput(
            row=row,
            run=run,
            kind="baseline" if row is self.study.baseline else kind,
            # Encoders run in each step here whatever the preset stores: storing features moves their work and does not undo it.
            flops=Cost(tuple(Works(self.registry).budget(spec, in_step=True).knots(last))),
            hours=timed and Cost(tuple(timed.knots(row.run, last))),
            step_time_range=timed and timed.of(row.run).ratio_range(last),
            flops_beside_stored=stored and Cost(tuple(Works(self.registry).budget(stored, in_step=False).knots(last))),
            factor=factor,
            encoder=spec.encoder,
            kept_parameters=summary_parameters(spec.model),
            changes_guidance=bool(spec.model.summary_width) or any(isinstance(part, ContrastiveOptions) for part in spec.alignment.parts),
            published=self._published(row) if factor is None else None,
        )

    def _tuned_rows(self) -> list[RowInput]:
        """Methods whose trials chose another weight than the published one."""
        return [self._row(row, factor) for row in rows_here(self.study, self.registry) if (factor := self.tuned.get(row.run, 1)) != 1]

    def _is_timed(self, row: StudyRow) -> bool:
        """Here, as the run is now; a weight changes no time, so a tuned row takes what its method takes."""
        fingerprint = self.registry.spec(row.run).fingerprint
        return self.timed is not None and fingerprint in [run.fingerprint for run in self.timed.runs if run.run == row.run]

    def _last_step(self, row: StudyRow) -> int:
        milestones = self.registry.preset.milestones
        return max(milestones[name] for name in self.study.milestones_of(row.run) if name in milestones)

    def _published(self, row: StudyRow) -> Published | None:
        if self.published is None or row.published is None:
            return None
        number = self.published.number(row.published, self.study.metric, f"config/studies/{self.study.id}.yaml")
        return number and Published(text=number.text, value=number.value, source=number.credit, protocol=row.protocol or "")


def decide(files: StudyFiles) -> StudyChoices:
    """What the trials on the tuning seed say: each method's factor, the baseline's rate, and each row's guidance."""
    study, registry = files.study, files.registry
    rows = [study.baseline, *(row for row in rows_here(study, registry) if not row.control)] if study.tuning else []
    sweeps = [_sweep(files, row) for row in rows]
    guidance = [_guidance(files, row) for row in rows] if study.guided else []
    return StudyChoices(study=study.id, preset=registry.preset_id, sweeps=sweeps, guidance=guidance)


def _sweep(files: StudyFiles, row: StudyRow) -> Sweep:
    study = files.study
    found = {factor: _tried(files, run) for factor, run in trials(study, row).items()}
    chosen, words = chosen_factor({factor: _distance(value) for factor, (_, value) in found.items()}, study.tuning.tie)
    tried = [
        Trial(factor=at, run=run, value=one.value, status=one.status, reason=one.reason, score_sha256=one.score_sha256)
        for at, (run, one) in found.items()
    ]
    what = "rate" if row is study.baseline else "weight"
    return Sweep(run=row.run, label=row.label, what=what, trials=tried, chosen=chosen, words=words)


def _tried(files: StudyFiles, run: str, sampler: str | None = None) -> tuple[str, SeedValue]:
    """The run on the tuning seed by its name, and what it came to."""
    wanted, metric = trial_score(files.study, run, files.registry, sampler), files.study.metric
    return wanted.run, usable(files.of(wanted.run, files.study.tuning.seed, wanted.score, metric), metric)


def _distance(found: SeedValue) -> float | None:
    """Infinite where the training diverged: it loses against every other."""
    return math.inf if found.status == "diverged" else found.value


def _guidance(files: StudyFiles, row: StudyRow) -> GuidanceChoice:
    found = {sampler: _tried(files, row.run, sampler)[1] for sampler in files.study.guided}
    chosen = chosen_guidance({sampler: _distance(value) for sampler, value in found.items()})
    return GuidanceChoice(run=row.run, label=row.label, trials={sampler: value.value for sampler, value in found.items()}, chosen=chosen)
