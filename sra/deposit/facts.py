"""What the artifact appendix says, gathered from results, benchmarks, configuration and the lists of data sets and weights."""

import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sra.content.catalogue import Catalogue
from sra.content.inspected import components_files, probe_files
from sra.content.required import measured_by_figure, measured_by_table, packs_of_figure, required_by_figure, required_by_table, training_points
from sra.core.files import read_json
from sra.core.origin import commit_of, day_of, is_changed, version_label
from sra.deposit.appendix import Facts, Target, render_appendix
from sra.deposit.lines import registry_lines
from sra.forecast.disk import bytes_here
from sra.forecast.estimate import estimate
from sra.forecast.finished import job_seconds
from sra.forecast.job_flops import planned_device
from sra.forecast.rates import Prices, read_rates
from sra.plan.remaining import Remaining
from sra.plan.workflow import plan_of
from sra.reporting.claims.verdicts import ClaimsDocument
from sra.reporting.display import number_of
from sra.reporting.rendering import TEMPLATES
from sra.reporting.report.build import head_of, in_order
from sra.reporting.report.guide import Quirks
from sra.reporting.report.planned import planned_cost
from sra.reporting.report.spending import spent_by_stage
from sra.reporting.write.numbers import METRIC_NAMES
from sra.spec.assets import WeightsEntry
from sra.spec.citation import read_citation
from sra.spec.layout import Shared
from sra.spec.load import checked, load
from sra.spec.scale import Needs
from sra.spec.score import read_score

LOCK = Path("workflow/envs/requirements.lock")


def write_appendix(registry: Catalogue) -> None:
    """Write `results/<preset>/appendix.md`. The claims must have been judged and every table and figure rendered."""
    root, results, preset = registry.root, registry.results, registry.preset
    lines, planned = registry_lines(registry), planned_cost(registry)
    runs = [run for run in dict.fromkeys(line.run for line in lines if line.state != "not reached")]
    scores = [root / path for path in dict.fromkeys(line.file for line in lines if line.kind == "score" and line.file)]
    specs, datasets = [registry.spec(run) for run in runs], sorted({registry.preset_of(run).dataset for run in runs})
    shared = [root / Shared(dataset).folder for dataset in datasets]
    facts = Facts(
        head=head_of(registry.preset_id, preset, commit_of(root), is_changed(root), day_of(scores, root)),
        citation=read_citation(root),
        version=version_label(root),
        released=registry.released,
        methods=sorted({spec.alignment.method for spec in specs}),
        models=sorted({spec.model.name for spec in specs}),
        metrics=list(dict.fromkeys(METRIC_NAMES[line.metric] for line in lines if line.metric in METRIC_NAMES)),
        runs=len(runs),
        states=dict(Counter(line.state for line in lines)),
        targets=list(_targets(registry)),
        claims=checked(read_json(root / results.claims()), ClaimsDocument, results.claims()),
        datasets=[registry.datasets[dataset] for dataset in datasets],
        weights=_weights(registry, runs),
        needs=preset.needs or {"every stage": Needs()},
        spent=spent_by_stage([root / results.folder / "benchmarks"]),
        prepared=spent_by_stage(folder / "benchmarks" for folder in shared),
        planned=planned,
        disk_bytes=bytes_here(root, registry.preset_id, datasets),
        devices=sorted({read_score(score).device for score in scores}),
        python=_required_python(root),
        pins=sum("==" in line for line in (root / LOCK).read_text(encoding="utf-8").splitlines()),
        quirks=len(load(root / "report" / "quirks.yaml", Quirks).quirks),
        presets=sorted(path.stem for path in (root / "config" / "presets").glob("*.yaml")),
    )
    render_appendix(facts, root / results.appendix, root / TEMPLATES)


def _targets(registry: Catalogue) -> Iterator[Target]:
    """Tables and figures with what each takes by itself: as measured, and as planned with the data prepared."""
    everything = Remaining(plan_of(registry), from_nothing=True)
    prices = Prices(read_rates(registry.root, planned_device(registry)))
    for item in _in_order(registry):
        alone = estimate(item, everything.title(item), everything.chains_of(item), prices, 1)
        planned = alone.total_seconds - alone.seconds["data"]
        yield Target(item, number_of(item), alone.title, measured_seconds(registry, item), planned, alone.kept)


def _in_order(registry: Catalogue) -> list[str]:
    """Tables, then figures, each as the paper numbers them."""
    folder, known = registry.root / registry.results.folder, {*registry.shown_tables, *registry.shown_figures}
    files = [*in_order(folder / "tables", "table"), *in_order(folder / "figures", "figure")]
    return [path.stem for path in files if path.stem in known]


def measured_seconds(registry: Catalogue, item: str) -> float | None:
    """Of all jobs of a table or figure but those on the data sets, one after the other; None where the time of one is not known."""
    folder = registry.root / registry.results.folder / "benchmarks"
    files = [sorted(folder.glob(pattern)) for pattern in dict.fromkeys(_jobs(registry, item))]
    return None if not all(files) else sum(job_seconds(file) for found in files for file in found)


def _jobs(registry: Catalogue, item: str) -> Iterator[str]:
    """Patterns of the benchmark files of the jobs behind a table or figure, each of at least one file."""
    table, figure = registry.tables.get(item), registry.figures.get(item)
    scored = required_by_table(table, registry) if table else required_by_figure(figure, registry)
    for one in dict.fromkeys([*scored, *(packs_of_figure(figure, registry) if figure else ())]):
        yield from _of_weights(registry, one.run, one.score.milestone)
        place = f"{one.run}/{one.score.milestone}/{one.score.sampler}/n{one.score.samples}"
        yield from (f"sample/{place}/*.tsv", f"pack/{place}.tsv", *([f"score/{place}.tsv"] if one in scored else []))
    for run in measured_by_table(table, registry) if table else measured_by_figure(figure, registry):
        yield f"measure/{run}.tsv"
    for probe in probe_files([figure], registry) if figure else ():
        yield from _of_weights(registry, probe.run, probe.milestone)
        yield f"probe/{probe.run}/{probe.milestone}/t{round(1000 * probe.time):03d}.tsv"
    for components in components_files([figure], registry) if figure else ():
        yield from _of_weights(registry, components.run, components.milestone)
        yield f"pca/{components.run}/{components.milestone}.tsv"


def _of_weights(registry: Catalogue, run: str, milestone: str) -> Iterator[str]:
    """Training to a milestone and the export, or the import of a released file."""
    if registry.checkpoint(run):
        yield f"import/{run}/{milestone}.tsv"
        return
    if registry.start(run):
        yield f"import/{run}/start.tsv"
    points = [point.name for point in training_points(registry, run)]
    yield from (f"train/{run}/{point}.tsv" for point in points[: points.index(milestone) + 1])
    yield f"export/{run}/{milestone}.tsv"


def _weights(registry: Catalogue, runs: list[str]) -> list[WeightsEntry]:
    """Networks that the runs and their scores use, and the files that released runs start from."""
    names: list[str | None] = []
    for run in runs:
        preset, spec, checkpoint = registry.preset_of(run), registry.spec(run), registry.checkpoint(run) or registry.start(run)
        part = preset.text_to_image if registry.is_text_to_image(run) else None
        names += [spec.vae, spec.encoder, spec.text_encoder, preset.extractor, preset.second_extractor, preset.reference]
        names += [name for _, name in part.judges] if part else [preset.cmmd_model]
        names += [checkpoint.entry.name] if checkpoint and checkpoint.entry else []
    return [entry for name, entry in registry.weights.items() if name in names]


def _required_python(root: Path) -> str:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"].removeprefix(">=") + " or newer"
