"""`Plan`: the questions that the rules ask. Each method takes Snakemake's wildcards and answers with paths, numbers or names."""

import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from sra.core.errors import InputError, unknown
from sra.plan.layout import Results, Shared
from sra.plan.sources import source_hash
from sra.plan.targets import Wanted, point_before, point_named, wanted_by_all, wanted_by_figure, wanted_by_table
from sra.spec.config import UserConfig
from sra.spec.display import GridFigure
from sra.spec.load import checked
from sra.spec.machine import Machine
from sra.spec.registry import Registry
from sra.spec.scale import Needs

TABLE_KINDS = ("json", "csv", "html", "tex", "md")
FIGURE_KINDS = ("json", "svg", "png")


def open_plan(root: Path, config: dict) -> "Plan":
    """The plan of a Snakefile in `root`. Bad input ends Snakemake with one line and exit code 2."""
    with _refusing():
        return Plan(root, config)


@contextmanager
def _refusing() -> Iterator[None]:
    """A Snakefile has no other way to refuse bad input without a traceback."""
    try:
        yield
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


class Plan:
    """One per Snakemake process. Every rule of a preset asks the same registry, loaded once."""

    def __init__(self, root: Path, config: dict):
        self.root = root
        self.user: UserConfig = checked(config, UserConfig, "config/config.yaml or --config")
        self.preset = self.user.preset
        self.registry = lru_cache(lambda preset: Registry(root, preset, released=self.user.weights == "released"))
        wanted_by_all(self.registry(self.preset))  # refuses a wrong table, run, sampler or milestone before anything starts

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
        """
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        for name in Machine.model_fields:
            os.environ.pop(f"SRA_{name.upper()}", None)
            if getattr(self.user, name) is not None:
                os.environ[f"SRA_{name.upper()}"] = str(getattr(self.user, name))

    # Targets

    def tables(self) -> list[str]:
        return list(self.registry(self.preset).tables)

    def figures(self) -> list[str]:
        return list(self.registry(self.preset).figures)

    def table_files(self, table: str) -> list[str]:
        return _files(Results(self.preset).table, table, TABLE_KINDS)

    def figure_files(self, figure: str) -> list[str]:
        return _files(Results(self.preset).figure, figure, FIGURE_KINDS)

    def report(self) -> str:
        return Results(self.preset).report

    # Inputs of the data rules

    def source_images(self, wildcards) -> list[str]:
        """The archive of images: made by the workflow, or the user's own; empty when the user has not said where (the stage then says so)."""
        dataset = self._dataset(wildcards.dataset)
        if dataset.kind == "made":
            return [Shared(dataset.name).images]
        path = getattr(self.user.paths, dataset.source.removeprefix("paths."))
        return [path] if path else []

    def images_source(self, wildcards) -> str:
        return next(iter(self.source_images(wildcards)), "")

    def expected_images(self, wildcards) -> str:
        """Options of `sra index`: what config/datasets.tsv says of the data set. A subset of the user's has its own number, and any classes."""
        dataset, subset = self._dataset(wildcards.dataset), self.user.paths.expected_images
        if dataset.kind == "path" and subset is not None:
            return f"--expected-images {subset}"
        return f"--expected-images {dataset.images} --expected-classes {dataset.classes}"

    def model_weights(self, name: str, kind: str, dataset: str) -> list[str]:
        """The weights file that a rule of ours trains; empty for models that the user fetches."""
        if name.startswith("timm/"):
            return []
        entry = self.registry(self.preset).weights_of(name, kind)
        if entry.source != "trained":
            return []
        filename = {"vae": "diffusion_pytorch_model.safetensors"}.get(kind, "model.safetensors")
        return [f"{Shared(dataset).model(kind, name)}/{filename}"]

    def model_source(self, name: str, kind: str, dataset: str) -> str:
        """What the stages load the model from: our folder, a hub name or a file."""
        if name.startswith("timm/"):
            return name
        entry = self.registry(self.preset).weights_of(name, kind)
        return Shared(dataset).model(kind, name) if entry.source == "trained" else entry.place

    def latent_shards(self, wildcards) -> list[str]:
        shards = self._preset_on(wildcards.dataset).latent_shards
        return [Shared(wildcards.dataset).latent_shard(wildcards.vae, shard, shards) for shard in range(shards)]

    def token_grid(self, wildcards) -> int:
        """Tokens on a side of the models that train on this data set: patch 2 (Table 5)."""
        return self._preset_on(wildcards.dataset).latent.size // 2

    def image_size(self, wildcards) -> int:
        return self._preset_on(wildcards.dataset).image_size

    # Inputs of the training rules

    def fingerprint(self, wildcards) -> str:
        return self.registry(wildcards.preset).spec(wildcards.run).fingerprint

    def latents_of(self, wildcards) -> str:
        spec = self.registry(wildcards.preset).spec(wildcards.run)
        return Shared(spec.dataset).latents(spec.vae)

    def features_of(self, wildcards) -> list[str]:
        """The encoder features that the run aligns with; none unless its method is REPA."""
        spec = self.registry(wildcards.preset).spec(wildcards.run)
        return [Shared(spec.dataset).features(spec.encoder)] if spec.encoder else []

    def previous_state(self, wildcards) -> list[str]:
        before = point_before(self.registry(wildcards.preset), wildcards.run, wildcards.point)
        return [Results(wildcards.preset).state(wildcards.run, before.name)] if before else []

    def step(self, wildcards) -> int:
        return point_named(self.registry(wildcards.preset), wildcards.run, wildcards.point).step

    def rolling_minutes(self, wildcards) -> float:
        return self.registry(wildcards.preset).preset.rolling_minutes

    # Inputs of the rule that starts from released weights

    def released_file(self, wildcards) -> list[str]:
        """The checkpoint, when it is where the user keeps them; the stage says what to fetch when it is not."""
        path = Path(self.released_path(wildcards))
        return [str(path)] if path.exists() else []

    def released_path(self, wildcards) -> str:
        """In the folder of what the user fetched, which defaults to `downloads`."""
        checkpoint = self.registry(wildcards.preset).checkpoint(wildcards.run)
        folder = "" if checkpoint.entry is None else self.user.paths.downloads
        return str(Path(folder) / checkpoint.file)

    def released_options(self, wildcards) -> list[str]:
        """Whose file it is, and the step it was trained to."""
        checkpoint = self.registry(wildcards.preset).checkpoint(wildcards.run)
        name = ["--name", checkpoint.entry.name] if checkpoint.entry else []
        return ["--from", checkpoint.family, "--step", str(checkpoint.step), *name]

    # Inputs of the sampling and scoring rules

    def sampler(self, wildcards) -> str:
        """The resolved sampler as JSON: a changed sampler is a changed parameter, so its samples are drawn again."""
        return self.registry(wildcards.preset).sampler(wildcards.sampler).model_dump_json()

    def sample_count(self, wildcards) -> int:
        return self.registry(wildcards.preset).sample_count(int(wildcards.paper_count))

    def sampling_batch(self, wildcards) -> int:
        return self.registry(wildcards.preset).preset.sampling_batch

    def vae_weights(self, wildcards) -> list[str]:
        preset = self.registry(wildcards.preset).preset
        return self.model_weights(preset.vae, "vae", preset.dataset)

    def vae_source(self, wildcards) -> str:
        preset = self.registry(wildcards.preset).preset
        return self.model_source(preset.vae, "vae", preset.dataset)

    def extractor_weights(self, wildcards) -> list[str]:
        preset = self.registry(wildcards.preset).preset
        return self.model_weights(preset.extractor, "extractor", preset.dataset)

    def extractor_source(self, wildcards) -> str:
        preset = self.registry(wildcards.preset).preset
        return self.model_source(preset.extractor, "extractor", preset.dataset)

    def reference_of(self, wildcards) -> str:
        preset = self.registry(wildcards.preset).preset
        return Shared(preset.dataset).reference(preset.extractor, preset.reference_images)

    def sample_shards(self, wildcards) -> list[str]:
        registry = self.registry(wildcards.preset)
        shards = math.ceil(registry.sample_count(int(wildcards.paper_count)) / registry.preset.shard_samples)
        return [
            Results(wildcards.preset).sample_shard(wildcards.run, wildcards.milestone, wildcards.sampler, int(wildcards.paper_count), shard, shards)
            for shard in range(shards)
        ]

    # Inputs of the display rules

    def scores_of_table(self, wildcards) -> list[str]:
        registry = self.registry(wildcards.preset)
        return self._scores(wanted_by_table(registry.tables[wildcards.table], registry), wildcards.preset)

    def scores_of_figure(self, wildcards) -> list[str]:
        registry = self.registry(wildcards.preset)
        return self._scores(wanted_by_figure(registry.figures[wildcards.figure], registry), wildcards.preset)

    def samples_of_figure(self, wildcards) -> list[str]:
        """Only a grid shows the images themselves."""
        registry = self.registry(wildcards.preset)
        figure = registry.figures[wildcards.figure]
        if not isinstance(figure, GridFigure):
            return []
        return [Results(wildcards.preset).samples(item.run, item.score) for item in wanted_by_figure(figure, registry)]

    def report_tables(self, wildcards) -> list[str]:
        return [path for table in self.registry(wildcards.preset).tables for path in _files(Results(wildcards.preset).table, table, TABLE_KINDS)]

    def report_figures(self, wildcards) -> list[str]:
        return [path for figure in self.registry(wildcards.preset).figures for path in _files(Results(wildcards.preset).figure, figure, FIGURE_KINDS)]

    def templates(self) -> list[str]:
        return sorted(f"report/templates/{path.name}" for path in (self.root / "report" / "templates").iterdir())

    def published_of(self, identity: str) -> list[str]:
        path = self.root / "report" / "published" / f"{identity}.csv"
        return [f"report/published/{identity}.csv"] if path.exists() else []

    # Resources

    def needs(self, stage: str):
        """Resource functions of a stage: `needs("train").mem_mb` takes wildcards."""
        return _NeedsOf(self, stage)

    def source(self, *rooms: str) -> str:
        return source_hash(*rooms)

    def _scores(self, wanted: list[Wanted], preset: str) -> list[str]:
        return [Results(preset).score(item.run, item.score) for item in wanted]

    def _dataset(self, name: str):
        datasets = self.registry(self.preset).datasets
        if name not in datasets:
            raise InputError(f"data set {name!r} is not in config/datasets.tsv; known: {', '.join(datasets)}")
        return datasets[name]

    def _preset_on(self, dataset: str):
        """The preset whose data set this is: the user's, else the first that uses it."""
        ids = [self.preset, *sorted(path.stem for path in (self.root / "config" / "presets").glob("*.yaml"))]
        for preset in (self.registry(name).preset for name in ids):
            if preset.dataset == dataset:
                return preset
        raise InputError(f"no preset uses data set {dataset!r}; name one in config/presets")


def _files(path_of: Callable[[str, str], str], name: str, kinds: tuple[str, ...]) -> list[str]:
    """Every format of one table or figure."""
    return [path_of(name, kind) for kind in kinds]


class _NeedsOf:
    def __init__(self, plan: Plan, stage: str):
        self._plan, self._stage = plan, stage

    def _entry(self, wildcards) -> Needs:
        preset = getattr(wildcards, "preset", self._plan.preset)
        return self._plan.registry(preset).preset.needs.get(self._stage, Needs())

    def gpu(self, wildcards) -> int:
        """Training takes one for each of the user's processes."""
        gpu = self._entry(wildcards).gpu
        return max(gpu, self._plan.user.processes) if gpu and self._stage == "train" else gpu

    def threads(self, wildcards) -> int:
        return self._entry(wildcards).threads

    def mem_mb(self, wildcards) -> int:
        return self._entry(wildcards).mem_mb

    def runtime(self, wildcards) -> int:
        return self._entry(wildcards).runtime
