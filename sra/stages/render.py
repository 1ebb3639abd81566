"""Render tables, figures, claims and the page from the scores that exist. Nothing here trains, samples or scores; no torch is imported."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

from sra.core.errors import unknown
from sra.core.progress import tracked
from sra.plan.inside import as_it_stands, carriers, components_files, probe_files
from sra.plan.layout import Results, Shared
from sra.plan.measure import measured_by_table
from sra.plan.targets import Wanted, wanted_by_all, wanted_by_claims, wanted_by_figure, wanted_by_table
from sra.reporting import claims, figures, page, pdf, report, tables
from sra.reporting.probe_files import InsideFiles
from sra.reporting.scores import load_scores
from sra.spec.claims import load_claims
from sra.spec.display import FigureSpec
from sra.spec.registry import Registry
from sra.spec.scale import Preset
from sra.stages.planned import planned_cost

# What a preset keeps; the rest of its folder is drawn from that.
KEPT = ("runs", "samples", "scores", "probes", "pca", "costs")


def render_table(registry: Registry, table: str) -> None:
    root, preset = registry.root, registry.preset_id
    if table not in registry.tables:
        raise unknown("table", table, registry.tables)
    spec = registry.tables[table]
    folder = (root / Results(preset).table(table)).parent
    runs = [row.run for row in spec.rows if row.run]
    scores, seen = _scores(root, preset, wanted_by_table(spec, registry)), _preset_of(registry, runs)
    costs = _costs(root, preset, measured_by_table(spec, registry))
    tables.render_table(spec, scores, _published(root), preset, seen, folder, seeds=registry.seeds, cost_files=costs)


def render_figure(registry: Registry, figure: str) -> None:
    root, preset = registry.root, registry.preset_id
    if figure not in registry.figures:
        raise unknown("figure", figure, registry.figures)
    spec = as_it_stands(registry.figures[figure], registry)
    wanted = wanted_by_figure(spec, registry)
    packs = {item.run: root / Results(preset).samples(item.run, item.score) for item in wanted}
    folder = (root / Results(preset).figure(figure)).parent
    scores, inside = _scores(root, preset, wanted), _inside(spec, registry)
    figures.render_figure(spec, scores, packs, _published(root), preset, registry.preset, folder, inside, registry.seeds)


def render_claims(registry: Registry) -> None:
    root, preset = registry.root, registry.preset_id
    found = load_claims(registry)
    scores = _scores(root, preset, wanted_by_claims(found, registry))
    claims.render_claims(found, registry, scores, _published(root), root / Results(preset).folder)


def render_report(registry: Registry) -> None:
    """The page and the PDF, from one document."""
    root, preset, results = registry.root, registry.preset, Results(registry.preset_id)
    files = _scores(root, registry.preset_id, wanted_by_all(registry))
    folder, shared = root / results.folder, [root / Shared(dataset).folder for dataset in _datasets(preset)]
    tables_folder, figures_folder = folder / "tables", folder / "figures"
    claims_file = root / results.claims() if (root / results.claims()).exists() else None
    document = report.build_report(
        report.head_of(registry.preset_id, preset, _commit(root), _is_changed(root), _date(files)),
        preset,
        load_scores(files, registry.preset_id, registry.seeds),
        tables_folder,
        figures_folder,
        folder / "runs",
        [part / "benchmarks" for part in (folder, *shared)],
        claims_file,
        planned_cost(registry),
        sum(map(_bytes_in, [*(folder / part for part in KEPT), *shared])),
    )
    pdf.render_pdf(document, figures_folder, root / results.report_pdf)
    page.render_page(document, tables_folder, figures_folder, root / results.report, claims_file, root / results.report_pdf)


def refresh(registry: Registry) -> None:
    """Everything that a reader sees, again, from whatever scores are there."""
    jobs = [(render_table, table) for table in registry.tables] + [(render_figure, figure) for figure in registry.figures]
    for render, name in tracked(jobs, "render", len(jobs), "items"):
        render(registry, name)
    render_claims(registry)
    render_report(registry)


def _inside(figure: FigureSpec, registry: Registry) -> InsideFiles:
    """Where the probes and components of a figure lie; of none where it does not look inside a model."""
    root, results = registry.root, Results(registry.preset_id)
    probes = [root / results.probe(file.run, file.milestone, file.time) for file in probe_files([figure], registry)]
    components = {(file.run, file.milestone): root / results.pca(file.run, file.milestone) for file in components_files([figure], registry)}
    return InsideFiles(probes, components, carriers(figure, registry))


def _preset_of(registry: Registry, runs: list[str]) -> Preset:
    """The preset as these runs see it; the whole preset where they see different parts, which have no data set in common."""
    seen = [registry.preset_of(run) for run in runs if registry.has_part_of(run)]
    return seen[0] if seen and all(part == seen[0] for part in seen) else registry.preset


def _datasets(preset: Preset) -> list[str]:
    parts = [*([preset.text_to_image] if preset.text_to_image else []), *preset.resolutions.values()]
    return [preset.dataset, *(part.dataset for part in parts)]


def _scores(root: Path, preset: str, wanted: list[Wanted]) -> list[Path]:
    return [root / Results(preset).score(item.run, item.score) for item in wanted]


def _costs(root: Path, preset: str, runs: list[str]) -> list[Path]:
    return [root / Results(preset).cost(run) for run in runs]


def _published(root: Path) -> Path:
    return root / "report" / "published"


def _commit(root: Path) -> str | None:
    """The checkout's commit; None outside git (an unpacked archive)."""
    try:
        found = subprocess.run(["git", "rev-parse", "--short=10", "HEAD"], cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


def _is_changed(root: Path) -> bool:
    """Whether tracked files differ from the commit."""
    try:
        found = subprocess.run(["git", "status", "--porcelain", "--untracked-files=no"], cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return bool(found.stdout.strip())


def _bytes_in(folder: Path) -> int:
    """Of the files in a folder, without logs and the times of jobs; 0 where there is none."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not {"logs", "benchmarks"} & set(path.relative_to(folder).parts))


def _date(scores: list[Path]) -> str | None:
    """The day of the newest score: the page is as old as its numbers."""
    times = [path.stat().st_mtime for path in scores if path.exists()]
    return datetime.fromtimestamp(max(times), UTC).strftime("%Y-%m-%d") if times else None
