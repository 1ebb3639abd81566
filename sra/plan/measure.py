"""Which runs are measured for a table or figure, and what the rule that measures one asks."""

from sra.content.catalogue import Catalogue
from sra.content.figures import CurvesFigure, FigureSpec
from sra.content.tables import TableSpec
from sra.plan.base import PlanBase
from sra.plan.inside import available
from sra.plan.layout import Results


def measured_by_table(table: TableSpec, registry: Catalogue) -> list[str]:
    """The runs whose cost a table of costs shows, without those that are not trained here."""
    return _trained([row.run for row in table.rows if row.run] if table.kind == "costs" else [], registry)


def measured_by_figure(figure: FigureSpec, registry: Catalogue) -> list[str]:
    """The runs whose seconds a step a figure against hours needs."""
    if not (isinstance(figure, CurvesFigure) and figure.against == "hours"):
        return []
    return _trained([series.run for panel in figure.panels for series in panel.series], registry)


def _trained(runs: list[str], registry: Catalogue) -> list[str]:
    for run in runs:
        registry.spec(run)  # refuses one that is not there
    return [run for run in dict.fromkeys(runs) if registry.checkpoint(run) is None and available(registry, run)]


class MeasuringPlan(PlanBase):
    """Each method takes Snakemake's wildcards, of which two are the preset and the run, table or figure."""

    def threads_of_training(self, wildcards) -> int:
        """The steps take as many as training does, though the job keeps all others away."""
        return self.needs("train").threads(wildcards)

    def costs_of_table(self, wildcards) -> list[str]:
        registry = self.registry(wildcards.preset)
        return _costs(measured_by_table(registry.tables[wildcards.table], registry), wildcards.preset)

    def costs_of_figure(self, wildcards) -> list[str]:
        registry = self.registry(wildcards.preset)
        return _costs(measured_by_figure(registry.figures[wildcards.figure], registry), wildcards.preset)


def _costs(runs: list[str], preset: str) -> list[str]:
    return [Results(preset).cost(run) for run in runs]
