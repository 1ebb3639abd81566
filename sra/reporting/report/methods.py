"""Methods at a glance, for the report: what each learns from, where, at what cost, and where it is from. Drawn from the options themselves."""

from dataclasses import replace

from sra.content.catalogue import Catalogue
from sra.core.errors import InputError
from sra.forecast.budget import Budget
from sra.forecast.flops import head_parameters, summary_parameters
from sra.forecast.job_flops import Works
from sra.reporting.report.document import Method, MethodInModel, Methods
from sra.reporting.tables.settings import PAPER
from sra.spec.encoders import Tower
from sra.spec.methods.base import FAMILY_NAMES, MethodOptions, Origin
from sra.spec.methods.known import METHOD_OF
from sra.spec.recipe import Experiment, RunRow
from sra.spec.run import ModelSpec, RunSpec, resolve_run

MODEL, RECIPE = "SiT-B/2", "sit"  # as in Table B0, on which the methods stand side by side


def methods_at_a_glance(registry: Catalogue) -> Methods:
    """Every method that has a paper, by the recipe's defaults, in the paper's model and in this preset's; the others by name."""
    paper = Catalogue(registry.root, PAPER)
    found = {name: options for name, options in METHOD_OF.items() if options.ORIGIN}
    models = [_run("none", catalogue).model for catalogue in (paper, registry)]
    smaller = models[0] != models[1]
    return Methods(
        model=MODEL,
        paper=_shape(models[0]),
        here=_shape(models[1]) if smaller else None,
        methods=[_method(name, options.ORIGIN, paper, registry if smaller else None) for name, options in found.items()],
        combined=[" + ".join(origin.name for origin in options.origins()) for options in METHOD_OF.values() if not options.ORIGIN],
    )


def _method(name: str, origin: Origin, paper: Catalogue, here: Catalogue | None) -> Method:
    run = _run(name, paper)
    stops = [part.stop_step for part in run.alignment.parts if part.stop_step]
    return Method(
        method=name,
        name=origin.name,
        signal=origin.signal,
        paper=_in_model(run, paper),
        here=_here(name, here) if here else None,
        stop_step=max(stops) if len(stops) == len(run.alignment.parts) > 0 else None,
        encoder=run.encoder,
        encodes_in_step=run.encodes_in_step,
        trains=", ".join(FAMILY_NAMES[family] for family in FAMILY_NAMES if _trains(run.alignment, family)),
        arxiv=origin.arxiv,
        code=origin.code,
        commit=origin.commit,
        licence=origin.licence,
        unchecked=origin.unchecked,
    )


def _here(name: str, registry: Catalogue) -> MethodInModel | None:
    """In the preset's model; None where the preset cannot train the method as it is by default."""
    try:
        return _in_model(_run(name, registry), registry)
    except InputError:
        return None


def _in_model(run: RunSpec, registry: Catalogue) -> MethodInModel:
    tower = Works(registry).encoder(run)
    stored = Budget(run, tower and tower.width)
    in_step = replace(stored, encoder=tower.flops(run.model.tokens)) if tower else None
    return MethodInModel(
        blocks=run.alignment.blocks_words,
        parameters=_head_parameters(run, tower) + summary_parameters(run.model),
        kept=summary_parameters(run.model),
        stored=None if run.encodes_in_step else stored.of_image().surcharge,
        in_step=in_step and in_step.of_image().surcharge,
    )


def _head_parameters(run: RunSpec, tower: Tower | None) -> int:
    return sum(head_parameters(part, run.model, tower and tower.width) for part in run.alignment.parts)


def _trains(options: MethodOptions, family: str) -> bool:
    return all(family in part.FAMILIES for part in options.parts)


def _run(method: str, registry: Catalogue) -> RunSpec:
    """The method by its defaults, as the preset trains it."""
    row = RunRow(method=method)
    experiment = Experiment(recipe=RECIPE, model=MODEL, milestones=["m400k"], runs={method: row})
    return resolve_run(method, row, experiment, registry.recipes[RECIPE], registry.preset_id, registry.preset)


def _shape(model: ModelSpec) -> str:
    return f"{model.depth} blocks of width {model.width}, {model.tokens} tokens"
