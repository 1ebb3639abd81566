"""Probe files as figures read them: found by run, milestone and time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sra.core.errors import InputError, unknown
from sra.core.files import sha256_of_file
from sra.reporting.inside_documents import Accuracy
from sra.reporting.numbers import milestone_text
from sra.reporting.published import Published, PublishedNumber
from sra.spec.probe import ProbeRecord, read_probe
from sra.spec.scale import Carrier, Preset


@dataclass(frozen=True)
class ProbeFile:
    """A probe record and the hash of the file it was read from."""

    record: ProbeRecord
    sha256: str


class Probes:
    """All probes of one preset that exist."""

    def __init__(self, files: list[ProbeFile]):
        self._files = {(file.record.run, file.record.milestone, file.record.time): file for file in files}

    def find(self, run: str, milestone: str, time: float) -> ProbeFile | None:
        return self._files.get((run, milestone, time))


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
    for path in sorted({Path(path) for path in paths}):
        if not path.exists():
            continue
        file = ProbeFile(read_probe(path), sha256_of_file(path))
        if file.record.preset != preset_id:
            raise InputError(f"{path}: is a probe of preset {file.record.preset}, expected {preset_id}; give that preset's probes")
        identity = (file.record.run, file.record.milestone, file.record.time)
        if identity in files:
            raise InputError(f"{path}: probes the same weights at the same time as {files[identity][0]}; remove one of the two files")
        files[identity] = (path, file)
    return Probes([file for _, file in files.values()])


def accuracy_of(
    probes: Probes, run: str, milestone: str, time: float, block_here: int, number: PublishedNumber | None, preset_id: str, preset: Preset
) -> Accuracy:
    """Published beside ours, or why there is none of ours. block_here: of this preset's model."""
    file = probes.find(run, milestone, time)
    value = file.record.accuracy.get(block_here) if file else None
    status, reason = "ok", None
    if milestone not in preset.milestones:
        status, reason = "beyond", f"preset {preset_id} does not train to {milestone_text(milestone)}"
    elif value is None:
        status, reason = "not run", f"block {block_here} was not probed then" if file else None
    return Accuracy(**_published(number), value=value, status=status, reason=reason, probe_sha256=file.sha256 if value is not None else None)


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
