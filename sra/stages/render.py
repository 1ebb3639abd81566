"""Render tables, figures, claims and the page from the scores that exist. Nothing here trains, samples or scores; no torch is imported."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

from sra.core.errors import unknown
from sra.core.progress import tracked
from sra.plan.inside import as_it_stands, carriers, components_files, probe_files
from sra.plan.layout import Results, Shared
from sra.plan.targets import Wanted, wanted_by_all, wanted_by_figure, wanted_by_table
from sra.reporting import claims, figures, page, tables
from sra.reporting.probe_files import InsideFiles
from sra.spec.claims import load_claims, scores_behind
from sra.spec.display import FigureSpec
from sra.spec.registry import Registry
from sra.spec.scale import Preset


def render_table(registry: Registry, table: str) -> None:
    root, preset = registry.root, registry.preset_id
    if table not in registry.tables:
        raise unknown("table", table, registry.tables)
    spec = registry.tables[table]
    folder = (root / Results(preset).table(table)).parent
    runs = [row.run for row in spec.rows if row.run]
    tables.render_table(spec, _scores(root, preset, wanted_by_table(spec, registry)), _published(root), preset, _preset_of(registry, runs), folder)


def render_figure(registry: Registry, figure: str) -> None:
    root, preset = registry.root, registry.preset_id
    if figure not in registry.figures:
        raise unknown("figure", figure, registry.figures)
    spec = as_it_stands(registry.figures[figure], registry)
    wanted = wanted_by_figure(spec, registry)
    packs = {item.run: root / Results(preset).samples(item.run, item.score) for item in wanted}
    folder = (root / Results(preset).figure(figure)).parent
    figures.render_figure(spec, _scores(root, preset, wanted), packs, _published(root), preset, registry.preset, folder, _inside(spec, registry))


def render_claims(registry: Registry) -> None:
    root, preset = registry.root, registry.preset_id
    found = load_claims(registry)
    scores = [root / Results(preset).score(run, score) for run, score in scores_behind(found, registry)]
    claims.render_claims(found, registry, scores, _published(root), root / Results(preset).folder)


def render_report(registry: Registry) -> None:
    root, preset = registry.root, registry.preset_id
    scores = _scores(root, preset, wanted_by_all(registry))
    results = root / Results(preset).folder
    claims_file = results / "claims.json"
    page.render_report(
        preset,
        registry.preset,
        results / "tables",
        results / "figures",
        scores,
        [results / "benchmarks", *(root / Shared(dataset).folder / "benchmarks" for dataset in _datasets(registry.preset))],
        results / "runs",
        root / Results(preset).report,
        claims_file=claims_file if claims_file.exists() else None,
        commit=_commit(root),
        date=_date(scores),
    )


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
    """The preset as these runs see it: text to image has a data set of its own. Runs of both kinds have no data set in common."""
    captioned = {registry.is_text_to_image(run) for run in runs}
    return registry.preset.for_captions() if captioned == {True} and registry.preset.text_to_image else registry.preset


def _datasets(preset: Preset) -> list[str]:
    return [preset.dataset, *([preset.text_to_image.dataset] if preset.text_to_image else [])]


def _scores(root: Path, preset: str, wanted: list[Wanted]) -> list[Path]:
    return [root / Results(preset).score(item.run, item.score) for item in wanted]


def _published(root: Path) -> Path:
    return root / "report" / "published"


def _commit(root: Path) -> str | None:
    """The checkout's commit; None outside git (an unpacked archive)."""
    try:
        found = subprocess.run(["git", "rev-parse", "--short=10", "HEAD"], cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


def _date(scores: list[Path]) -> str | None:
    """The day of the newest score: the page is as old as its numbers."""
    times = [path.stat().st_mtime for path in scores if path.exists()]
    return datetime.fromtimestamp(max(times), UTC).strftime("%Y-%m-%d") if times else None
