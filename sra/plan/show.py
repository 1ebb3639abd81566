"""What the rules of tables, figures, claims and the report ask, and which targets there are to ask for."""

from collections.abc import Callable

from sra.content.catalogue import Catalogue
from sra.content.claims import load_claims
from sra.content.figures import FigureSpec, StudyFigure
from sra.content.required import (
    RequiredScore,
    measured_by_figure,
    measured_by_table,
    packs_of_figure,
    required_by_claims,
    required_by_figure,
    required_by_table,
)
from sra.content.studies import study_named
from sra.content.tables import TableSpec
from sra.plan.context import Context
from sra.spec.layout import Results

TABLE_KINDS = ("json", "csv", "html", "tex", "md")
FIGURE_KINDS = ("json", "svg", "png")
CLAIMS_KINDS = ("json", "csv", "md")


# Targets of the user's preset


def everything(context: Context) -> list[str]:
    """What is handed on: page and PDF, the list of all numbers, the appendix."""
    results = Results(context.preset)
    return [results.report, results.report_pdf, results.registry, results.appendix]


def tables(context: Context) -> list[str]:
    """All that can be asked for by name, of the report or not."""
    return list(context.catalogue().tables)


def figures(context: Context) -> list[str]:
    """All that can be asked for by name, of the report or not."""
    return list(context.catalogue().figures)


def table_files(context: Context, table: str) -> list[str]:
    return _every_format(Results(context.preset).table, [table], TABLE_KINDS)


def figure_files(context: Context, figure: str) -> list[str]:
    return _every_format(Results(context.preset).figure, [figure], FIGURE_KINDS)


def claims_files(context: Context) -> list[str]:
    return [Results(context.preset).claims(kind) for kind in CLAIMS_KINDS]


def shown_tables(context: Context) -> list[str]:
    """The files of those of the report."""
    return _every_format(Results(context.preset).table, context.catalogue().shown_tables, TABLE_KINDS)


def shown_figures(context: Context) -> list[str]:
    """The files of those of the report."""
    return _every_format(Results(context.preset).figure, context.catalogue().shown_figures, FIGURE_KINDS)


def kept_presets(context: Context) -> list[str]:
    """Those of which the checkout has results, in results/reference."""
    known = {path.stem for path in (context.root / "config" / "presets").glob("*.yaml")}
    return sorted(path.name for path in (context.root / "results" / "reference").glob("*") if path.name in known)


# Options


def display_options(context: Context) -> list[str]:
    """Which runs and seeds the numbers are of."""
    lists = {"--seeds": context.user.seeds, "--sampling-seeds": context.user.sampling_seeds}
    given = [(option, ",".join(map(str, seeds))) for option, seeds in lists.items() if seeds is not None]
    return ["--weights", context.user.weights, *(word for option in given for word in option)]


def planning_options(context: Context) -> list[str]:
    """What `sra cost` counts with."""
    hardware = ["--device", context.user.hardware] if context.user.hardware else []
    return ["--gpus", str(context.user.gpus), *hardware, *display_options(context)]


# Inputs


def scores_of_table(context: Context, wildcards) -> list[str]:
    catalogue = context.catalogue(wildcards.preset)
    return _scores(required_by_table(catalogue.tables[wildcards.table], catalogue), wildcards.preset)


def scores_of_figure(context: Context, wildcards) -> list[str]:
    catalogue = context.catalogue(wildcards.preset)
    return _scores(required_by_figure(catalogue.figures[wildcards.figure], catalogue), wildcards.preset)


def scores_of_claims(context: Context, wildcards) -> list[str]:
    catalogue = context.catalogue(wildcards.preset)
    return _scores(required_by_claims(load_claims(catalogue), catalogue), wildcards.preset)


def costs_of_table(context: Context, wildcards) -> list[str]:
    """The receipts of measured training steps."""
    catalogue = context.catalogue(wildcards.preset)
    return _costs(measured_by_table(catalogue.tables[wildcards.table], catalogue), wildcards.preset)


def costs_of_figure(context: Context, wildcards) -> list[str]:
    """The receipts of measured training steps."""
    catalogue = context.catalogue(wildcards.preset)
    return _costs(measured_by_figure(catalogue.figures[wildcards.figure], catalogue), wildcards.preset)


def study_of_table(context: Context, wildcards) -> list[str]:
    """What the study found that the table shows."""
    catalogue = context.catalogue(wildcards.preset)
    return _study(catalogue.tables[wildcards.table].study, catalogue)


def study_of_figure(context: Context, wildcards) -> list[str]:
    """What the study found that the figure shows."""
    catalogue = context.catalogue(wildcards.preset)
    figure = catalogue.figures[wildcards.figure]
    return _study(figure.study, catalogue) if isinstance(figure, StudyFigure) else []


def samples_of_figure(context: Context, wildcards) -> list[str]:
    """Only some figures show the images themselves."""
    catalogue = context.catalogue(wildcards.preset)
    packs = packs_of_figure(catalogue.figures[wildcards.figure], catalogue)
    return [Results(wildcards.preset).samples(item.run, item.score) for item in packs]


def published_of_table(context: Context, wildcards) -> list[str]:
    return published(context, wildcards.table)


def published_of_figure(context: Context, wildcards) -> list[str]:
    return published(context, wildcards.figure)


def published(context: Context, name: str) -> list[str]:
    """The published numbers of a table or figure, and of others that its rows name."""
    table = context.catalogue().tables.get(name)
    stems = {name} | {row.published.partition("/")[0] for row in (table.rows if table else ()) if row.published}
    return [path for path in (f"report/published/{stem}.csv" for stem in sorted(stems)) if (context.root / path).exists()]


def settings_of_table(context: Context, wildcards) -> list[str]:
    """The configuration that a table of settings is made from."""
    if context.catalogue(wildcards.preset).tables[wildcards.table].kind != "settings":
        return []
    patterns = ("recipes/*.yaml", "experiments/*.yaml", "samplers.yaml", "presets/paper.yaml", f"presets/{wildcards.preset}.yaml")
    found = {path for pattern in patterns for path in (context.root / "config").glob(pattern)}
    return sorted(path.relative_to(context.root).as_posix() for path in found)


def targets_of_claims(context: Context, wildcards) -> list[str]:
    """The tables and figures that claims stand on, and their published numbers."""
    catalogue = context.catalogue(wildcards.preset)
    names = dict.fromkeys(target for claim in load_claims(catalogue).claims for target in claim.targets)
    files = [f"report/{'tables' if name in catalogue.tables else 'figures'}/{name}.yaml" for name in names]
    return files + sorted({path for name in names for path in published(context, name)})


def report_tables(context: Context, wildcards) -> list[str]:
    return _every_format(Results(wildcards.preset).table, context.catalogue(wildcards.preset).shown_tables, TABLE_KINDS)


def report_figures(context: Context, wildcards) -> list[str]:
    return _every_format(Results(wildcards.preset).figure, context.catalogue(wildcards.preset).shown_figures, FIGURE_KINDS)


def labels_of_table(context: Context, wildcards) -> dict[str, str]:
    """How Snakemake's own report names it."""
    return _labels(context.catalogue(wildcards.preset).tables[wildcards.table])


def labels_of_figure(context: Context, wildcards) -> dict[str, str]:
    """How Snakemake's own report names it."""
    return _labels(context.catalogue(wildcards.preset).figures[wildcards.figure])


def templates(context: Context) -> list[str]:
    """Of the page."""
    return sorted(f"report/templates/{path.name}" for path in (context.root / "report" / "templates").iterdir())


def _scores(wanted: list[RequiredScore], preset: str) -> list[str]:
    return [Results(preset).score(item.run, item.score) for item in wanted]


def _costs(runs: list[str], preset: str) -> list[str]:
    return [Results(preset).cost(run) for run in runs]


def _study(name: str | None, catalogue: Catalogue) -> list[str]:
    """Raises InputError for a study that the preset does not have."""
    return [Results(catalogue.preset_id).study(study_named(name, catalogue).id)] if name else []


def _labels(shown: TableSpec | FigureSpec) -> dict[str, str]:
    return {"name": shown.id, "title": shown.title, "in the paper": shown.paper}


def _every_format(path_of: Callable[[str, str], str], names: list[str], kinds: tuple[str, ...]) -> list[str]:
    return [path_of(name, kind) for name in names for kind in kinds]
