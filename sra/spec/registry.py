"""Everything the configuration folder declares, loaded and checked together."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from sra.core.errors import InputError, unknown
from sra.spec.assets import DatasetEntry, WeightsEntry, entry_named, load_table
from sra.spec.layout import RESULTS, Results
from sra.spec.load import checked, load, read_yaml
from sra.spec.metric import ScoreOf
from sra.spec.recipe import Experiment, Recipe, RunRow
from sra.spec.run import RunSpec, refuse_sampler, resolve_run
from sra.spec.samplers import Sampler, Samplers
from sra.spec.scale import USUAL_RESOLUTION, Preset, class_here
from sra.spec.seeds import Seeds, seeded, split_seed
from sra.spec.study import Study
from sra.spec.variants import NAMED as NAMED_VARIANT
from sra.spec.variants import split_variant

RELEASED = "_released"


@dataclass(frozen=True)
class CheckpointSource:
    """A released file that a run samples from or trains on.

    step: the training behind it; None for one that is trained on, whose steps begin anew.  take: which of its weights.
    entry: its row of weights.tsv, whose `file` lies in the user's folder; None for a path.
    """

    file: str
    family: str
    step: int | None
    entry: WeightsEntry | None
    take: str = "ema"


@dataclass(frozen=True)
class Registry:
    """Recipes, runs and samplers at one preset. `root` is the folder that holds `config` and `report`.

    released: tables show the runs from released checkpoints where rows name them; what would need training is not run.
    asked: seeds of every number that is shown, where the user names some.
    results_in: folder of all results, from the root.
    """

    root: Path
    preset_id: str
    released: bool = False
    asked: Seeds = Seeds()
    results_in: PurePosixPath = RESULTS

    @property
    def results(self) -> Results:
        """Where the preset's results lie, from the root."""
        return Results(self.preset_id, self.results_in)

    @cached_property
    def seeds(self) -> Seeds:
        """Seeds of every number that is shown: the user's choice, else the preset's."""
        own = {run: row.seed for run, (row, _, _) in self._rows.items() if row.seed}
        return Seeds(training=self.asked.training or self.preset.seeds, sampling=self.asked.sampling, own=own)

    def _files(self, folder: str) -> list[Path]:
        """Of a folder in config, which must be there. Raises InputError in a folder that is not the suite's."""
        where = self.root / "config" / folder
        if not where.is_dir():
            raise InputError(f"{where}: no such folder; call `sra` in the folder that holds config and report")
        return sorted(where.glob("*.yaml"))

    @cached_property
    def preset(self) -> Preset:
        files = {path.stem: path for path in self._files("presets")}
        known = list(files)
        if self.preset_id not in known:
            raise unknown("preset", self.preset_id, known)
        path = files[self.preset_id]
        content = read_yaml(path)
        if isinstance(content, dict) and "based_on" in content:
            content = _on_its_base(path, content, known)
        return checked(content, Preset, str(path))

    @cached_property
    def recipes(self) -> dict[str, Recipe]:
        return {path.stem: load(path, Recipe) for path in self._files("recipes")}

    @cached_property
    def samplers(self) -> dict[str, Sampler]:
        return load(self.root / "config" / "samplers.yaml", Samplers).samplers

    @cached_property
    def studies(self) -> dict[str, Study]:
        """The studies of the preset, by their names."""
        folder, found = self.root / "config" / "studies", {}
        for name in self.preset.studies:
            known = [path.stem for path in sorted(folder.glob("*.yaml"))]
            if name not in known:
                raise unknown("study", name, known, where=f"config/presets/{self.preset_id}.yaml: studies")
            study = load(folder / f"{name}.yaml", Study)
            if study.id != name:
                raise InputError(f"{folder / f'{name}.yaml'}: id is {study.id}; give it the file's name, {name}")
            found[name] = study
        return found

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
        for path in self._files("experiments"):
            experiment = load(path, Experiment)
            if experiment.recipe not in self.recipes:
                raise unknown("recipe", experiment.recipe, self.recipes, where=str(path))
            for run, row in experiment.runs.items():
                if not run.replace("_", "").isalnum() or run != run.lower():
                    raise InputError(f"{path}: run id {run!r} may hold only a-z, 0-9 and _")
                if split_seed(run)[1] is not None:
                    raise InputError(f"{path}: run id {run!r} ends as if it named a seed; rename it, and give seeds in config/config.yaml")
                if NAMED_VARIANT.fullmatch(run):
                    raise InputError(f"{path}: run id {run!r} ends as trials of a study do; rename it")
                if (row.weights is not None) != run.endswith(RELEASED):
                    raise InputError(f"{path}: run {run}: the names of runs with weights, and of no others, end in {RELEASED}; rename it")
                if run in rows:
                    raise InputError(f"{path}: run {run} is already defined in {rows[run][2]}; give it another name")
                rows[run] = (row, experiment, path)
        return rows

    @cached_property
    def _specs(self) -> dict[str, RunSpec]:
        """Resolved runs by name, kept because the rules of a workflow ask for each many times."""
        return {}

    @cached_property
    def _samplers_here(self) -> dict[str, Sampler]:
        """Those asked for, at this preset."""
        return {}

    @property
    def runs(self) -> list[str]:
        return list(self._rows)

    def spec(self, run: str) -> RunSpec:
        """The resolved run. Raises InputError for an unknown run or one that its model cannot hold."""
        if run not in self._specs:
            row, experiment, _ = self._entry(run)
            recipe, variant = self.recipes[experiment.recipe], split_variant(split_seed(run)[0])[1]
            self._specs[run] = resolve_run(run, row, experiment, recipe, self.preset_id, self.preset_of(run), variant)
        return self._specs[run]

    def preset_of(self, run: str) -> Preset:
        """The preset as this run sees it: runs on captions, and those at another resolution, have a data set and a length of their own."""
        if self.is_text_to_image(run):
            return self.preset.for_captions()
        return self.preset.at_resolution(self._entry(run)[1].resolution)

    def has_part_of(self, run: str) -> bool:
        """Whether the preset has the part that the run needs: the one on captions, or the one at its resolution. A run without it is left out."""
        if self.is_text_to_image(run):
            return self.preset.text_to_image is not None
        resolution = self._entry(run)[1].resolution
        return resolution == USUAL_RESOLUTION or resolution in self.preset.resolutions

    def is_text_to_image(self, run: str) -> bool:
        return self.recipes[self._entry(run)[1].recipe].family == "mmdit"

    def checkpoint(self, run: str) -> CheckpointSource | None:
        """The released file that the run starts from; None for a run that is trained."""
        weights = self._entry(run)[0].weights
        if weights is None:
            return None
        if weights.family:
            return CheckpointSource(weights.file, weights.family, weights.step, None)
        entry = self.weights_of(weights.file, "checkpoint")
        return CheckpointSource(entry.place, entry.family, entry.step, entry)

    def start(self, run: str) -> CheckpointSource | None:
        """The released file whose weights the run trains on; None for one that starts from its seed."""
        start = self._entry(run)[0].start
        if start is None:
            return None
        if start.family:
            return CheckpointSource(start.file, start.family, None, None, start.take)
        entry, experiment = self.weights_of(start.file, "checkpoint"), self._entry(run)[1]
        if (entry.model, entry.resolution) != (experiment.model, experiment.resolution):
            offered, needed = f"{entry.model} for {entry.resolution} px", f"{experiment.model} for {experiment.resolution} px"
            raise InputError(f"run {run}: start: {entry.name} is {offered}, the run is {needed}; name a checkpoint of that model")
        return CheckpointSource(entry.place, entry.family, None, entry, start.take)

    def milestones(self, run: str) -> list[str]:
        """Milestones of the run that this preset reaches, in order of steps."""
        steps = self.preset_of(run).milestones if self.has_part_of(run) else {}
        named = {*self._entry(run)[1].milestones, *self._milestones_of_studies(run)}
        return sorted((name for name in named if name in steps), key=steps.__getitem__)

    def _milestones_of_studies(self, run: str) -> set[str]:
        """Those at which the preset's studies score the run, which trains alike with more of them and stops more often."""
        base = split_variant(split_seed(run)[0])[0]
        return {name for study in self.studies.values() for name in study.milestones_of(base)}

    def sampler(self, name: str) -> Sampler:
        """The named sampler with the preset's evaluations and classes, and with the seed that its name may end in."""
        if name not in self._samplers_here:
            base, seed = split_seed(name)
            if base not in self.samplers:
                raise unknown("sampler", base, self.samplers)
            sampler = self.samplers[base]
            here = sampler.model_dump() | {
                "evaluations": self.preset.evaluations.get(sampler.evaluations, sampler.evaluations),
                "classes": sampler.classes and list(dict.fromkeys(class_here(label, self.preset.classes) for label in sampler.classes)),
                "seed": sampler.seed if seed is None else seed,
            }
            self._samplers_here[name] = checked(here, Sampler, f"sampler {name} at preset {self.preset_id}")
        return self._samplers_here[name]

    def refuse_unfit(self, name: str, run: str) -> None:
        """Raises InputError for a sampler that cannot draw from the run's model."""
        spec, sampler = self.spec(run), self.sampler(name)
        try:
            refuse_sampler(sampler, spec)
        except InputError as error:
            raise InputError(f"run {run}, sampler {name}: {error}") from None

    def sample_count(self, paper_count: int) -> int:
        if paper_count not in self.preset.samples:
            raise InputError(f"preset {self.preset_id}: samples has no entry for the paper's {paper_count}; add one")
        return self.preset.samples[paper_count]

    def with_training_seeds(self, run: str) -> list[str]:
        """The run once for each training seed that is asked for. What is not trained here has none."""
        row, _, _ = self._entry(run)
        trained = self.seeds.training if row.weights is None else None
        return [run] if trained is None else [seeded(run, seed, row.seed) for seed in trained]

    def with_seeds(self, run: str, score: ScoreOf) -> list[tuple[str, ScoreOf]]:
        """The run and score once for each pair of a training and a sampling seed that is asked for."""
        runs = self.with_training_seeds(run)
        own = self.sampler(score.sampler).seed
        samplers = [score.sampler] if self.seeds.sampling is None else [seeded(score.sampler, seed, own) for seed in self.seeds.sampling]
        return [(name, score.model_copy(update={"sampler": sampler})) for name in runs for sampler in samplers]

    def _entry(self, run: str) -> tuple[RunRow, Experiment, Path]:
        """The run's row, with the training seed that its name may end in."""
        name, seed = split_seed(run)
        base = split_variant(name)[0]
        if base not in self._rows:
            raise unknown("run", base, self._rows)
        row, experiment, path = self._rows[base]
        if seed is None:
            return row, experiment, path
        if row.weights is not None or seed == row.seed:
            raise InputError(f"run {run}: {base} {f'has seed {seed} itself' if row.weights is None else 'is not trained here'}; ask for {name}")
        return row.model_copy(update={"seed": seed}), experiment, path


def _on_its_base(path: Path, content: dict, known: list[str]) -> dict:
    """The keys of a preset and, under them, those of the preset that it is `based_on`; no further."""
    base = content["based_on"]
    if base not in known:
        raise unknown("preset", str(base), known, where=f"{path}: based_on")
    below = read_yaml(path.with_name(f"{base}.yaml"))
    if not isinstance(below, dict) or "based_on" in below:
        raise InputError(f"{path}: based_on: {base} is based on another preset itself; name that one")
    return {**below, **{key: value for key, value in content.items() if key != "based_on"}}
