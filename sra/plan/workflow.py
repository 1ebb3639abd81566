"""`Plan`: the questions that the rules ask. Each method takes Snakemake's wildcards and answers with paths, numbers or names."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sra.content.catalogue import Catalogue
from sra.content.claims import load_claims
from sra.content.figures import FigureSpec
from sra.content.tables import TableSpec
from sra.content.wanted import Wanted, packs_of_figure, wanted_by_all, wanted_by_claims, wanted_by_figure, wanted_by_table
from sra.core.errors import InputError, spelled_out, unknown
from sra.core.files import check_writable
from sra.plan.analysis import AnalysisPlan
from sra.plan.data import DataPlan
from sra.plan.measure import MeasuringPlan
from sra.plan.scoring import ScoringPlan
from sra.plan.training import TrainingPlan
from sra.spec.layout import Results
from sra.spec.machine import Machine

TABLE_KINDS = ("json", "csv", "html", "tex", "md")
FIGURE_KINDS = ("json", "svg", "png")
CLAIMS_KINDS = ("json", "csv", "md")


def open_plan(root: Path, config: dict) -> "Plan":
    """The plan of a Snakefile in `root`. Bad input ends Snakemake with one line and exit code 2."""
    with _refusing():
        check_writable(Path(".snakemake", "log"))  # Snakemake's own books; without them it ends in a traceback
        return Plan(root, config)


@contextmanager
def _refusing() -> Iterator[None]:
    """A Snakefile has no other way to refuse bad input without a traceback."""
    try:
        yield
    except InputError as error:
        print(f"error: {spelled_out(error)}", file=sys.stderr)
        raise SystemExit(2) from None


class Plan(DataPlan, TrainingPlan, MeasuringPlan, ScoringPlan, AnalysisPlan):
    """One per Snakemake process."""

    def __init__(self, root: Path, config: dict, loaded: Catalogue | None = None):
        super().__init__(root, config, loaded)
        # Refuses a wrong table, run, sampler or milestone, and what could not be scored, before anything starts.
        self.refuse_impossible(wanted_by_all(self.registry(self.preset)))
        load_claims(self.registry(self.preset))
        self.prices(self.preset)  # refuses unknown hardware
        _ = self.preprocessed  # refuses an unknown data set

    def refuse_target(self, wildcards) -> list[str]:
        """End with one line for a table or figure that does not exist; Snakemake would only say that no rule makes it."""
        kind = wildcards.target.partition("_")[0]
        with _refusing():
            raise unknown(kind, wildcards.target, self.tables() if kind == "table" else self.figures())

    def prepare_environment(self) -> None:
        """What every job inherits.

        PATH: the rules call `sra`, which lies beside the Python that runs Snakemake; it is found with or without an activated environment.
        SRA_DEVICE, SRA_PROCESSES and the like: no parameters of any rule, since the machine changes where a stage runs and not what it is:
        choosing another reruns nothing.
        SRA_LEASE_GPUS: jobs on one machine keep out of each other's GPUs, whatever started them.
        """
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        for name in Machine.model_fields:
            os.environ.pop(f"SRA_{name.upper()}", None)
            if getattr(self.user, name) is not None:
                os.environ[f"SRA_{name.upper()}"] = str(getattr(self.user, name))
        asked = self.registry(self.preset).preset.uses_gpus
        os.environ.pop("SRA_LEASE_GPUS", None)
        if asked if self.user.lease_gpus is None else self.user.lease_gpus:
            os.environ["SRA_LEASE_GPUS"] = "1"

    # Targets

    def tables(self) -> list[str]:
        """All that can be asked for by name."""
        return list(self.registry(self.preset).tables)

    def figures(self) -> list[str]:
        return list(self.registry(self.preset).figures)

    def shown_tables(self) -> list[str]:
        """Those of the report."""
        return self.registry(self.preset).shown_tables

    def shown_figures(self) -> list[str]:
        return self.registry(self.preset).shown_figures

    def table_files(self, table: str) -> list[str]:
        return _files(Results(self.preset).table, table, TABLE_KINDS)

    def figure_files(self, figure: str) -> list[str]:
        return _files(Results(self.preset).figure, figure, FIGURE_KINDS)

    def claims_files(self) -> list[str]:
        return [Results(self.preset).claims(kind) for kind in CLAIMS_KINDS]

    def report(self) -> list[str]:
        """The page and the PDF."""
        return [Results(self.preset).report, Results(self.preset).report_pdf]

    def registry_file(self) -> str:
        return Results(self.preset).registry

    def appendix(self) -> str:
        return Results(self.preset).appendix

    def planning_options(self) -> list[str]:
        """What the plan counts with."""
        return ["--gpus", str(self.user.gpus), *(["--device", self.user.hardware] if self.user.hardware else []), *self.display_options()]

    def display_options(self) -> list[str]:
        """Which runs and seeds the numbers are of."""
        lists = {"--seeds": self.user.seeds, "--sampling-seeds": self.user.sampling_seeds}
        given = [(option, ",".join(map(str, seeds))) for option, seeds in lists.items() if seeds is not None]
        return ["--weights", self.user.weights, *(word for option in given for word in option)]

    # Inputs of the display rules

    def scores_of_table(self, wildcards) -> list[str]:
        registry = self.registry(wildcards.preset)
        return self._scores(wanted_by_table(registry.tables[wildcards.table], registry), wildcards.preset)

    def scores_of_figure(self, wildcards) -> list[str]:
        registry = self.registry(wildcards.preset)
        return self._scores(wanted_by_figure(registry.figures[wildcards.figure], registry), wildcards.preset)

    def samples_of_figure(self, wildcards) -> list[str]:
        """Only some figures show the images themselves."""
        registry = self.registry(wildcards.preset)
        packs = packs_of_figure(registry.figures[wildcards.figure], registry)
        return [Results(wildcards.preset).samples(item.run, item.score) for item in packs]

    def scores_of_claims(self, wildcards) -> list[str]:
        registry = self.registry(wildcards.preset)
        return self._scores(wanted_by_claims(load_claims(registry), registry), wildcards.preset)

    def targets_of_claims(self, wildcards) -> list[str]:
        """The tables and figures that claims stand on, and their published numbers."""
        registry = self.registry(wildcards.preset)
        names = dict.fromkeys(target for claim in load_claims(registry).claims for target in claim.targets)
        files = [f"report/{'tables' if name in registry.tables else 'figures'}/{name}.yaml" for name in names]
        return files + sorted({path for name in names for path in self.published_of(name)})

    def report_tables(self, wildcards) -> list[str]:
        return [
            path for table in self.registry(wildcards.preset).shown_tables for path in _files(Results(wildcards.preset).table, table, TABLE_KINDS)
        ]

    def report_figures(self, wildcards) -> list[str]:
        return [
            path
            for figure in self.registry(wildcards.preset).shown_figures
            for path in _files(Results(wildcards.preset).figure, figure, FIGURE_KINDS)
        ]

    def labels_of_table(self, wildcards) -> dict[str, str]:
        """How Snakemake's own report names it."""
        return _labels(self.registry(wildcards.preset).tables[wildcards.table])

    def labels_of_figure(self, wildcards) -> dict[str, str]:
        return _labels(self.registry(wildcards.preset).figures[wildcards.figure])

    def templates(self) -> list[str]:
        return sorted(f"report/templates/{path.name}" for path in (self.root / "report" / "templates").iterdir())

    def published_of(self, identity: str) -> list[str]:
        """The published numbers of a table or figure, and of others that its rows name."""
        table = self.registry(self.preset).tables.get(identity)
        stems = {identity} | {row.published.partition("/")[0] for row in (table.rows if table else ()) if row.published}
        return [path for path in (f"report/published/{stem}.csv" for stem in sorted(stems)) if (self.root / path).exists()]

    def settings_of_table(self, wildcards) -> list[str]:
        """The configuration that a table of settings is made from."""
        if self.registry(wildcards.preset).tables[wildcards.table].kind != "settings":
            return []
        patterns = ("recipes/*.yaml", "experiments/*.yaml", "samplers.yaml", "presets/paper.yaml", f"presets/{wildcards.preset}.yaml")
        found = {path for pattern in patterns for path in (self.root / "config").glob(pattern)}
        return sorted(path.relative_to(self.root).as_posix() for path in found)

    def _scores(self, wanted: list[Wanted], preset: str) -> list[str]:
        return [Results(preset).score(item.run, item.score) for item in wanted]


def plan_of(registry: Catalogue) -> Plan:
    """The plan that asks this registry's questions."""
    seeds = registry.seeds
    choices = {"seeds": seeds.training and list(seeds.training), "sampling_seeds": seeds.sampling and list(seeds.sampling)}
    return Plan(registry.root, {"preset": registry.preset_id, "weights": "released" if registry.released else "trained", **choices}, registry)


def _labels(shown: TableSpec | FigureSpec) -> dict[str, str]:
    return {"name": shown.id, "title": shown.title, "in the paper": shown.paper}


def _files(path_of: Callable[[str, str], str], name: str, kinds: tuple[str, ...]) -> list[str]:
    """Every format of one table or figure."""
    return [path_of(name, kind) for kind in kinds]
