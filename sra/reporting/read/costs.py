"""Cost receipts as tables and figures read them, by run, and what is said of those that are missing or were measured beside other work."""

from collections.abc import Iterable
from pathlib import Path

from sra.reporting.read.files import RecordFile, read_of_preset
from sra.spec.measured import MeasuredCost, read_cost

CostFile = RecordFile[MeasuredCost]


class Costs:
    """The cost receipts of one preset that exist."""

    def __init__(self, files: Iterable[CostFile] = ()):
        self._files = {file.record.run: file for file in files}

    def find(self, run: str | None) -> CostFile | None:
        return self._files.get(run)

    def of(self, runs: Iterable[str | None]) -> list[CostFile]:
        """The receipts of those of the runs that were measured, each once."""
        return [file for file in map(self.find, dict.fromkeys(runs)) if file]

    def remarks(self, runs: Iterable[str | None], identity: str) -> list[str]:
        """Which of the runs were measured while something else ran, which were not measured, and the commands for the table or figure to do it."""
        asked = [run for run in dict.fromkeys(runs) if run]
        unsteady = [f"{file.record.run} ({why})" for file in self.of(asked) if (why := file.record.steps.disturbed)]
        missing = [run for run in asked if self.find(run) is None]
        remarks = []
        if unsteady:
            remarks.append(
                f"Measured while something else ran: {', '.join(unsteady)}. "
                f"On an idle machine, snakemake --cores all --forcerun measure_cost -- {identity} measures again."
            )
        if missing:
            remarks.append(f"Not measured yet: {', '.join(missing)}. snakemake --cores all {identity} does it.")
        return remarks


def load_costs(paths: Iterable[Path], preset_id: str) -> Costs:
    """The receipts among `paths` that exist. One of another preset is refused."""
    return Costs(read_of_preset(paths, preset_id, read_cost, "cost receipt", lambda cost: cost.run, "measures the same run"))
