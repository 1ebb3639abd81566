"""Everything that the tables, figures and claims of one preset are made from: printed numbers, and what was measured here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from sra.reporting.read.comparison import Outcome
from sra.reporting.read.costs import Costs, load_costs
from sra.reporting.read.probes import InspectedFiles, Probes, load_probes
from sra.reporting.read.published import Published, load_published
from sra.reporting.read.scores import Scores, load_scores
from sra.reporting.write.numbers import METRIC_NAMES, count_text, milestone_text
from sra.spec.metric import ScoreOf
from sra.spec.scale import Carrier, Preset, SecondaryMetric
from sra.spec.seeds import Seeds


@dataclass(frozen=True)
class Evidence:
    """Printed and measured numbers, sample packs and components. What is not there is `not run`.

    packs: the sample pack of each run.  components: files of principal components, by run and milestone.
    carriers: by run, what carries the paper's blocks to those of its model here.
    """

    preset_id: str
    preset: Preset
    published: Published = field(default_factory=Published)
    scores: Scores = field(default_factory=Scores)
    probes: Probes = field(default_factory=Probes)
    costs: Costs = field(default_factory=Costs)
    packs: Mapping[str, Path] = field(default_factory=dict)
    components: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    carriers: Mapping[str, Carrier] = field(default_factory=dict)

    def beyond(self, milestone: str) -> str | None:
        """Why there is nothing at a milestone that the preset does not train to; None for one that it reaches."""
        return None if milestone in self.preset.milestones else f"preset {self.preset_id} does not train to {milestone_text(milestone)}"

    def run_at(self, run: str, milestone: str) -> str:
        """`sit_b2 at 400K`, with the step that stands for it at a smaller preset."""
        step = None if self.preset.comparable else self.preset.milestones.get(milestone)
        return f"{run} at {milestone_text(milestone)}" + (f", step {count_text(step)} here" if step is not None else "")

    def score(self, run: str | None, score: ScoreOf, metric: str) -> Outcome:
        """The metric's value, or why there is none: not run (perhaps not at this preset), not asked for, or not defined for the extractor."""
        if run is None:
            return Outcome("not run")
        if reason := self.beyond(score.milestone):
            return Outcome("not run", reason=reason)
        found = self.scores.find(run, score)
        if found is None:
            return Outcome("not run")
        files = tuple(file.sha256 for file in found.files)
        measured = found.value(metric)
        if measured is None:
            name, extractor = METRIC_NAMES[metric], found.first.record.extractor.name
            not_asked = f"{name} was not asked for when these samples were scored"
            reason = not_asked if metric in get_args(SecondaryMetric) else f"{name} is not defined for extractor {extractor}"
            return Outcome("n/a", reason=reason, sha256s=files)
        reason = None if found.complete else f"{len(found.files)} of {found.asked} seeds so far"
        return Outcome.measured(measured, reason, files)

    def accuracy(self, run: str, milestone: str, time: float, block: int) -> Outcome:
        """The accuracy of the probe of a block of this preset's model, as a share, or why there is none."""
        found = self.probes.find(run, milestone, time)
        measured = found.accuracy(block) if found else None
        if reason := self.beyond(milestone):
            return Outcome("beyond", reason=reason)
        if measured is None:
            return Outcome("not run", reason=f"block {block} was not probed then" if found else None)
        return Outcome.measured(measured, None, tuple(file.sha256 for file in found.files))


def load_evidence(
    preset_id: str,
    preset: Preset,
    published_folder: Path,
    score_files: Iterable[Path] = (),
    seeds: Seeds = Seeds(),
    cost_files: Iterable[Path] = (),
    inside: InspectedFiles | None = None,
    packs: Mapping[str, Path] | None = None,
) -> Evidence:
    """Read those of the named files that exist. seeds: those that were asked for."""
    inside = inside or InspectedFiles()
    return Evidence(
        preset_id,
        preset,
        load_published(published_folder),
        load_scores(score_files, preset_id, seeds),
        load_probes(inside.probes, preset_id, seeds),
        load_costs(cost_files, preset_id),
        packs or {},
        inside.components,
        inside.carriers,
    )
