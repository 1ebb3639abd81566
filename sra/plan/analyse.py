"""What the rules that look inside trained models ask: probes on blocks, and principal components of their features."""

from collections.abc import Iterable

from sra.content.claims import load_claims, probed_by
from sra.content.figures import FigureSpec
from sra.content.inspected import components_files, probe_files
from sra.core.errors import InputError
from sra.plan.context import Context
from sra.spec.layout import Results, Shared


def index(context: Context, wildcards) -> str:
    """The list of images that the run trained on."""
    return Shared(context.preset_of(wildcards).dataset).index


def probe_time(context: Context, wildcards) -> str:
    """As a share of the time range; the wildcard has thousandths."""
    return f"{int(wildcards.time) / 1000:g}"


def probe_blocks(context: Context, wildcards) -> list[str]:
    """Options for every block that some figure asks for; a new one is a changed parameter, so the probes are trained again."""
    asked = (wildcards.run, wildcards.milestone, int(wildcards.time))
    catalogue = context.catalogue(wildcards.preset)
    for file in probe_files(catalogue.figures.values(), catalogue):
        if (file.run, file.milestone, round(1000 * file.time)) == asked:
            return _options("--block", file.blocks)
    time = probe_time(context, wildcards)
    raise InputError(f"no figure probes run {wildcards.run} at {wildcards.milestone} and time {time}; call sra probe yourself")


def probe_training(context: Context, wildcards) -> str:
    """How the probes are trained, as JSON."""
    return context.catalogue(wildcards.preset).preset.probe.model_dump_json()


def component_options(context: Context, wildcards) -> list[str]:
    """Times, blocks and the class of the image, of every figure that shows components of this model."""
    catalogue = context.catalogue(wildcards.preset)
    for file in components_files(catalogue.figures.values(), catalogue):
        if (file.run, file.milestone) == (wildcards.run, wildcards.milestone):
            return [*_options("--time", file.times), *_options("--block", file.blocks), "--class", str(file.image_class)]
    raise InputError(f"no figure shows components of run {wildcards.run} at {wildcards.milestone}; call sra pca yourself")


def probes_of_figure(context: Context, wildcards) -> list[str]:
    return _probes(context, [context.catalogue(wildcards.preset).figures[wildcards.figure]], wildcards.preset)


def probes_of_claims(context: Context, wildcards) -> list[str]:
    catalogue = context.catalogue(wildcards.preset)
    return _probes(context, probed_by(load_claims(catalogue), catalogue), wildcards.preset)


def components_of_figure(context: Context, wildcards) -> list[str]:
    catalogue, results = context.catalogue(wildcards.preset), Results(wildcards.preset)
    return [results.pca(file.run, file.milestone) for file in components_files([catalogue.figures[wildcards.figure]], catalogue)]


def _probes(context: Context, figures: Iterable[FigureSpec], preset: str) -> list[str]:
    return [Results(preset).probe(file.run, file.milestone, file.time) for file in probe_files(figures, context.catalogue(preset))]


def _options(name: str, values: tuple[int | float, ...]) -> list[str]:
    return [word for value in values for word in (name, f"{value:g}")]
