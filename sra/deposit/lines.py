"""The lines of `registry.tsv`: every number that the tables and figures show, read from what they were drawn from."""

from dataclasses import dataclass, replace
from pathlib import Path

from sra.content.catalogue import Catalogue
from sra.content.inspected import available
from sra.content.studies import study_named
from sra.core.errors import InputError
from sra.core.files import read_json, sha256_of_file, write_text
from sra.core.receipts import receipt_of, receipt_path, recorded_sha256
from sra.deposit.ledger import Line, Shown, State, shown_by, to_tsv
from sra.reporting.documents import Document, FigureDocument, TableDocument, study_of
from sra.reporting.read.studies import StudyFiles
from sra.spec.layout import Results
from sra.spec.load import checked
from sra.spec.measured import read_cost
from sra.spec.probe import read_probe
from sra.spec.score import read_score


@dataclass(frozen=True)
class _Found:
    """What the file behind a number says; empty while there is no file."""

    path: str = ""
    file_sha256: str = ""
    value: float | None = None
    state: State = "not run"
    samples_sha256: str = ""
    weights_sha256: str = ""
    fingerprint: str = ""


def write_registry(registry: Catalogue) -> None:
    """Write `results/<preset>/registry.tsv` from the tables and figures as they were rendered last."""
    write_text(registry.root / registry.results.registry, to_tsv(registry_lines(registry)))


def registry_lines(registry: Catalogue) -> list[Line]:
    return [_line(shown, names, registry) for shown, names in _all_shown(registry).items()]


def rendered_documents(registry: Catalogue) -> list[Document]:
    """Every table and figure of the registry. Raises InputError for one that was not rendered yet."""
    results = registry.results
    files = [(registry.root / results.table(name), TableDocument) for name in registry.shown_tables]
    files += [(registry.root / results.figure(name), FigureDocument) for name in registry.shown_figures]
    for path, _ in files:
        if not path.exists():
            raise InputError(f"{path}: no such file; sra refresh --preset {registry.preset_id} renders every table and figure")
    return [checked(read_json(path), model, str(path)) for path, model in files]


def _all_shown(registry: Catalogue) -> dict[Shown, list[str]]:
    """What is shown, with every seed, and by which tables and figures."""
    found: dict[Shown, list[str]] = {}
    for document in rendered_documents(registry):
        for one in _shown(document, registry):
            found.setdefault(one, []).append(document.id)
    return found


def _shown(document: Document, registry: Catalogue) -> list[Shown]:
    """A study has seeds of its own; the numbers of everything else are of those that are asked for."""
    study = study_of(document)
    if study is None:
        return [one for shown in shown_by(document) for one in _with_seeds(shown, registry)]
    metrics = [study.metric, *([study.second] if study.second else [])]
    behind = StudyFiles(study_named(study.study, registry), registry).wanted()
    return [Shown("score", item.run, item.score.milestone, item.score, metric) for item in behind for metric in metrics]


def _with_seeds(shown: Shown, registry: Catalogue) -> list[Shown]:
    """Scores have one of each pair of seeds, probes one of each training seed; images, components and costs are of each run's own seed."""
    if shown.kind == "probe":
        return [replace(shown, run=run) for run in registry.with_training_seeds(shown.run)]
    if shown.kind != "score":
        return [shown]
    return [Shown("score", run, shown.milestone, score, shown.metric) for run, score in registry.with_seeds(shown.run, shown.score)]


def _line(shown: Shown, names: list[str], registry: Catalogue) -> Line:
    score, known = shown.score, registry.has_part_of(shown.run)
    preset, spec = (registry.preset_of(shown.run), registry.spec(shown.run)) if known else (registry.preset, None)
    reached = known and available(registry, shown.run) and (shown.kind == "cost" or shown.milestone in preset.milestones)
    found = _found(shown, registry) if reached else _Found(state="not reached")
    return Line(
        kind=shown.kind,
        run=shown.run,
        training_seed=spec.training.seed if spec and spec.weights is None else None,
        milestone=shown.milestone,
        step=preset.milestones.get(shown.milestone),
        sampler=score.sampler if score else "",
        sampling_seed=registry.sampler(score.sampler).seed if score else None,
        paper_samples=score.samples if score else None,
        samples=preset.samples.get(score.samples) if score else None,
        time=shown.time,
        block=shown.block,
        metric=shown.metric,
        value=found.value,
        state=found.state,
        shown_in=" ".join(names),
        file=found.path,
        file_sha256=found.file_sha256,
        samples_sha256=found.samples_sha256,
        weights_sha256=found.weights_sha256,
        fingerprint=found.fingerprint or (spec.fingerprint if spec else ""),
    )


def _found(shown: Shown, registry: Catalogue) -> _Found:
    """The number, and what its file says that it rests on."""
    path = _path_of(shown, registry.results)
    file = registry.root / path
    if not file.exists() and not (shown.kind in ("images", "components") and receipt_path(file).exists()):  # an archive has the receipt alone
        return _Found()
    if shown.kind == "score":
        return _of_score(path, file, shown.metric)
    if shown.kind == "probe":
        return _of_probe(path, file, shown.block)
    if shown.kind == "cost":
        state = "done" if shown.value is not None else "not measured"
        return _Found(path, sha256_of_file(file), shown.value, state, fingerprint=read_cost(file).fingerprint)
    receipt = receipt_of(file) if receipt_path(file).exists() else {"made_from": {}, "facts": {}}
    sha256 = recorded_sha256(file)
    weights, fingerprint = receipt["made_from"].get("weights", ""), receipt["facts"].get("fingerprint", "")
    return _Found(path, sha256, None, "done", sha256 if shown.kind == "images" else "", weights, fingerprint)


def _of_score(path: str, file: Path, metric: str) -> _Found:
    record = read_score(file)
    value = record.metrics.get(metric)
    state = "done" if value is not None else "not measured"
    return _Found(path, sha256_of_file(file), value, state, record.samples.sha256, record.weights.sha256, record.fingerprint)


def _of_probe(path: str, file: Path, block: int) -> _Found:
    record = read_probe(file)
    value = record.accuracy.get(block)
    state = "done" if value is not None else "not measured"
    return _Found(path, sha256_of_file(file), value, state, "", record.weights, record.fingerprint)


def _path_of(shown: Shown, results: Results) -> str:
    if shown.kind == "score":
        return results.score(shown.run, shown.score)
    if shown.kind == "images":
        return results.samples(shown.run, shown.score)
    if shown.kind == "cost":
        return results.cost(shown.run)
    if shown.kind == "probe":
        return results.probe(shown.run, shown.milestone, shown.time)
    return results.pca(shown.run, shown.milestone)
