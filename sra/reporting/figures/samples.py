"""What figures of sample packs share, whatever they show of them: what they say of each run, and which packs are missing."""

from pathlib import Path
from typing import Literal

from sra.content.figures import SampleFigure, SampleSeries
from sra.core.receipts import recorded_sha256
from sra.reporting.figures.picture import PictureDocument
from sra.reporting.read.evidence import Evidence
from sra.reporting.read.packs import Asked, SamplePack
from sra.reporting.read.scores import Scores
from sra.reporting.write.commands import missing_remark
from sra.reporting.write.numbers import count_text, milestone_text
from sra.spec.base import Strict
from sra.spec.metric import ScoreOf
from sra.spec.scale import Preset

NO_SAMPLES = "no samples yet"


class SampleBlock(Strict):
    """One run of a figure of samples: whether its sample pack exists, and the hash of the pack. label: its name, else that of its method."""

    method: Literal["none", "sra", "repa"]
    label: str | None = None
    run: str
    status: Literal["ok", "not run"]
    reason: str | None
    samples_sha256: str | None


class SamplesDocument(PictureDocument):
    """Images of sample packs of one score. rule: which images, in one sentence."""

    score: ScoreOf
    rule: str
    blocks: list[SampleBlock]

    def packs(self) -> list[tuple[str, ScoreOf]]:
        """The sample packs whose images it shows."""
        return [(block.run, self.score) for block in self.blocks]

    def scores(self) -> list[tuple[str, ScoreOf]]:
        return list(dict.fromkeys(self.packs()))

    def counts(self, scores: Scores, preset: Preset) -> tuple[int, int, int]:
        reached = len(self.blocks) if self.score.milestone in preset.milestones else 0
        return sum(block.status == "ok" for block in self.blocks), reached, len(self.blocks) - reached


def find_pack(series: SampleSeries, figure: SampleFigure, evidence: Evidence, asked: Asked) -> SamplePack | str:
    """The run's pack, or why there is none."""
    path = evidence.packs.get(series.run)
    if reason := evidence.beyond(figure.score.milestone):
        return reason
    return SamplePack(Path(path), asked) if path is not None and Path(path).exists() else NO_SAMPLES


def block_of(series: SampleSeries, pack: SamplePack | str) -> SampleBlock:
    """What a figure says of one run, given its pack or why there is none."""
    reason = pack if isinstance(pack, str) else None
    return SampleBlock(
        method=series.method,
        label=series.label,
        run=series.run,
        status="not run" if reason else "ok",
        reason=reason,
        samples_sha256=None if reason else recorded_sha256(pack.path),
    )


def sample_remarks(figure: SampleFigure, blocks: list[SampleBlock], evidence: Evidence, short: list[str], shared: str) -> list[str]:
    """Which packs are missing, with the command that draws them, and which step stands for the milestone at a smaller preset.

    short: of packs with fewer images than the figure has places.  shared: what several runs have in common.
    """
    remarks = [f"{block.run}: not run ({block.reason})." for block in blocks if block.status == "not run"]
    missing = sum(block.reason == NO_SAMPLES for block in blocks)
    remarks += missing_remark(missing, len(blocks), "sets of samples", figure.id, evidence.preset_id) + short
    milestone, step = figure.score.milestone, evidence.preset.milestones.get(figure.score.milestone)
    if step and not evidence.preset.comparable:
        remarks.append(f"Here {milestone_text(milestone)} is step {count_text(step)}.")
    return remarks + ([shared] if len(blocks) > 1 else [])
