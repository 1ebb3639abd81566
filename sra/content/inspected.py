"""Which models the figures of probes and of principal components look into at a preset, and which files that takes."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

from sra.content.catalogue import Catalogue
from sra.content.figures import FeaturesFigure, FigureSpec, InspectedModel, ProbesFigure, TargetPoint, TargetsFigure
from sra.core.errors import InputError
from sra.spec.run import size_of
from sra.spec.scale import PAPER_SIZES, Carrier, Width

AnyInspected = TypeVar("AnyInspected", bound=InspectedModel)


@dataclass(frozen=True)
class ProbeFile:
    """Probes of one run at one milestone and time. blocks: of this preset's model, in rising order."""

    run: str
    milestone: str
    time: float
    blocks: tuple[int, ...]


@dataclass(frozen=True)
class ComponentsFile:
    """Principal components of one run at one milestone, for every pair of time and block. blocks: of this preset's model, in rising order."""

    run: str
    milestone: str
    times: tuple[float, ...]
    blocks: tuple[int, ...]
    image_class: int


def runs_and_milestones(inside: InspectedModel, registry: Catalogue) -> list[tuple[str, str]]:
    """Run and milestone of what this preset shows for a model of a figure: the released run where its file fits the preset, else the run at each
    milestone that the preset reaches. Empty where only released weights are asked for and none fit.
    """
    chosen = chosen_run(inside, registry)
    if not available(registry, chosen.run):
        return []
    reached = [milestone for milestone in chosen.milestones if milestone in registry.preset.milestones]
    for milestone in reached:
        if milestone not in registry.milestones(chosen.run):
            raise InputError(
                f"run {chosen.run} has no milestone {milestone}, which a figure looks into; add it to the run's experiment "
                f"(it has {', '.join(registry.milestones(chosen.run))})"
            )
    return [(chosen.run, milestone) for milestone in reached]


def chosen_run(inside: AnyInspected, registry: Catalogue) -> AnyInspected:
    """The same model with the released run in the place of its own where its file fits the preset."""
    if not (inside.released and available(registry, inside.released)):
        return inside
    update = {"run": inside.released, "milestones": [inside.released_milestone], "released": None, "released_milestone": None}
    return inside.model_copy(update=update)


def available(registry: Catalogue, run: str) -> bool:
    """Whether the run's weights may come to be: by training, unless only released ones are asked for; from a file that fits the preset."""
    checkpoint = registry.checkpoint(run)
    if checkpoint is None:
        return not registry.released
    if checkpoint.entry is None:
        return True
    preset = registry.preset_of(run)
    return checkpoint.entry.resolution == preset.image_size and size_of(checkpoint.entry.model) not in preset.models


def figure_at_preset(figure: FigureSpec, registry: Catalogue) -> FigureSpec:
    """The figure with the runs and milestones that it shows here, as it is drawn; a figure of another kind as it is."""
    if isinstance(figure, FeaturesFigure):
        return figure.model_copy(update={"models": [chosen_run(model, registry) for model in figure.models]})
    if isinstance(figure, TargetsFigure):
        return figure.model_copy(update={"probed": chosen_run(figure.probed, registry)})
    if isinstance(figure, ProbesFigure):
        return figure.model_copy(update={"lines": [chosen_run(line, registry) for line in figure.lines]})
    return figure


def carriers(figure: FigureSpec, registry: Catalogue) -> dict[str, Carrier]:
    """By run that the figure shows at this preset, what carries the paper's blocks to its model."""
    return {run: carrier(run, registry) for run in sorted({chosen_run(inside, registry).run for inside in models_of(figure)})}


def carrier(run: str, registry: Catalogue) -> Carrier:
    model = registry.spec(run).model
    here = Width(depth=model.depth, width=model.width, heads=model.heads)
    return Carrier(PAPER_SIZES[size_of(model.name)], here, registry.preset_of(run).encoders, registry.preset_of(run).batch)


def models_of(figure: FigureSpec) -> list[InspectedModel]:
    """The models that the figure looks into; none for a figure of another kind."""
    if isinstance(figure, FeaturesFigure):
        return figure.models
    if isinstance(figure, TargetsFigure):
        return [figure.probed]
    return figure.lines if isinstance(figure, ProbesFigure) else []


def _block(figure: FigureSpec, to: Carrier, block: int) -> int:
    """The paper's block as one of the model here. Raises InputError naming the figure that asks for one that the paper's model has not."""
    try:
        return to.block(block)
    except ValueError as error:
        raise InputError(f"figure {figure.id}: {error}") from None


def trained_points(figure: TargetsFigure, registry: Catalogue) -> list[TargetPoint]:
    """The points with a run, one for each block of the model here: blocks of the paper that share one would train the same run twice."""
    to = carrier(figure.probed.run, registry)
    first: dict[int, TargetPoint] = {}
    for point in figure.points:
        if point.run:
            first.setdefault(_block(figure, to, point.block), point)
    return list(first.values())


def probe_files(figures: Iterable[FigureSpec], registry: Catalogue) -> list[ProbeFile]:
    """The probe files behind the figures, each once and with every training seed, with every block that one of them asks for."""
    blocks: dict[tuple[str, str, float], set[int]] = {}
    for figure in figures:
        if isinstance(figure, FeaturesFigure):
            continue
        for line in models_of(figure):
            for run, milestone in runs_and_milestones(line, registry):
                to = carrier(run, registry)
                here = {_block(figure, to, block) for block in line.blocks}
                for trained, time in product(registry.with_training_seeds(run), line.times):
                    blocks.setdefault((trained, milestone, time), set()).update(here)
    return [ProbeFile(*key, tuple(sorted(found))) for key, found in blocks.items()]


def components_files(figures: Iterable[FigureSpec], registry: Catalogue) -> list[ComponentsFile]:
    """The files of principal components behind the figures, each once, with every time and block that one of the figures asks for."""
    wanted: dict[tuple[str, str], tuple[dict[float, None], set[int], int]] = {}
    for figure in figures:
        if not isinstance(figure, FeaturesFigure):
            continue
        for model in figure.models:
            for run, milestone in runs_and_milestones(model, registry):
                times, blocks, image_class = wanted.setdefault((run, milestone), ({}, set(), figure.image_class))
                if image_class != figure.image_class:
                    raise InputError(
                        f"figure {figure.id}: shows class {figure.image_class} of {run} at {milestone}, another figure class {image_class}; "
                        "give both one image_class"
                    )
                times.update(dict.fromkeys(figure.times))
                to = carrier(run, registry)
                blocks.update(_block(figure, to, block) for block in figure.blocks)
    return [ComponentsFile(*key, tuple(times), tuple(sorted(blocks)), label) for key, (times, blocks, label) in wanted.items()]
