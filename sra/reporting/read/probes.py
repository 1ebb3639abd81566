"""Probe files as figures read them: found by run, milestone and time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sra.reporting.read.files import RecordFile, read_of_preset
from sra.reporting.read.spread import Repeated, over_seeds
from sra.spec.probe import ProbeRecord, read_probe
from sra.spec.scale import Carrier
from sra.spec.seeds import Seeds, own_first, split_seed

ProbeFile = RecordFile[ProbeRecord]


@dataclass(frozen=True)
class ProbeSet:
    """Probes of one run at one milestone and time that differ in the training seed alone, its own first. trained: the seed of each."""

    files: tuple[ProbeFile, ...]
    trained: tuple[int, ...]

    @property
    def first(self) -> ProbeFile:
        return self.files[0]

    def accuracy(self, block: int) -> Repeated | None:
        """That of the probes of a block of this preset's model, over training seeds."""
        pairs = zip(self.files, self.trained, strict=True)
        found = {seed: [file.record.accuracy[block]] for file, seed in pairs if block in file.record.accuracy}
        return over_seeds(found) if found else None


class Probes:
    """All probes of one preset that exist, those of several training seeds together."""

    def __init__(self, files: Sequence[ProbeFile] = (), seeds: Seeds = Seeds()):
        together: dict[tuple[str, str, float], list[ProbeFile]] = {}
        for file in sorted(files, key=lambda file: own_first(split_seed(file.record.run)[1])):
            together.setdefault((split_seed(file.record.run)[0], file.record.milestone, file.record.time), []).append(file)
        self._sets = {
            identity: ProbeSet(tuple(found), tuple(seeds.of_run(file.record.run) for file in found)) for identity, found in together.items()
        }

    def find(self, run: str, milestone: str, time: float) -> ProbeSet | None:
        return self._sets.get((run, milestone, time))


@dataclass(frozen=True)
class InspectedFiles:
    """What figures that look inside models are drawn from; files that do not exist are `not run`.

    components: files of principal components, by run and milestone.  carriers: by run, what carries the paper's blocks to its model here.
    """

    probes: list[Path] = field(default_factory=list)
    components: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    carriers: Mapping[str, Carrier] = field(default_factory=dict)


def load_probes(paths: Iterable[Path], preset_id: str, seeds: Seeds = Seeds()) -> Probes:
    """The probes among `paths` that exist. One of another preset, or two of the same thing, are refused."""
    same, twice = lambda probe: (probe.run, probe.milestone, probe.time), "probes the same weights at the same time"
    return Probes(read_of_preset(paths, preset_id, read_probe, "probe", same, twice), seeds)
