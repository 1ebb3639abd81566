"""`RunSpec`: everything that training one run depends on, and nothing else. It is the run's `config.json`."""

import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from sra.core.errors import InputError, unknown
from sra.core.files import read_json, sha256_of_json, write_json
from sra.spec.base import Strict
from sra.spec.load import checked
from sra.spec.methods.base import MethodOptions, WeightedOptions
from sra.spec.methods.combined import CombinedOptions
from sra.spec.methods.contrastive import ContrastiveOptions
from sra.spec.methods.known import METHOD_OF, AlignmentOptions
from sra.spec.methods.sra import SraOptions
from sra.spec.methods.summary import SummaryOptions
from sra.spec.recipe import (
    KEYS_OF_ANY_RUN,
    Ema,
    Experiment,
    Flips,
    FlowProcess,
    MethodDefaults,
    Process,
    RampEma,
    Recipe,
    RunRow,
    Share,
    StartFrom,
    Views,
    WeightsFrom,
)
from sra.spec.samplers import Sampler, refuse_unfit
from sra.spec.scale import PAPER_SIZES, TEXT_TO_IMAGE_SIZES, USUAL_RESOLUTION, Carrier, Latent, Precision, Preset, Resolution, Text, Width
from sra.spec.variants import Variant

MODEL_NAME = re.compile(r"((?P<family>SiT|DiT)-(?P<size>S|B|L|XL)|(?P<only>MMDiT))/(?P<patch>2|4|8)")
# In sra.spec.layout, which this layer cannot import; the last one of a path, since a folder above may be called results too.
PLACE_OF_A_RUN = re.compile(r".*/results/[a-z0-9_]+/(?:runs|samples|scores|costs|probes|pca)/(?P<run>[a-z0-9_]+)(?:/|\.json$)")


class ModelSpec(Width):
    """One transformer. `name` is the paper's (SiT-B/2); the numbers are those of the preset. Its condition is a class or a text."""

    name: str
    patch: PositiveInt
    latent: Latent
    classes: PositiveInt | None = Field(description="None for a model of captions")
    text: Text | None = Field(None, description="shape of an encoded caption; None for a model of classes")
    learns_variance: bool  # twice the output channels (DiT)
    summary_width: PositiveInt | None = Field(
        None,
        exclude_if=lambda width: width is None,
        description="of the state that an extra token carries (REG); else left out",
    )

    @model_validator(mode="after")
    def _is_told_one_thing(self):
        if (self.classes is None) == (self.text is None):
            raise ValueError(f"model {self.name} is told classes or captions; give one of classes and text")
        return self

    @model_validator(mode="after")
    def _is_made_of_whole_patches(self):
        if self.latent.size % self.patch:
            raise ValueError(f"a latent of {self.latent.size} is no whole number of patches of {self.patch}; give a divisor")
        return self

    @property
    def tokens(self) -> int:
        return (self.latent.size // self.patch) ** 2


class TrainingSpec(Strict):
    """How the optimiser moves. `ema` and the alignment's schedule stay in the paper's steps: one step here stands for
    `paper_steps_per_step` of them. `ema_steps` is where a ramp ends, in steps of this run.
    """

    batch: PositiveInt
    learning_rate: PositiveFloat
    betas: tuple[Share, Share]
    epsilon: PositiveFloat
    weight_decay: float
    gradient_clip: PositiveFloat
    ema: Ema
    ema_steps: PositiveInt | None
    condition_dropout: Share
    precision: Precision
    paper_steps_per_step: PositiveFloat
    seed: int
    flips: Flips = Field("none", exclude_if=lambda flips: flips == "none", description="of the images; left out when there are none")
    views: Views = Field(1, exclude_if=lambda views: views == 1, description="of each image of a batch, noised by themselves; left out when it is 1")

    @property
    def samples(self) -> int:
        """Noisy latents that a step trains on."""
        return self.batch * self.views


class RunSpec(Strict):
    """One training run, resolved. Milestones and segment lengths are not part of it: they change when it stops, not what it is."""

    preset: str
    run: str
    family: str
    dataset: str
    resolution: Resolution = Field(
        USUAL_RESOLUTION,
        exclude_if=lambda resolution: resolution == USUAL_RESOLUTION,  # so that runs from before it was an option stay what they are
        description="of the images in the paper that these stand for; left out when it is 256",
    )
    image_size: PositiveInt
    vae: str
    text_encoder: str | None = Field(None, description="whose features the captions are; None for a model of classes")
    model: ModelSpec
    process: Process
    alignment: AlignmentOptions
    training: TrainingSpec
    weights: WeightsFrom | None = Field(None, description="the file it starts from instead of training")
    start: StartFrom | None = Field(None, exclude_if=lambda start: start is None, description="the file whose weights it trains on; else left out")

    @model_validator(mode="after")
    def _is_trained_between_known_blocks(self):
        if self.weights is None and any(getattr(part, name) is None for part in self.alignment.parts for name in part.BLOCKS):
            raise ValueError("a run that is trained names the blocks that it aligns; give block, or student_block and teacher_block")
        return self

    @property
    def encoder(self) -> str | None:
        """The external encoder that the run aligns with, if any."""
        return next((part.encoder for part in self.alignment.parts if hasattr(part, "encoder")), None)

    @property
    def encodes_in_step(self) -> bool:
        """Whether the encoder has to run while the run trains: what a part reads of it is more than the tokens that can be stored."""
        return any(part.IN_STEP for part in self.alignment.parts)

    def encodes_at(self, preset: Preset) -> bool:
        """Whether the encoder runs while the run trains at this preset: it has to, or the preset stores no tokens."""
        return self.encodes_in_step or preset.encoder_features == "online"

    def acting_at(self, step: int) -> tuple[WeightedOptions, ...]:
        """The parts whose loss is computed at a step, counted from 0."""
        return tuple(part for part in self.alignment.parts if part.acts_at(step, self.training.paper_steps_per_step))

    def reads_encoder_at(self, step: int) -> bool:
        """Whether a step, counted from 0, needs the encoder: for a loss, or for what the student sees, which is the same whatever a loss weighs."""
        acting = self.acting_at(step)
        return any(part in acting or part.CHANGES_TIMES for part in self.alignment.parts if hasattr(part, "encoder"))

    @property
    def stops(self) -> tuple[int, ...]:
        """The steps, counted from 0 and in order, from which a part no longer acts that did before."""
        stops = {part.first_stopped(self.training.paper_steps_per_step) for part in self.alignment.parts}
        return tuple(sorted(stops - {None}))

    @property
    def words(self) -> str:
        """The method in one line, with what any run may change, for people."""
        views = f"; {self.training.views} views of each image" if self.training.views > 1 else ""
        start = f"; on from {Path(self.start.file).name}" if self.start else ""
        return self.alignment.words + ("; latents flipped" if self.training.flips == "latents" else "") + views + start

    @property
    def fingerprint(self) -> str:
        """Hash of the whole spec; stored in every state, weights file and sample set of the run. What is None does not count, so that an
        option that comes later changes no run that leaves it out.
        """
        return sha256_of_json(self.model_dump(mode="json", exclude_none=True))


def write_run(config: Path, spec: RunSpec) -> None:
    """The run as its config.json, with the fingerprint."""
    write_json(config, {**spec.model_dump(mode="json"), "fingerprint": spec.fingerprint})


def read_run(config: Path) -> RunSpec:
    """The run of a config.json. Raises InputError when the file was edited by hand."""
    content = read_json(config)
    fingerprint = content.pop("fingerprint", None) if isinstance(content, dict) else None
    spec = checked(content, RunSpec, str(config))
    if spec.fingerprint != fingerprint:
        raise InputError(f"{config}: was edited by hand; change config/experiments instead and delete this file")
    check_place(config, spec.run)
    return spec


def check_place(path: Path, run: str) -> None:
    """Raises InputError for a file of one run in the place of another's, `results/<preset>/<kind>/<run>`; whole as it is, its number is not."""
    here = PLACE_OF_A_RUN.search(Path(path).absolute().as_posix())
    if here and here["run"] != run:
        raise InputError(f"{path}: is of run {run}, not of {here['run']}; delete it and run snakemake again")


def resolve_run(
    run: str, row: RunRow, experiment: Experiment, recipe: Recipe, preset_id: str, preset: Preset, variant: Variant | None = None
) -> RunSpec:
    """The run as the preset trains it. Raises InputError naming run and key when the row contradicts its method or model.

    variant: the number in which it differs from the row, where it is a trial.
    """
    if family_of(experiment.model) != recipe.family:
        raise InputError(f"run {run}: recipe {experiment.recipe} trains {recipe.family} models, its model is {experiment.model}; change one of them")
    captions = preset.text_to_image if recipe.family == "mmdit" else None
    model = model_named(experiment.model, preset.latent, preset.classes, preset.models, captions and captions.text)
    size = size_of(experiment.model)
    paper, here = (_shape_of(size, changed) for changed in ({}, preset.models))
    try:
        alignment = method_of(row, recipe, size).carried(Carrier(paper, here, preset.encoders, preset.batch))
        if variant and variant.what == "weight":
            alignment = alignment.scaled(variant.factor)
        alignment.check_fits(recipe.family, preset.batch)
        summary_width = next((part.summary_width for part in alignment.parts if isinstance(part, SummaryOptions)), None)
    except ValueError as error:
        raise InputError(f"run {run}: {_first_line(error)}") from None
    if row.views > 1 and alignment.parts:
        raise InputError(f"run {run}: views: {row.views} is a control that trains on the generation loss alone; leave it out or give method: none")
    if captions and row.flips != "none":
        raise InputError(f"run {run}: flips: captions say what is left and right; leave out flips")
    if isinstance(recipe.process, FlowProcess) and any(isinstance(part, SraOptions) and part.teacher_time_floor for part in alignment.parts):
        raise InputError(f"run {run}: teacher_time_floor counts steps of the chain of DiT, time of {recipe.family} models has none; leave it out")
    rate = variant.factor if variant and variant.what == "rate" else 1
    ema = row.ema or recipe.ema
    ema_steps = None
    if isinstance(ema, RampEma):
        if ema.milestone not in preset.milestones:
            raise unknown("milestone", ema.milestone, preset.milestones, where=f"run {run}: ema")
        ema_steps = preset.milestones[ema.milestone]
    return RunSpec(
        preset=preset_id,
        run=run,
        family=recipe.family,
        dataset=preset.dataset,
        resolution=experiment.resolution,
        image_size=preset.image_size,
        vae=preset.vae,
        text_encoder=captions and captions.text_encoder,
        model=model.model_copy(update={"summary_width": summary_width}),
        process=recipe.process,
        alignment=alignment,
        training=TrainingSpec(
            batch=preset.batch,
            learning_rate=recipe.optimizer.learning_rate * preset.learning_rate_factor * rate,
            betas=recipe.optimizer.betas,
            epsilon=recipe.optimizer.epsilon,
            weight_decay=recipe.optimizer.weight_decay,
            gradient_clip=recipe.optimizer.gradient_clip,
            ema=ema,
            ema_steps=ema_steps,
            condition_dropout=recipe.condition_dropout,
            precision=preset.precision,
            paper_steps_per_step=preset.paper_steps_per_step,
            seed=row.seed,
            flips=row.flips,
            views=row.views,
        ),
        weights=row.weights,
        start=row.start,
    )


def model_named(name: str, latent: Latent, classes: int, sizes: Mapping[str, Width] | None = None, text: Text | None = None) -> ModelSpec:
    """`SiT-XL/2` and the like as a model for latents of that shape. DiT learns the variance, SiT and MMDiT do not (Table 5; released code).

    sizes: those that are not as in the papers.  text: shape of an encoded caption, for a model of captions.
    """
    found = MODEL_NAME.fullmatch(name)
    if not found:
        raise InputError(f"model {name!r}: expected a family, a size and a patch, such as SiT-XL/2")
    width, patch = _shape_of(size_of(name), sizes or {}), int(found["patch"])
    if latent.size % patch:
        raise InputError(f"model {name}: patch {patch} does not divide latents of {latent.size} x {latent.size}; choose another patch")
    return ModelSpec(
        name=name,
        depth=width.depth,
        width=width.width,
        heads=width.heads,
        patch=patch,
        latent=latent,
        classes=classes if text is None else None,
        text=text,
        learns_variance=found["family"] == "DiT",
    )


def _shape_of(size: str, changed: Mapping[str, Width]) -> Width:
    return {**PAPER_SIZES, **TEXT_TO_IMAGE_SIZES, **changed}[size]


def size_of(name: str) -> str:
    """`SiT-XL/2` -> "XL"; a family of one size gives its own name, `MMDiT/2` -> "MMDiT"."""
    found = MODEL_NAME.fullmatch(name)
    return found["size"] or found["only"]


def family_of(name: str) -> str:
    """`SiT-XL/2` -> "sit"."""
    found = MODEL_NAME.fullmatch(name)
    return (found["family"] or found["only"]).lower()


def method_of(row: RunRow, recipe: Recipe, size: str) -> AlignmentOptions:
    """The row over its recipe's defaults, in the paper's units. Raises ValueError for a key of another method or a missing one."""
    options = METHOD_OF[row.method]
    given = {key: value for key, value in row.model_dump(exclude=KEYS_OF_ANY_RUN).items() if value is not None}
    foreign = sorted(set(given) - set(options.model_fields))
    if foreign:
        raise ValueError(f"{foreign[0]} is not an option of method {row.method}; remove it or change the method")
    return options(**_completed(options, given, recipe, size, trained=row.weights is None))


def _completed(options: type[MethodOptions], given: dict, recipe: Recipe, size: str, trained: bool) -> dict:
    """The recipe's defaults for a method, and for each method it is made of, under what the row gives. Where nothing is trained, blocks may lack."""
    defaults = recipe.methods.get(options.model_fields["method"].default, MethodDefaults()).of_size(size)
    if issubclass(options, CombinedOptions):
        changes = {name: defaults.get(name, {}) | _set_keys(given.get(name, {})) for name in options.part_fields()}
        return {name: _completed(part, changes[name], recipe, size, trained) for name, part in options.part_fields().items()}
    completed = {**defaults, **given}
    missing = [name for name in options.BLOCKS if name not in completed]
    if missing and trained:
        raise ValueError(f"the paper gives no blocks for size {size}; set {' and '.join(missing)}")
    return completed


def _set_keys(changes: dict) -> dict:
    return {key: value for key, value in changes.items() if value is not None}


def _first_line(error: ValueError) -> str:
    """The first line of pydantic's report of a broken rule, without its frame."""
    errors = getattr(error, "errors", None)
    return errors()[0]["msg"].removeprefix("Value error, ") if errors else str(error)


def refuse_sampler(sampler: Sampler, spec: RunSpec) -> None:
    """Raises InputError for a sampler that cannot draw from the run's model. The planner and the sampling stage ask the same."""
    refuse_unfit(sampler, spec.process)
    if sampler.velocity == "corrected":
        contrastive_weight(spec)
    if spec.model.summary_width and (sampler.guidance.channels != "all" or sampler.official_seeding):
        what = "guidance of three channels" if sampler.guidance.channels != "all" else "official_seeding"
        raise InputError(f"run {spec.run}: draws an image and a summary together, for which {what} is not defined; give a sampler without it")


def contrastive_weight(spec: RunSpec) -> float:
    """The weight whose shift a corrected velocity takes out. Raises InputError for a run that has none, or had it only for a time."""
    part = next((part for part in spec.alignment.parts if isinstance(part, ContrastiveOptions)), None)
    if part is None:
        raise InputError(f"velocity: corrected is for contrastive flow matching, run {spec.run} is trained without; give a sampler of raw velocity")
    if part.stop_step:
        raise InputError(f"velocity: corrected knows no weight that stopped, as that of run {spec.run} does; give a sampler of raw velocity")
    return part.weight
