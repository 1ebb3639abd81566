"""A figure of a study: its words and numbers as one typed document, and its picture."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sra.content.figures import StudyFigure
from sra.reporting.display import heading_of
from sra.reporting.figures.picture import DataTable, InspectionDocument
from sra.reporting.figures.study.cost import cost_alt, cost_remarks, cost_table, draw_cost
from sra.reporting.figures.study.forest import draw_forest, forest_alt, forest_remarks, forest_table
from sra.reporting.figures.study.reach import draw_reach, reach_alt, reach_remarks, reach_table
from sra.reporting.figures.study.sweep import draw_sweep, sweep_alt, sweep_remarks, sweep_table
from sra.reporting.read.evidence import Evidence
from sra.reporting.read.scores import Scores
from sra.reporting.write.numbers import METRIC_NAMES, count_text, listed, milestone_text
from sra.reporting.write.study import counts_of
from sra.spec.scale import Preset
from sra.study.document import StudyDocument

Plot = Literal["forest", "cost", "reach", "sweep"]


@dataclass(frozen=True)
class _Kind:
    """How one plot is drawn, and what it says. draw(study, identity, base, narrow): as `draw_study` does."""

    draw: Callable[[StudyDocument, str, Path, bool], None]
    remarks: Callable[[StudyDocument], list[str]]
    table: Callable[[StudyDocument], DataTable]
    alt: Callable[[StudyDocument], str]


KINDS: dict[Plot, _Kind] = {
    "forest": _Kind(draw_forest, forest_remarks, forest_table, forest_alt),
    "cost": _Kind(draw_cost, cost_remarks, cost_table, cost_alt),
    "reach": _Kind(draw_reach, reach_remarks, reach_table, reach_alt),
    "sweep": _Kind(draw_sweep, sweep_remarks, sweep_table, sweep_alt),
}


class StudyFigureDocument(InspectionDocument):
    """study: everything that the picture shows, seed by seed, with the hashes of the scores that it was read from."""

    kind: Literal["study"] = "study"
    plot: Plot
    study: StudyDocument

    def as_table(self) -> DataTable:
        return KINDS[self.plot].table(self.study)

    def statuses(self) -> list[str]:
        return [value.status for row in self.study.rows for point in row.points for value in point.values]

    def counts(self, scores: Scores, preset: Preset) -> tuple[int, int, int]:
        return counts_of(self.study)


def build_study_figure(figure: StudyFigure, evidence: Evidence, study: StudyDocument) -> StudyFigureDocument:
    kind = KINDS[figure.plot]
    missing = [f"Not run yet: {count_text(study.missing)} scores of the study."] if study.missing else []
    diverged = [f"Diverged: {listed(study.diverged)}."] if study.diverged else []
    return StudyFigureDocument(
        **heading_of(figure, evidence),
        plot=figure.plot,
        study=study,
        caption=figure.caption,
        rule=f"{METRIC_NAMES[study.metric]} of {count_text(study.samples)} samples ({study.sampler}), up to {milestone_text(study.milestone)}.",
        remarks=[*kind.remarks(study), *missing, *diverged],
        alt=kind.alt(study),
    )


def draw_study(document: StudyFigureDocument, base: Path, narrow: bool = False) -> None:
    """Write `<base>.svg` and `<base>.png`. narrow: plots under each other, as wide as the page of a phone."""
    KINDS[document.plot].draw(document.study, document.id, base, narrow)
