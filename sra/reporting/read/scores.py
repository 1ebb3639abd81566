"""Score files as the report reads them: found by run, milestone, sampler and the paper's sample count, those of several seeds together."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from sra.reporting.read.files import RecordFile, read_of_preset
from sra.reporting.read.spread import Repeated, over_seeds
from sra.spec.metric import ScoreOf
from sra.spec.registry import RELEASED
from sra.spec.scale import Preset
from sra.spec.score import ScoreRecord, read_score
from sra.spec.seeds import Seeds, own_first, split_seed


@dataclass(frozen=True)
class ScoreFile(RecordFile[ScoreRecord]):
    """A score and the hash of the file it was read from; the first eight digits name its receipt on the page."""

    record: ScoreRecord

    @property
    def of(self) -> ScoreOf:
        return what_it_scores(self.record)

    @property
    def seeds(self) -> tuple[int | None, int | None]:
        """The seeds of training and of sampling; None where it is the run's or sampler's own."""
        return split_seed(self.record.run)[1], split_seed(self.record.sampler_name)[1]


@dataclass(frozen=True)
class ScoreSet:
    """Scores of one run that differ in seeds alone, its own seeds first.

    trained: the training seed of each.  asked: how many of them there would be with every seed.
    """

    files: tuple[ScoreFile, ...]
    trained: tuple[int, ...]
    asked: int = 1

    @property
    def first(self) -> ScoreFile:
        return self.files[0]

    @property
    def complete(self) -> bool:
        return len(self.files) >= self.asked

    def value(self, metric: str) -> Repeated | None:
        """The metric over the seeds of the scores that have it."""
        by_training: dict[int, list[float]] = {}
        for file, seed in zip(self.files, self.trained, strict=True):
            if (value := file.record.metrics.get(metric)) is not None:
                by_training.setdefault(seed, []).append(value)
        return over_seeds(by_training) if by_training else None


class Scores:
    """All scores of one preset that exist. seeds: those that were asked for.

    milestones: those that a run is trained to, by its name, where they are not the preset's: a run of another resolution has a length of its own.
    """

    def __init__(self, files: Sequence[ScoreFile] = (), seeds: Seeds = Seeds(), milestones: Mapping[str, Collection[str]] = MappingProxyType({})):
        self.seeds = seeds
        self._milestones = milestones
        self._files = files
        together: dict[tuple[str, ScoreOf], list[ScoreFile]] = {}
        for file in files:
            together.setdefault(_without_seeds(file), []).append(file)
        self._sets = {identity: self._set(identity[0], sorted(found, key=_own_first)) for identity, found in together.items()}

    def find(self, run: str, score: ScoreOf) -> ScoreSet | None:
        return self._sets.get((run, score))

    def complete(self, run: str, score: ScoreOf) -> bool:
        """Whether it was scored with every seed that was asked for."""
        found = self.find(run, score)
        return found is not None and found.complete

    def reached(self, asked: Iterable[tuple[str, ScoreOf]], preset: Preset) -> list[tuple[str, ScoreOf]]:
        """Those that the preset can give: it trains the run to the milestone."""
        return [(run, score) for run, score in asked if score.milestone in self._milestones.get(run, preset.milestones)]

    def __iter__(self) -> Iterator[ScoreFile]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def _set(self, run: str, files: list[ScoreFile]) -> ScoreSet:
        return ScoreSet(tuple(files), tuple(self.seeds.of_run(file.record.run) for file in files), self._asked(run))

    def _asked(self, run: str) -> int:
        trained = len(self.seeds.training or (0,)) if not run.endswith(RELEASED) else 1
        return trained * len(self.seeds.sampling or (0,))


def _without_seeds(file: ScoreFile) -> tuple[str, ScoreOf]:
    sampler, _ = split_seed(file.record.sampler_name)
    return split_seed(file.record.run)[0], file.of.model_copy(update={"sampler": sampler})


def _own_first(file: ScoreFile) -> tuple[int, ...]:
    return tuple(map(own_first, file.seeds))


def load_scores(
    paths: Iterable[Path], preset_id: str, seeds: Seeds = Seeds(), milestones: Mapping[str, Collection[str]] = MappingProxyType({})
) -> Scores:
    """The scores among `paths` that exist. A score of another preset, or two of the same thing, are refused. milestones: see `Scores`."""
    found = read_of_preset(paths, preset_id, read_score, "score", lambda score: (score.run, what_it_scores(score)), "scores the same samples")
    return Scores([ScoreFile(file.record, file.sha256) for file in found], seeds, milestones)


def what_it_scores(record: ScoreRecord) -> ScoreOf:
    return ScoreOf(milestone=record.milestone, sampler=record.sampler_name, samples=record.paper_count)
