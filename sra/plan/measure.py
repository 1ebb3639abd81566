"""What the rule that measures a run's training asks, and the receipts that tables and figures need."""

from sra.content.wanted import measured_by_figure, measured_by_table
from sra.plan.base import PlanBase
from sra.spec.layout import Results


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
