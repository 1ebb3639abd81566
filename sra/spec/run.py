"""`RunSpec`: everything that training one run depends on, and nothing else. It is the run's `config.json`."""

import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import PositiveFloat, PositiveInt

from sra.core.errors import InputError, unknown
from sra.core.files import read_json, sha256_of_json, write_json
from sra.spec.base import Strict
from sra.spec.load import checked
from sra.spec.method import AlignmentOptions, BaselineOptions, Ema, Experiment, Process, RampEma, Recipe, RepaOptions, RunRow, Share, SraOptions
from sra.spec.scale import PAPER_SIZES, Latent, Preset, Width, scaled_block, scaled_projector_width

MODEL_NAME = re.compile(r"(?P<family>SiT|DiT)-(?P<size>S|B|L|XL)/(?P<patch>2|4|8)")


class ModelSpec(Strict):
    """One transformer. `name` is the paper's (SiT-B/2); the numbers are those of the preset."""

    name: str
    depth: PositiveInt
    width: PositiveInt
    heads: PositiveInt
    patch: PositiveInt
    latent: Latent
    classes: PositiveInt
    learns_variance: bool  # twice the output channels (DiT)

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
    label_dropout: Share
    precision: str
    paper_steps_per_step: PositiveFloat
    seed: int


class RunSpec(Strict):
    """One training run, resolved. Milestones and segment lengths are not part of it: they change when it stops, not what it is."""

    preset: str
    run: str
    family: str
    dataset: str
    image_size: PositiveInt
    vae: str
    model: ModelSpec
    process: Process
    alignment: AlignmentOptions
    training: TrainingSpec

    @property
    def fingerprint(self) -> str:
        """Hash of the whole spec; stored in every state, weights file and sample set of the run."""
        return sha256_of_json(self.model_dump(mode="json"))


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
    return spec


def resolve_run(run: str, row: RunRow, experiment: Experiment, recipe: Recipe, preset_id: str, preset: Preset) -> RunSpec:
    """The run as the preset trains it. Raises InputError naming run and key when the row contradicts its method or model."""
    if experiment.model.partition("-")[0].lower() != recipe.family:
        raise InputError(f"run {run}: recipe {experiment.recipe} trains {recipe.family} models, its model is {experiment.model}; change one of them")
    model = model_named(experiment.model, preset.latent, preset.classes, {**PAPER_SIZES, **preset.models})
    size = size_of(experiment.model)
    paper = PAPER_SIZES[size]
    try:
        alignment = _resolve_alignment(row, recipe, size, paper.depth)
        alignment = _carried_to(alignment, paper.depth, model.depth, paper.width, model.width, preset)
    except ValueError as error:
        raise InputError(f"run {run}: {_first_line(error)}") from None
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
        image_size=preset.image_size,
        vae=preset.vae,
        model=model,
        process=recipe.process,
        alignment=alignment,
        training=TrainingSpec(
            batch=preset.batch,
            learning_rate=recipe.optimizer.learning_rate * preset.learning_rate_factor,
            betas=recipe.optimizer.betas,
            epsilon=recipe.optimizer.epsilon,
            weight_decay=recipe.optimizer.weight_decay,
            gradient_clip=recipe.optimizer.gradient_clip,
            ema=ema,
            ema_steps=ema_steps,
            label_dropout=recipe.label_dropout,
            precision=preset.precision,
            paper_steps_per_step=preset.paper_steps_per_step,
            seed=row.seed,
        ),
    )


def model_named(name: str, latent: Latent, classes: int, sizes: Mapping[str, Width] = PAPER_SIZES) -> ModelSpec:
    """`SiT-XL/2` and the like as a model for latents of that shape. DiT learns the variance, SiT does not (Table 5; released code)."""
    found = MODEL_NAME.fullmatch(name)
    if not found:
        raise InputError(f"model {name!r}: expected a family, a size and a patch, such as SiT-XL/2")
    width, patch = sizes[found["size"]], int(found["patch"])
    if latent.size % patch:
        raise InputError(f"model {name}: patch {patch} does not divide latents of {latent.size} x {latent.size}; choose another patch")
    return ModelSpec(
        name=name,
        depth=width.depth,
        width=width.width,
        heads=width.heads,
        patch=patch,
        latent=latent,
        classes=classes,
        learns_variance=found["family"] == "DiT",
    )


def size_of(name: str) -> str:
    """`SiT-XL/2` -> "XL"."""
    return MODEL_NAME.fullmatch(name)["size"]


def _resolve_alignment(row: RunRow, recipe: Recipe, size: str, depth: int) -> AlignmentOptions:
    """The row over its recipe's defaults, in the paper's units."""
    given = {key: value for key, value in row.model_dump(exclude={"ema", "seed"}).items() if value is not None}
    kind = {"none": BaselineOptions, "sra": SraOptions, "repa": RepaOptions}[row.method]
    foreign = sorted(set(given) - set(kind.model_fields))
    if foreign:
        raise ValueError(f"{foreign[0]} is not an option of method {row.method}; remove it or change the method")
    if row.method == "none":
        return BaselineOptions()
    if row.method == "sra":
        _need_blocks(recipe.sra.blocks, size, given, ("student_block", "teacher_block"))
        student, teacher = recipe.sra.blocks.get(size, (None, None))
        defaults = {
            "student_block": student,
            "teacher_block": teacher,
            "weight": recipe.sra.weight,
            "teacher_time_floor": recipe.sra.teacher_time_floor,
        }
        alignment = SraOptions(**{**defaults, **given})
        deepest = alignment.teacher_block
    else:
        _need_blocks(recipe.repa.blocks, size, given, ("block",))
        alignment = RepaOptions(**{"block": recipe.repa.blocks.get(size), "weight": recipe.repa.weight, **given})
        deepest = alignment.block
    if deepest > depth:
        raise ValueError(f"block {deepest} does not exist in a model of {depth} blocks; give 1 to {depth}")
    return alignment


def _need_blocks(defaults: dict, size: str, given: dict, keys: tuple[str, ...]) -> None:
    if size not in defaults and not all(key in given for key in keys):
        raise ValueError(f"the paper gives no blocks for size {size}; set {' and '.join(keys)}")


def _carried_to(alignment: AlignmentOptions, paper_depth: int, depth: int, paper_width: int, width: int, preset: Preset) -> AlignmentOptions:
    """The same alignment in a model of another depth and width, with the preset's encoder."""
    if isinstance(alignment, SraOptions):
        return alignment.model_copy(
            update={
                "student_block": scaled_block(alignment.student_block, paper_depth, depth),
                "teacher_block": scaled_block(alignment.teacher_block, paper_depth, depth),
            }
        )
    if isinstance(alignment, RepaOptions):
        if alignment.encoder not in preset.encoders:
            raise ValueError(str(unknown("encoder", alignment.encoder, preset.encoders)))
        return alignment.model_copy(
            update={
                "block": scaled_block(alignment.block, paper_depth, depth),
                "encoder": preset.encoders[alignment.encoder],
                "projector_width": scaled_projector_width(alignment.projector_width, paper_width, width),
            }
        )
    return alignment


def _first_line(error: ValueError) -> str:
    """Pydantic's report of one broken rule without its frame."""
    errors = getattr(error, "errors", None)
    return errors()[0]["msg"].removeprefix("Value error, ") if errors else str(error)
