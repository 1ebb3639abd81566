"""`Plan`: the questions that the rules ask. Each method takes Snakemake's wildcards and answers with paths, numbers or names."""

import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath

from sra.core.errors import InputError, unknown
from sra.plan.assets import Assets
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
MADE = "train_"  # how the names of references made of the train split begin


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
        """The images as a rule's input: made by the workflow, or the user's own; empty when they are not there (the stage then says so)."""
        source = self.images_source(wildcards)
        made = self._dataset(wildcards.dataset).kind == "made"
        return [source] if made or (source and (self.root / source).exists()) else []

    def images_source(self, wildcards) -> str:
        """Where they lie; empty when the user has not said where."""
        dataset = self._dataset(wildcards.dataset)
        if dataset.kind == "made":
            return Shared(dataset.name).images
        return getattr(self.user.paths, dataset.source.removeprefix("paths.")) or ""

    def expected_images(self, wildcards) -> str:
        """Options of `sra index`: what config/datasets.tsv says of the data set. A subset of the user's has its own number, and any classes."""
        dataset, subset = self._dataset(wildcards.dataset), self.user.paths.expected_images
        if dataset.kind == "path" and subset is not None:
            return f"--expected-images {subset}"
        return f"--expected-images {dataset.images} --expected-classes {dataset.classes}"

    # Models and references, for the rules of a data set (named by wildcards) and of a preset (named there)

    def fetched(self, kind: str) -> Callable[..., list[str]]:
        """The weights that a rule waits for."""
        return lambda wildcards: self._assets(wildcards).inputs(*self._asset(wildcards, kind))

    def model(self, kind: str) -> Callable[..., str]:
        """What its stage loads."""
        return lambda wildcards: self._assets(wildcards).source(*self._asset(wildcards, kind))

    def held(self, kind: str) -> Callable[..., list[str]]:
        """The option that has a fetched file checked."""
        return lambda wildcards: self._assets(wildcards).held(*self._asset(wildcards, kind)[:2])

    def _assets(self, wildcards) -> Assets:
        return Assets(self.root, self.registry(getattr(wildcards, "preset", self.preset)), self.user.paths.downloads)

    def _asset(self, wildcards, kind: str) -> tuple[str, str, str]:
        """Its name, kind and data set."""
        named = getattr(wildcards, kind, None)
        if named:
            return named, kind, wildcards.dataset
        preset = self.registry(wildcards.preset).preset
        name = self.registry(wildcards.preset).spec(wildcards.run).encoder if kind == "encoder" else getattr(preset, kind)
        return name, kind, preset.dataset

    # Inputs of the extraction rules

    def dtype(self, kind: str) -> Callable[..., str]:
        """What latents or features are stored as."""
        return lambda wildcards: getattr(self._preset_on(wildcards.dataset), f"{kind}_dtype")

    def shards(self, kind: str) -> Callable[..., list[str]]:
        """The parts of a store of latents, features or pixels."""

        store = {
            "latents": lambda wildcards: Shared(wildcards.dataset).latents(wildcards.vae),
            "features": lambda wildcards: Shared(wildcards.dataset).features(wildcards.encoder),
            "pixels": lambda wildcards: Shared(wildcards.dataset).pixels,
        }[kind]

        def parts(wildcards) -> list[str]:
            of = self._preset_on(wildcards.dataset).data_shards
            return [str(PurePosixPath(store(wildcards)).with_name(f"{kind}_{shard:03d}_of_{of:03d}.npy")) for shard in range(of)]

        return parts

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

    def targets_of(self, wildcards) -> dict[str, str | list[str]]:
        """What REPA's targets are made from: stored features, or the images and the encoder; empty lists for the other methods."""
        registry = self.registry(wildcards.preset)
        spec, online = registry.spec(wildcards.run), registry.preset.encoder_features == "online"
        needed = {"features": [], "pixels": [], "encoder": []}
        if spec.encoder and online:
            needed |= {"pixels": Shared(spec.dataset).pixels, "encoder": self.fetched("encoder")(wildcards)}
        elif spec.encoder:
            needed["features"] = Shared(spec.dataset).features(spec.encoder)
        return needed

    def target_options(self, wildcards) -> list[str]:
        """The same for the command line."""
        needed = self.targets_of(wildcards)
        if needed["pixels"]:
            return ["--pixels", needed["pixels"], "--encoder", self.model("encoder")(wildcards)]
        return ["--features", needed["features"]] if needed["features"] else []

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

    def sampling_options(self, wildcards) -> list[str]:
        preset = self.registry(wildcards.preset).preset
        return ["--batch", str(preset.sampling_batch), "--precision", preset.sampling_precision]

    def reference_of(self, wildcards) -> str:
        """ADM's file or another that the user fetched, else the one made here (its name is then that of its features: train_N)."""
        made = self._made_reference(wildcards)
        return made or self.model("reference")(wildcards)

    def reference_input(self, wildcards) -> list[str]:
        """The reference as a rule's input: a file not fetched yet is none, so that its stage can say what to fetch."""
        made = self._made_reference(wildcards)
        return [made] if made else self.fetched("reference")(wildcards)

    def reference_features_of(self, wildcards) -> str:
        preset = self.registry(wildcards.preset).preset
        return Shared(preset.dataset).reference_features(preset.extractor, preset.reference or f"{MADE}{preset.reference_images}")

    def held_for_scores(self, wildcards) -> list[str]:
        """Options that have the extractor and the reference checked against weights.tsv, where the user fetched them."""
        return self.held("extractor")(wildcards) + ([] if self._made_reference(wildcards) else self.held("reference")(wildcards))

    def score_options(self, wildcards) -> list[str]:
        """What is measured besides, and what is let pass."""
        preset = self.registry(wildcards.preset).preset
        return [*(word for metric in preset.secondary for word in ("--secondary", metric)), "--max-duplicates", str(preset.duplicates)]

    def _made_reference(self, wildcards) -> str | None:
        """The reference that a rule makes; None where the user fetches one."""
        named = getattr(wildcards, "reference", None)
        if named:
            return Shared(wildcards.dataset).reference(wildcards.extractor, named.removeprefix(MADE)) if named.startswith(MADE) else None
        preset = self.registry(wildcards.preset).preset
        return None if preset.reference else Shared(preset.dataset).reference(preset.extractor, preset.reference_images)

    def sample_shards(self, wildcards) -> list[str]:
        registry = self.registry(wildcards.preset)
        seeding = registry.sampler(wildcards.sampler).official_seeding
        count = registry.sample_count(int(wildcards.paper_count))
        shards = seeding.processes if seeding else math.ceil(count / registry.preset.shard_samples)
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
