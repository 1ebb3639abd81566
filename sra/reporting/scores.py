"""Score files as the report reads them: found by run, milestone, sampler and the paper's sample count."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from sra.core.errors import InputError
from sra.core.files import sha256_of_file
from sra.reporting.numbers import METRIC_NAMES, milestone_text
from sra.spec.display import ScoreOf
from sra.spec.scale import Preset, SecondaryMetric
from sra.spec.score import ScoreRecord, read_score


@dataclass(frozen=True)
class ScoreFile:
    """A score and the hash of the file it was read from; the first eight digits name its receipt on the page."""

    record: ScoreRecord
    sha256: str

    @property
    def of(self) -> ScoreOf:
        return ScoreOf(milestone=self.record.milestone, sampler=self.record.sampler_name, samples=self.record.paper_count)


class Scores:
    """All scores of one preset that exist."""

    def __init__(self, files: list[ScoreFile]):
        self._files = {(file.record.run, file.of): file for file in files}

    def find(self, run: str, score: ScoreOf) -> ScoreFile | None:
        return self._files.get((run, score))

    def __iter__(self) -> Iterator[ScoreFile]:
        return iter(self._files.values())

    def __len__(self) -> int:
        return len(self._files)


@dataclass(frozen=True)
class Outcome:
    """What became of one number: its value, or why there is none."""

    status: Literal["ok", "not run", "n/a"]
    value: float | None = None
    reason: str | None = None


def load_scores(paths: Iterable[Path], preset_id: str) -> Scores:
    """The scores among `paths` that exist. A score of another preset, or two of the same thing, are refused."""
    files: dict[tuple[str, ScoreOf], tuple[Path, ScoreFile]] = {}
    for path in sorted({Path(path) for path in paths}):
        if not path.exists():
            continue
        file = ScoreFile(read_score(path), sha256_of_file(path))
        if file.record.preset != preset_id:
            raise InputError(f"{path}: is a score of preset {file.record.preset}, expected {preset_id}; give that preset's scores")
        identity = (file.record.run, file.of)
        if identity in files:
            raise InputError(f"{path}: scores the same samples as {files[identity][0]}; remove one of the two files")
        files[identity] = (path, file)
    return Scores([file for _, file in files.values()])


def outcome_of(scores: Scores, run: str | None, score: ScoreOf, metric: str, preset_id: str, preset: Preset) -> Outcome:
    """The value of `metric`, or why there is none: not run (perhaps not at this preset), not asked for, or not defined for the extractor."""
    if run is None:
        return Outcome("not run")
    if score.milestone not in preset.milestones:
        return Outcome("not run", reason=f"preset {preset_id} does not train to {milestone_text(score.milestone)}")
    file = scores.find(run, score)
    if file is None:
        return Outcome("not run")
    value = file.record.metrics.get(metric)
    if value is None:
        return Outcome("n/a", reason=_why_absent(metric, file.record))
    return Outcome("ok", value)


def _why_absent(metric: str, record: ScoreRecord) -> str:
    if metric in get_args(SecondaryMetric):
        return f"{METRIC_NAMES[metric]} was not asked for when these samples were scored"
    return f"{METRIC_NAMES[metric]} is not defined for extractor {record.extractor.name}"
