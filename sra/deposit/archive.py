"""One zip to deposit. What makes the results, the results without weights and samples, and an RO-Crate that says what each file is."""

import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sra.content.catalogue import Catalogue
from sra.core.errors import InputError
from sra.core.files import path_inside, read_json, sha256_of_file, written_whole
from sra.core.origin import METADATA, day_of, version_label
from sra.deposit.crate import About, CrateFile, Made, described
from sra.deposit.held import hashes_in
from sra.deposit.lines import rendered_documents
from sra.deposit.readme import readme, without_dead_links
from sra.plan import show
from sra.plan.show import CLAIMS_KINDS, FIGURE_KINDS, TABLE_KINDS
from sra.plan.workflow import plan_of
from sra.reporting.documents import Document, TableDocument, study_of
from sra.reporting.write.commands import build_command
from sra.spec.citation import read_citation
from sra.spec.config import UserConfig, typed
from sra.spec.layout import Results, Shared
from sra.spec.load import load

NEEDED = ("README.md", "LICENSE", "CITATION.cff", "Snakefile", "config/config.yaml", "workflow/envs/requirements.lock")
SOURCES = (
    *("*.md", "LICENSE", "CITATION.cff", "Snakefile", "Makefile", "*.yml", "pyproject.toml"),
    *("config", "report", "workflow", "sra", "results/README.md"),
)
# Of a preset's folder. States, weights, samples and stores stay out; their receipts say what they were.
RESULTS = (
    *("registry.tsv", "claims.*", "appendix.md", "report.html", "report.pdf"),
    *("runs/*/config.json", "runs/*/curve/*.jsonl", "runs/*/state/*.receipt.json", "runs/*/weights/*.receipt.json"),
    *("samples/**/*.receipt.json", "scores/**/*.json", "probes/**/*.json", "pca/**/*.receipt.json", "costs/**/*.json"),
    *("studies/**/*.json", "benchmarks/**/*.tsv"),
)
SHARED = ("**/*.receipt.json", "benchmarks/**/*.tsv")
LEFT_OUT = ("__pycache__",)
OLDEST = date(1980, 1, 1)  # that a zip can tell
NOON = (12, 0, 0)  # of the results' date: the same day in nearly every time zone


def write_archive(registry: Catalogue, output: Path | None = None) -> Path:
    """Write the zip, by default to `results/<preset>/sra-repro-<preset>-<commit>.zip`, and return its path. The same results give the same bytes.

    Raises InputError when something that belongs to it is missing, was not rendered since the scores changed, or would tell a path of this machine.
    """
    root, preset = registry.root, registry.preset_id
    label = version_label(root)
    output = output or root / Results(preset).archive(label)
    day = day_of((root / Results(preset).folder / "scores").rglob("*.json"), root)
    if day is None:
        raise InputError(f"{Results(preset).folder}/scores: there is no score to archive; {build_command('all', preset)} makes them")
    documents = rendered_documents(registry)
    files = _pages(archived_files(registry, documents), registry, label, day)
    _refuse_private(files, registry)
    about = About(f"sra-repro: results at preset {preset}", _description(registry, files), day, label, read_citation(root))
    metadata = described(files, _made(registry, documents, files), about)
    write_zip(output, files, metadata, max(date.fromisoformat(day), OLDEST))
    return output


def archived_files(registry: Catalogue, documents: Iterable[Document]) -> list[CrateFile]:
    """Sorted by path. Raises InputError for a file that must be there and is not, or that lies outside the folder."""
    root, results = registry.root, registry.results
    for name in NEEDED:
        if not (root / name).exists():
            raise InputError(f"{root / name}: no such file; an archive needs it, run this in the folder of the repository")
    for name in (results.claims(), results.registry, results.appendix, results.report):
        if not (root / name).exists():
            raise InputError(f"{root / name}: no such file; sra refresh --preset {registry.preset_id} renders it")
    names = {path: f"{document.number}: {document.title}" for document in documents for path in _rendered(document, results)}
    found = {path for pattern in SOURCES for path in _under(root, pattern)}
    found |= {path for pattern in RESULTS for path in (root / results.folder).glob(pattern)}
    found |= {root / path for path in names}
    for dataset in sorted({registry.preset_of(run).dataset for run in registry.runs if registry.has_part_of(run)}):
        found |= {path for pattern in SHARED for path in (root / Shared(dataset).folder).glob(pattern)}
    paths = sorted(path.relative_to(root).as_posix() for path in found if path.is_file())
    kept = [path for path in paths if not any(part.startswith(".") or part in LEFT_OUT for part in Path(path).parts)]
    return [CrateFile(path, path_inside(root, path), names.get(path)) for path in kept]


def _pages(files: list[CrateFile], registry: Catalogue, label: str, day: str) -> list[CrateFile]:
    """The files, with pages as they read in the archive."""
    inside, found = {file.path for file in files}, []
    for file in files:
        if file.path.endswith(".md"):
            text = file.source.read_text(encoding="utf-8")
            text = readme(text, registry, label, day) if file.path == "README.md" else text
            file = replace(file, text=without_dead_links(text, file.path, inside))
        found.append(file)
    return found


def _under(root: Path, pattern: str) -> Iterable[Path]:
    """Files that match, and all files of folders that match."""
    for path in root.glob(pattern):
        yield from path.rglob("*") if path.is_dir() else (path,)


def write_zip(output: Path, files: list[CrateFile], metadata: dict[str, Any], day: date) -> None:
    """Sorted names, one date, plain permissions: nothing in it depends on the machine."""
    text = json.dumps(metadata, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with written_whole(output) as temporary, zipfile.ZipFile(temporary, "w") as packed:
        packed.writestr(_entry(METADATA, day), text)
        for file in files:
            packed.writestr(_entry(file.path, day), file.content)


def _entry(path: str, day: date) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(path, (day.year, day.month, day.day, *NOON))
    entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o100644 << 16
    return entry


# What the crate says


def _description(registry: Catalogue, files: list[CrateFile]) -> str:
    preset = registry.preset
    weights, samples = (sum(file.path.endswith(f"{ending}.receipt.json") for file in files) for ending in (".safetensors", "samples.npz"))
    comparable = "" if preset.comparable else " Numbers of this preset are not comparable with the paper's."
    return (
        f"Published beside reproduced: the tables, figures and claims of arXiv 2505.02831 at preset {registry.preset_id} ({preset.title}), with the "
        f"workflow, its configuration and every score.{comparable} Not in it: {weights} files of weights and training states, {samples} sets of "
        f"samples, latents and features; receipts hold their SHA-256. `{_everything(registry)}` in this folder makes them again, "
        f"`sra refresh --preset {registry.preset_id}` renders tables, claims and page from what is here."
    )


def _everything(registry: Catalogue) -> str:
    return build_command("all", registry.preset_id, "released" if registry.released else "trained")


def _made(registry: Catalogue, documents: list[Document], files: list[CrateFile]) -> list[Made]:
    """Tables, figures and claims that were made of nothing but files of the archive, of all of which it says so; figures of samples are not."""
    plan = plan_of(registry)
    results, inside, evidence = registry.results, {file.path for file in files}, _Evidence.of(registry, files)
    found = []
    for document in documents:
        is_table = isinstance(document, TableDocument)
        kind, made = "table" if is_table else "figure", _rendered(document, results)
        numbers = evidence.behind(made[0])
        if numbers is not None:
            settings = show.settings_of_table(plan, SimpleNamespace(preset=registry.preset_id, table=document.id)) if is_table else []
            study = [results.study(one.study)] if (one := study_of(document)) else []
            asked = [f"report/{kind}s/{document.id}.yaml", *show.published(plan, document.id), *settings, *study]
            found.append(Made(document.id, document.number, f"sra {kind}", f"render_{kind}", [*asked, *numbers], made))
    asked = ["report/claims.yaml", *show.targets_of_claims(plan, SimpleNamespace(preset=registry.preset_id))]
    numbers = evidence.behind(results.claims())
    if results.claims() in inside and numbers is not None:
        found.append(Made("claims", "Claims", "sra claims", "judge_claims", [*asked, *numbers], [results.claims(kind) for kind in CLAIMS_KINDS]))
    return found


def _rendered(document: Document, results: Results) -> list[str]:
    """Every format of a table or figure, JSON first."""
    path_of, kinds = (results.table, TABLE_KINDS) if isinstance(document, TableDocument) else (results.figure, FIGURE_KINDS)
    return [path_of(document.id, ending) for ending in kinds]


@dataclass(frozen=True)
class _Evidence:
    """by_hash: files of the archive.  receipted: hashes of what it has receipts of alone."""

    root: Path
    preset: str
    by_hash: dict[str, str]
    receipted: frozenset[str]

    @classmethod
    def of(cls, registry: Catalogue, files: list[CrateFile]) -> "_Evidence":
        folder = str(registry.results.folder)
        own = [file for file in files if file.path.startswith(f"{folder}/") and file.path.endswith(".json")]
        receipts = (read_json(file.source) for file in own if file.path.endswith(".receipt.json"))
        by_hash = {sha256_of_file(file.source): file.path for file in own}
        return cls(registry.root, registry.preset_id, by_hash, frozenset(receipt["sha256"] for receipt in receipts))

    def behind(self, rendered: str) -> list[str] | None:
        """Files that a table, figure or the claims name by hash; None where one is not in the archive. Raises InputError where one is nowhere."""
        hashes = set(hashes_in(read_json(self.root / rendered)))
        gone = hashes - self.by_hash.keys() - self.receipted
        if gone:
            raise InputError(f"{rendered}: shows a file of SHA-256 {min(gone)[:12]}..., which is not there now; sra refresh --preset {self.preset}")
        return sorted(self.by_hash[sha256] for sha256 in hashes) if hashes <= self.by_hash.keys() else None


# What it must not say


def _refuse_private(files: list[CrateFile], registry: Catalogue) -> None:
    """Raises InputError for a file that names a folder of this machine, above all the user's own choice of paths."""
    user = load(registry.root / "config" / "config.yaml", UserConfig)
    for name, given in user.paths:
        if any(isinstance(value, str) and Path(value).is_absolute() for value in (given.values() if isinstance(given, dict) else [given])):
            raise InputError(f"config/config.yaml: {name} under paths is a path of this machine; give it as {typed(name)} and archive again")
    told = [f"{folder}/".encode() for folder in {registry.root.resolve(), Path.home()} if len(folder.parts) > 2]
    for file in files:
        content = file.content
        if any(folder in content for folder in told):
            raise InputError(f"{file.path}: names a folder of this machine; remove that path and archive again")
