"""Everything the configuration folder declares, loaded and checked together."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sra.core.errors import InputError, unknown
from sra.spec.assets import DatasetEntry, WeightsEntry, entry_named, load_table
from sra.spec.display import CurvesFigure, FigureSpec, SampleFigure, TableSpec
from sra.spec.load import load
from sra.spec.method import Experiment, Recipe, RunRow, Sampler, Samplers
from sra.spec.run import RunSpec, resolve_run
from sra.spec.scale import Preset

RELEASED = "_released"


@dataclass(frozen=True)
class Checkpoint:
    """A released file that a run starts from. entry: its row of weights.tsv, whose `file` lies in the user's folder; None for a path."""

    file: str
    family: str
    step: int
    entry: WeightsEntry | None


@dataclass(frozen=True)
class Registry:
    """Recipes, runs and samplers at one preset. `root` is the folder that holds `config` and `report`.

    released: tables show the runs from released checkpoints where rows name them; what would need training is not run.
    """

    root: Path
    preset_id: str
    released: bool = False

    @cached_property
    def preset(self) -> Preset:
        folder = self.root / "config" / "presets"
        known = [path.stem for path in folder.glob("*.yaml")]
        if self.preset_id not in known:
            raise unknown("preset", self.preset_id, known)
        return load(folder / f"{self.preset_id}.yaml", Preset)

    @cached_property
    def recipes(self) -> dict[str, Recipe]:
        return {path.stem: load(path, Recipe) for path in sorted((self.root / "config" / "recipes").glob("*.yaml"))}

    @cached_property
    def samplers(self) -> dict[str, Sampler]:
        return load(self.root / "config" / "samplers.yaml", Samplers).samplers

    @cached_property
    def tables(self) -> dict[str, TableSpec]:
        tables = _by_id(self.root / "report" / "tables", TableSpec)
        return {name: _with_released_runs(table) for name, table in tables.items()} if self.released else tables

    @cached_property
    def figures(self) -> dict[str, CurvesFigure | SampleFigure]:
        return _by_id(self.root / "report" / "figures", FigureSpec)

    @cached_property
    def datasets(self) -> dict[str, DatasetEntry]:
        return load_table(self.root / "config" / "datasets.tsv", DatasetEntry)

    @cached_property
    def weights(self) -> dict[str, WeightsEntry]:
        return load_table(self.root / "config" / "weights.tsv", WeightsEntry)

    def weights_of(self, name: str, kind: str) -> WeightsEntry:
        return entry_named(self.weights, name, kind)

    @cached_property
    def _rows(self) -> dict[str, tuple[RunRow, Experiment, Path]]:
        rows: dict[str, tuple[RunRow, Experiment, Path]] = {}
        for path in sorted((self.root / "config" / "experiments").glob("*.yaml")):
            experiment = load(path, Experiment)
            if experiment.recipe not in self.recipes:
                raise unknown("recipe", experiment.recipe, self.recipes, where=str(path))
            for run, row in experiment.runs.items():
                if not run.replace("_", "").isalnum() or run != run.lower():
                    raise InputError(f"{path}: run id {run!r} may hold only a-z, 0-9 and _")
                if (row.weights is not None) != run.endswith(RELEASED):
                    raise InputError(f"{path}: run {run}: the names of runs with weights, and of no others, end in {RELEASED}; rename it")
                if run in rows:
                    raise InputError(f"{path}: run {run} is already defined in {rows[run][2]}; give it another name")
                rows[run] = (row, experiment, path)
        return rows

    @property
    def runs(self) -> list[str]:
        return list(self._rows)

    def spec(self, run: str) -> RunSpec:
        """The resolved run. Raises InputError for an unknown run or one that its model cannot hold."""
        row, experiment, _ = self._entry(run)
        return resolve_run(run, row, experiment, self.recipes[experiment.recipe], self.preset_id, self.preset_of(run))

    def preset_of(self, run: str) -> Preset:
        """The preset as this run sees it: runs on captions have a data set, an autoencoder and a length of their own."""
        return self.preset.for_captions() if self.is_text_to_image(run) else self.preset

    def is_text_to_image(self, run: str) -> bool:
        return self.recipes[self._entry(run)[1].recipe].family == "mmdit"

    def checkpoint(self, run: str) -> Checkpoint | None:
        """The released file that the run starts from; None for a run that is trained."""
        weights = self._entry(run)[0].weights
        if weights is None:
            return None
        if weights.family:
            return Checkpoint(weights.file, weights.family, weights.step, None)
        entry = self.weights_of(weights.file, "checkpoint")
        return Checkpoint(entry.place, entry.family, entry.step, entry)

    def milestones(self, run: str) -> list[str]:
        """Milestones of the run that this preset reaches, in order of steps."""
        here = self.preset.milestones
        return sorted((name for name in self._entry(run)[1].milestones if name in here), key=here.__getitem__)

    def sampler(self, name: str) -> Sampler:
        """The named sampler with the preset's number of network evaluations."""
        if name not in self.samplers:
            raise unknown("sampler", name, self.samplers)
        sampler = self.samplers[name]
        return sampler.model_copy(update={"evaluations": self.preset.evaluations.get(sampler.evaluations, sampler.evaluations)})

    def sample_count(self, paper_count: int) -> int:
        if paper_count not in self.preset.samples:
            raise InputError(f"preset {self.preset_id}: samples has no entry for the paper's {paper_count}; add one")
        return self.preset.samples[paper_count]

    def _entry(self, run: str) -> tuple[RunRow, Experiment, Path]:
        if run not in self._rows:
            raise unknown("run", run, self._rows)
        return self._rows[run]


def _with_released_runs(table: TableSpec) -> TableSpec:
    return table.model_copy(update={"rows": [row.model_copy(update={"run": row.released or row.run}) for row in table.rows]})


def _by_id(folder: Path, model) -> dict:
    """The typed files of a folder by their id, which must be the file's name: `snakemake table_1` builds `table_1.yaml`."""
    found = {}
    for path in sorted(folder.glob("*.yaml")):
        spec = load(path, model)
        if spec.id != path.stem:
            raise InputError(f"{path}: id is {spec.id}; give it the file's name, {path.stem}")
        found[spec.id] = spec
    return found
