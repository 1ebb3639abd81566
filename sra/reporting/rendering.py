"""Tables, figures, claims and the page from the scores that exist: finds the files behind each. Nothing here trains, samples or scores."""

from itertools import chain
from pathlib import Path

from sra.content.catalogue import Catalogue
from sra.content.claims import load_claims, probed_by
from sra.content.figures import FigureSpec, StudyFigure
from sra.content.inspected import carriers, components_files, figure_at_preset, probe_files
from sra.content.margins import load_tolerances
from sra.content.required import (
    RequiredScore,
    measured_by_figure,
    measured_by_table,
    packs_of_figure,
    required_by_all,
    required_by_claims,
    required_by_figure,
    required_by_table,
)
from sra.content.studies import checked_study, study_named
from sra.core.errors import InputError, unknown
from sra.core.files import write_checked_json
from sra.core.origin import commit_of, day_of, is_changed
from sra.core.progress import tracked
from sra.core.receipts import receipt_path
from sra.forecast.disk import bytes_here
from sra.reporting.claims import judge as claims
from sra.reporting.figures import render as figures
from sra.reporting.read.networks import refuse_other_networks
from sra.reporting.read.probes import InspectedFiles
from sra.reporting.read.published import load_published
from sra.reporting.read.scores import load_scores
from sra.reporting.read.studies import StudyFiles, decide
from sra.reporting.report import build as report
from sra.reporting.report import page, pdf
from sra.reporting.report.methods import methods_at_a_glance
from sra.reporting.report.planned import planned_cost
from sra.reporting.tables import render as tables
from sra.spec.layout import Shared
from sra.spec.scale import Preset
from sra.study.build import build_study
from sra.study.document import StudyChoices, StudyDocument, read_study

TEMPLATES = Path("report/templates")


def render_table(registry: Catalogue, table: str) -> None:
    root, preset = registry.root, registry.preset_id
    if table not in registry.tables:
        raise unknown("table", table, registry.tables)
    spec = registry.tables[table]
    folder = (root / registry.results.table(table)).parent
    runs = [row.run for row in spec.rows if row.run]
    scores, seen = _scores(registry, required_by_table(spec, registry)), _preset_of(registry, runs)
    costs = _costs(registry, measured_by_table(spec, registry))
    known = {
        "seeds": registry.seeds,
        "cost_files": costs,
        "tolerances": load_tolerances(root),
        "study": found_study(registry, spec.study) if spec.study else None,
    }
    tables.render_table(spec, scores, _published(root), preset, seen, folder, root / TEMPLATES, **known)


def render_figure(registry: Catalogue, figure: str) -> None:
    root, preset = registry.root, registry.preset_id
    if figure not in registry.figures:
        raise unknown("figure", figure, registry.figures)
    spec = figure_at_preset(registry.figures[figure], registry)
    wanted = required_by_figure(spec, registry)
    packs = {item.run: root / registry.results.samples(item.run, item.score) for item in packs_of_figure(spec, registry)}
    folder = (root / registry.results.figure(figure)).parent
    scores, inside = _scores(registry, wanted), _inside(spec, registry)
    costs = _costs(registry, measured_by_figure(spec, registry))
    study = found_study(registry, spec.study) if isinstance(spec, StudyFigure) else None
    figures.render_figure(spec, scores, packs, _published(root), preset, registry.preset, folder, inside, registry.seeds, costs, study)


def study_files(registry: Catalogue, study: str) -> StudyFiles:
    """What there is of it. Raises InputError for a study that cannot be done at the preset."""
    return StudyFiles(checked_study(study, registry), registry, load_published(_published(registry.root)))


def build_study_of(registry: Catalogue, study: str) -> StudyDocument:
    """What a study found, from the scores that exist; nothing is written."""
    return build_study(study_files(registry, study).given())


def found_study(registry: Catalogue, study: str) -> StudyDocument:
    """What its file says; without one, what the scores that exist come to, with all that is missing named as such.

    Raises InputError for a study that the preset does not have, and for the file of another study or preset.
    """
    path = registry.root / registry.results.study(study_named(study, registry).id)
    if not path.exists():
        return build_study_of(registry, study)
    found = read_study(path)
    if (found.study, found.preset) != (study, registry.preset_id):
        raise InputError(f"{path}: is study {found.study} of preset {found.preset}; sra study {study} --preset {registry.preset_id} writes it anew")
    return found


def render_study(registry: Catalogue, study: str) -> StudyDocument:
    """The same, as its file."""
    document = build_study_of(registry, study)
    write_checked_json(registry.root / registry.results.study(study), document.model_dump(mode="json"))
    return document


def write_choices(registry: Catalogue, study: str) -> StudyChoices:
    """What the trials of a study decided, which says what its tuned rows are. Trials that are missing leave theirs open."""
    choices = decide(study_files(registry, study))
    write_checked_json(registry.root / registry.results.study_choices(study), choices.model_dump(mode="json"))
    return choices


def render_claims(registry: Catalogue) -> None:
    root = registry.root
    found = load_claims(registry)
    scores = _scores(registry, required_by_claims(found, registry))
    probed = [figure_at_preset(figure, registry) for figure in probed_by(found, registry)]
    inside = [(figure, _inside(figure, registry)) for figure in probed]
    claims.render_claims(found, registry, scores, _published(root), root / registry.results.folder, inside)


def render_report(registry: Catalogue) -> None:
    """The page and the PDF, from one document."""
    root, preset, results = registry.root, registry.preset, registry.results
    files, behind = _scores(registry, required_by_all(registry)), _scores_of_studies(registry)
    dated = day_of(chain(files, *behind.values()), root)
    folder, shared = root / results.folder, [root / Shared(dataset).folder for dataset in preset.datasets]
    tables_folder, figures_folder = folder / "tables", folder / "figures"
    claims_file = root / results.claims() if (root / results.claims()).exists() else None
    document = report.build_report(
        report.head_of(
            registry.preset_id,
            preset,
            commit_of(root),
            is_changed(root),
            dated,
        ),
        preset,
        load_scores(files, registry.preset_id, registry.seeds, _own_milestones(registry)),
        tables_folder,
        figures_folder,
        folder / "runs",
        root / "report",
        [part / "benchmarks" for part in (folder, *shared)],
        claims_file,
        planned_cost(registry),
        bytes_here(root, registry.preset_id, preset.datasets),
        methods_at_a_glance(registry),
        {study: load_scores(of_study, registry.preset_id) for study, of_study in behind.items()},
    )
    pdf.render_pdf(document, figures_folder, root / results.report_pdf, root / TEMPLATES)
    page.render_page(document, tables_folder, figures_folder, root / results.report, root / TEMPLATES, claims_file, root / results.report_pdf)


def render_everything(registry: Catalogue) -> None:
    """Tables, figures, claims and the page, again, from whatever scores are there: what the report shows, and what was made on request.

    A figure of what an archive leaves out, so that there are receipts of it alone, stays as it was drawn.
    """
    folder = registry.results
    tables = [name for name in registry.tables if name in registry.shown_tables or (registry.root / folder.table(name)).exists()]
    figures = [name for name in registry.figures if name in registry.shown_figures or (registry.root / folder.figure(name)).exists()]
    jobs = [(render_table, table) for table in tables]
    jobs += [(render_figure, figure) for figure in figures if not _is_of_what_was_left_out(registry, figure)]
    for study in registry.studies:
        if study_files(registry, study).begun:
            render_study(registry, study)
    for render, name in tracked(jobs, "render", len(jobs), "items"):
        render(registry, name)
    render_claims(registry)
    render_report(registry)


def _own_milestones(registry: Catalogue) -> dict[str, list[str]]:
    """The milestones of runs that see another part of the preset, at a resolution of its own, and are trained to others than the rest."""
    seen = {run: list(registry.preset_of(run).milestones) for run in registry.runs if registry.has_part_of(run)}
    return {run: milestones for run, milestones in seen.items() if milestones != list(registry.preset.milestones)}


def _is_of_what_was_left_out(registry: Catalogue, figure: str) -> bool:
    """Whether it was drawn of samples or components that are no longer here, while their receipts are."""
    root, results, spec = registry.root, registry.results, figure_at_preset(registry.figures[figure], registry)
    files = [results.samples(item.run, item.score) for item in packs_of_figure(spec, registry)]
    files += [results.pca(file.run, file.milestone) for file in components_files([spec], registry)]
    left_out = any(receipt_path(root / file).exists() and not (root / file).exists() for file in files)
    return left_out and (root / results.figure(figure)).exists()


def _scores_of_studies(registry: Catalogue) -> dict[str, list[Path]]:
    """The scores behind each study of the preset that some table or figure shows, by its name; each page of results has receipts of them all."""
    results = registry.results
    files = {**{name: results.table(name) for name in registry.tables}, **{name: results.figure(name) for name in registry.figures}}
    specs = [*registry.tables.values(), *(figure for figure in registry.figures.values() if isinstance(figure, StudyFigure))]
    shown = {spec.study for spec in specs if spec.study in registry.studies and (registry.root / files[spec.id]).exists()}
    wanted = {name: StudyFiles(study_named(name, registry), registry).wanted() for name in sorted(shown)}
    return {name: _paths(registry, items) for name, items in wanted.items()}


def _inside(figure: FigureSpec, registry: Catalogue) -> InspectedFiles:
    """Where the probes and components of a figure lie; of none where it does not look inside a model."""
    root, results = registry.root, registry.results
    probes = [root / results.probe(file.run, file.milestone, file.time) for file in probe_files([figure], registry)]
    components = {(file.run, file.milestone): root / results.pca(file.run, file.milestone) for file in components_files([figure], registry)}
    return InspectedFiles(probes, components, carriers(figure, registry))


def _preset_of(registry: Catalogue, runs: list[str]) -> Preset:
    """The preset as these runs see it; the whole preset where they see different parts, which have no data set in common."""
    seen = [registry.preset_of(run) for run in runs if registry.has_part_of(run)]
    return seen[0] if seen and all(part == seen[0] for part in seen) else registry.preset


def _scores(registry: Catalogue, wanted: list[RequiredScore]) -> list[Path]:
    """The files of scores that are shown side by side. Raises InputError where two networks measured those of one data set."""
    together: dict[str, list[RequiredScore]] = {}
    for item in wanted:
        if registry.has_part_of(item.run):
            together.setdefault(registry.preset_of(item.run).dataset, []).append(item)
    for items in together.values():
        refuse_other_networks((file.record for file in load_scores(_paths(registry, items), registry.preset_id)), registry.results)
    return _paths(registry, wanted)


def _paths(registry: Catalogue, wanted: list[RequiredScore]) -> list[Path]:
    return [registry.root / registry.results.score(item.run, item.score) for item in wanted]


def _costs(registry: Catalogue, runs: list[str]) -> list[Path]:
    return [registry.root / registry.results.cost(run) for run in runs]


def _published(root: Path) -> Path:
    return root / "report" / "published"
