"""Probe files as figures read them: found by run, milestone and time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sra.core.errors import InputError, unknown
from sra.reporting.inside_documents import Accuracy
from sra.reporting.read.files import read_of_preset
from sra.reporting.read.published import Published, PublishedNumber
from sra.reporting.read.spread import Spread, mean_and_spread
from sra.reporting.write.numbers import milestone_text
from sra.spec.probe import ProbeRecord, read_probe
from sra.spec.scale import Carrier, Preset
from sra.spec.seeds import own_first, split_seed


@dataclass(frozen=True)
class ProbeFile:
    """A probe record and the hash of the file it was read from."""

    record: ProbeRecord
    sha256: str


@dataclass(frozen=True)
class ProbeSet:
    """Probes of one run at one milestone and time that differ in the training seed alone, its own first."""

    files: tuple[ProbeFile, ...]

    @property
    def first(self) -> ProbeFile:
        return self.files[0]

    def accuracy(self, block: int) -> tuple[float, Spread] | None:
        """Mean over training seeds and the spread, of the probes of a block of this preset's model."""
        found = [[file.record.accuracy[block]] for file in self.files if block in file.record.accuracy]
        return mean_and_spread(found) if found else None


class Probes:
    """All probes of one preset that exist, those of several training seeds together."""

    def __init__(self, files: list[ProbeFile]):
        together: dict[tuple[str, str, float], list[ProbeFile]] = {}
        for file in sorted(files, key=lambda file: own_first(split_seed(file.record.run)[1])):
            together.setdefault((split_seed(file.record.run)[0], file.record.milestone, file.record.time), []).append(file)
        self._sets = {identity: ProbeSet(tuple(found)) for identity, found in together.items()}

    def find(self, run: str, milestone: str, time: float) -> ProbeSet | None:
        return self._sets.get((run, milestone, time))


@dataclass(frozen=True)
class InsideFiles:
    """What figures of a model's inside are drawn from; files that do not exist are `not run`.

    components: of principal components, by run and milestone.  carriers: by run, what carries the paper's blocks to its model here.
    """

    probes: list[Path] = field(default_factory=list)
    components: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    carriers: Mapping[str, Carrier] = field(default_factory=dict)


def load_probes(paths: Iterable[Path], preset_id: str) -> Probes:
    """The probes among `paths` that exist. One of another preset, or two of the same thing, are refused."""
    files: dict[tuple[str, str, float], tuple[Path, ProbeFile]] = {}
    for path, record, sha256 in read_of_preset(paths, preset_id, read_probe, "probe"):
        identity = (record.run, record.milestone, record.time)
        if identity in files:
            raise InputError(f"{path}: probes the same weights at the same time as {files[identity][0]}; remove one of the two files")
        files[identity] = (path, ProbeFile(record, sha256))
    return Probes([file for _, file in files.values()])


def accuracy_of(
    probes: Probes, run: str, milestone: str, time: float, block_here: int, number: PublishedNumber | None, preset_id: str, preset: Preset
) -> Accuracy:
    """Published beside ours, or why there is none of ours. block_here: of this preset's model."""
    found = probes.find(run, milestone, time)
    measured = found.accuracy(block_here) if found else None
    status, reason = "ok", None
    if milestone not in preset.milestones:
        status, reason = "beyond", f"preset {preset_id} does not train to {milestone_text(milestone)}"
    elif measured is None:
        status, reason = "not run", f"block {block_here} was not probed then" if found else None
    if measured is None:
        return Accuracy(**_published(number), value=None, status=status, reason=reason, probe_sha256=None)
    value, spread = measured
    others = [file.sha256 for file in found.files[1:]]
    known = {"value": value, "spread": spread if spread.several else None, "probe_sha256": found.first.sha256, "seeds_sha256": others}
    return Accuracy(**_published(number), status=status, reason=reason, **known)


def without_ours(number: PublishedNumber | None, status: str, reason: str) -> Accuracy:
    """A point that has no probe of its own: the paper's alone, or one whose block stands at an earlier point."""
    return Accuracy(**_published(number), value=None, status=status, reason=reason, probe_sha256=None)


def _published(number: PublishedNumber | None) -> dict[str, str | float | None]:
    return {
        "published": number.text if number else None,
        "published_value": number.value if number else None,
        "source": number.credit if number else None,
    }


def published_line(published: Published, prefix: str, where: str) -> dict[str, PublishedNumber]:
    """Published probe accuracies under a prefix, by what completes their keys: b20, t100, m400k."""
    keys = sorted(key for key in published.keys if key.rpartition("/")[0] == prefix)
    if not keys:
        raise unknown("published line", prefix, {key.rpartition("/")[0] for key in published.keys}, where=where)
    found = {key.rpartition("/")[2]: published.number(key, "probe_accuracy", where) for key in keys}
    return {end: number for end, number in found.items() if number}


def published_accuracy(published: Published, key: str | None, where: str) -> PublishedNumber | None:
    return published.number(key, "probe_accuracy", where) if key else None
