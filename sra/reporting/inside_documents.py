"""What figures of probes and of principal components say, typed: the truth in `<id>.json`."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

from sra.reporting.figures.picture import PictureDocument
from sra.reporting.read.spread import Spread
from sra.reporting.write.numbers import ABSENT, METRIC_NAMES, milestone_text, number_text
from sra.spec.base import Strict


@dataclass(frozen=True)
class DataTable:
    """A figure's data as text, for whoever reads the page without its picture. numbers: which columns hold some."""

    caption: str
    columns: list[str]
    numbers: list[bool]
    rows: list[list[str]]


class InsideDocument(PictureDocument):
    """rule: how what is shown was made, in one sentence."""

    rule: str

    @abstractmethod
    def as_table(self) -> DataTable:
        """Everything that the picture shows."""

    @abstractmethod
    def counts(self) -> tuple[int, int, int]:
        """How many of its measurements exist, of how many that this preset can give, and how many lie beyond it."""


class Accuracy(Strict):
    """Of one probe, published and ours, as shares; ours the mean where several seeds were trained.

    status: of ours; beyond: the preset does not train so far; same: block of an earlier point.  seeds_sha256: of probes of other training seeds.
    """

    published: str | None
    published_value: float | None
    source: str | None
    value: float | None
    spread: Spread | None = None
    status: Literal["ok", "not run", "beyond", "same", "not asked"]
    reason: str | None
    probe_sha256: str | None
    seeds_sha256: list[str] = []

    @property
    def text(self) -> str:
        if self.value is None:
            return self.status
        return percent_text(self.value) + (f" ± {percent_text(self.spread.training_sd)}" if self.spread else "")


class ProbePoint(Accuracy):
    """x, place: where it stands on the paper's axis and on ours (block, time or step); place is None where the preset has no such step."""

    x: float
    place: float | None
    milestone: str
    time: float
    block: int
    block_here: int


class ProbedLine(Strict):
    method: Literal["none", "sra", "repa"]
    label: str
    run: str
    points: list[ProbePoint]


class ProbesDocument(InsideDocument):
    """Probe accuracies against block, time or training steps."""

    kind: Literal["probes"] = "probes"
    x: Literal["block", "time", "milestone"]
    header: str
    lines: list[ProbedLine]

    def as_table(self) -> DataTable:
        rows = [
            [
                line.label,
                line.run,
                milestone_text(point.milestone),
                f"{point.time:g}",
                _block_text(point.block, point.block_here),
                point.published or ABSENT,
                point.text,
                point.reason or ABSENT,
            ]
            for line in self.lines
            for point in line.points
        ]
        columns = ["Line", "Run", "Milestone", "Time", "Block", "paper", "ours", "Remark"]
        return DataTable(f"{self.header}, as drawn", columns, [False, False, False, True, True, True, True, False], rows)

    def counts(self) -> tuple[int, int, int]:
        return _counted([point.status for line in self.lines for point in line.points])


class TargetedPoint(Strict):
    """One target block: how well it is probed in the baseline, and the FID of the run that was aligned with it.

    fid_status, fid_reason: of our FID, as `accuracy.status` is of our accuracy.
    """

    block: int
    block_here: int
    run: str | None
    accuracy: Accuracy
    fid_published: str | None
    fid_published_value: float | None
    fid_source: str | None
    fid: float | None
    fid_spread: Spread | None = None
    fid_status: Literal["ok", "not run", "n/a", "beyond", "same", "not asked"]
    fid_reason: str | None
    score_sha256: str | None

    @property
    def ours(self) -> tuple[float, float] | None:
        """(accuracy, FID), when both are there."""
        return None if self.accuracy.value is None or self.fid is None else (self.accuracy.value, self.fid)

    @property
    def published(self) -> tuple[float, float] | None:
        found = self.accuracy.published_value, self.fid_published_value
        return None if None in found else found


class BaselineFid(Strict):
    """The FID of the run without alignment, published and ours."""

    run: str
    published: str | None
    published_value: float | None
    source: str | None
    value: float | None
    spread: Spread | None = None
    status: Literal["ok", "not run", "n/a", "beyond"]
    reason: str | None
    score_sha256: str | None


class TargetsDocument(InsideDocument):
    """FID against the accuracy of the target block. probed_run, probed_milestone, time: whose accuracies these are."""

    kind: Literal["targets"] = "targets"
    probed_label: str
    probed_run: str
    probed_milestone: str
    time: float
    milestone: str
    sampler: str
    samples: int
    samples_here: int | None
    baseline: BaselineFid
    points: list[TargetedPoint]

    @property
    def scored_runs(self) -> list[str]:
        """Those whose FID it shows, each once."""
        runs = [point.run for point in self.points if point.fid_status not in ("same", "not asked")]
        return list(dict.fromkeys([self.baseline.run, *runs]))

    def as_table(self) -> DataTable:
        rows = [
            [
                _block_text(point.block, point.block_here),
                point.run or ABSENT,
                point.accuracy.published or ABSENT,
                point.accuracy.text,
                point.fid_published or ABSENT,
                _fid_text(point.fid, point.fid_status),
                "; ".join(dict.fromkeys(filter(None, (point.accuracy.reason, point.fid_reason)))) or ABSENT,
            ]
            for point in self.points
        ]
        none = self.baseline
        rows.append(["no target", none.run, ABSENT, ABSENT, none.published or ABSENT, _fid_text(none.value, none.status), none.reason or ABSENT])
        fid = METRIC_NAMES["fid"]
        columns = ["Target block", "Run", "accuracy, paper", "accuracy, ours", f"{fid}, paper", f"{fid}, ours", "Remark"]
        return DataTable("Accuracy of the target block in percent, and FID, as drawn", columns, [False, False, True, True, True, True, False], rows)

    def counts(self) -> tuple[int, int, int]:
        statuses = [status for point in self.points for status in (point.accuracy.status, point.fid_status)]
        return _counted([*statuses, self.baseline.status])


class FeaturesPanel(Strict):
    """One model: whether its components exist, and of which image of the data set they are."""

    run: str
    milestone: str
    status: Literal["ok", "not run", "beyond"]
    reason: str | None
    image: int | None
    label: int | None
    components_sha256: str | None


class FeaturesDocument(InsideDocument):
    """Components of one image's tokens. blocks: of the paper, each the first that falls on its one of `blocks_here`, where several do."""

    kind: Literal["features"] = "features"
    times: list[float]
    blocks: list[int]
    blocks_here: list[int]
    panels: list[FeaturesPanel]

    def as_table(self) -> DataTable:
        blocks = ", ".join(_block_text(block, here) for block, here in zip(self.blocks, self.blocks_here, strict=True))
        times = ", ".join(f"{time:g}" for time in self.times)
        rows = [
            [
                panel.run,
                milestone_text(panel.milestone),
                ABSENT if panel.image is None else f"row {panel.image}, class {panel.label}",
                blocks,
                times,
                panel.reason or ABSENT,
            ]
            for panel in self.panels
        ]
        columns = ["Run", "Milestone", "Image of the train split", "Blocks, from the left", "Times, from the top", "Remark"]
        return DataTable("What the picture shows", columns, [False] * 6, rows)

    def counts(self) -> tuple[int, int, int]:
        return _counted([panel.status for panel in self.panels])


def _counted(statuses: list[str]) -> tuple[int, int, int]:
    """Done, wanted, beyond; what is not asked for, or stands at an earlier point, is none of them."""
    done, beyond = statuses.count("ok"), statuses.count("beyond")
    return done, done + statuses.count("not run") + statuses.count("n/a"), beyond


def percent_text(share: float) -> str:
    return number_text(share, ".1%")


def _fid_text(value: float | None, status: str) -> str:
    return status if value is None else number_text(value, ".2f")


def _block_text(block: int, here: int) -> str:
    return str(block) if block == here else f"{block} ({here} here)"
