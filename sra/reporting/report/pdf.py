"""The report as a PDF that reads like a paper, set by typst from the report's document. What is shown reaches typst as JSON, never as markup."""

import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import typst

from sra.core.errors import StageError
from sra.core.files import written_whole
from sra.reporting.report.document import FactValue, Provenance, ReportDocument
from sra.reporting.report.pdf_grid import FONTS, plain
from sra.reporting.report.pdf_tables import (
    claims_table,
    commands_table,
    costs_table,
    hashes_table,
    methods_table,
    paper_tables,
    progress_table,
    quirks_table,
    runs_table,
)
from sra.spec.base import Strict

FIGURES = {"__all__": {"document": {"id", "number", "title", "caption", "paper", "rule", "remarks", "alt"}, "cites": True}}
READ = {
    **dict.fromkeys(("head", "verdicts", "reading", "limits", "references"), True),
    "summary": {"sentences", "facts", "stale"},
    "costs": {"sentences"},
    "claims": {"scope"},
    "figures": FIGURES,
    "benchmarks": {"__all__": {**dict.fromkeys(("title", "informative_words", "findings", "facts", "pilot", "threats"), True), "figures": FIGURES}},
}  # of the report, by the template as it is
SUSPECTS = re.compile(rb"(/MarkInfo<<[^<>]*)(/Suspects false)")
STANDARDS = ["ua-1", "a-3a"]  # tagged for screen readers; to be archived, with every font inside


def render_pdf(report: ReportDocument, figures_folder: Path, output: Path, templates: Path) -> None:
    """Write the PDF to `output`; the pictures are the SVGs of the figures' folder. Raises StageError where a table does not fit on a page."""
    with written_whole(output) as path:
        path.write_bytes(_without_suspects(compiled(report, figures_folder, templates, "pdf")))


def _without_suspects(pdf: bytes) -> bytes:
    """The same file, as long as before, without the word that no tag of it is suspect: that is so where nothing is said, and Poppler calls the word
    an error.
    """
    return SUSPECTS.sub(lambda found: found[1] + b" " * len(found[2]), pdf)


def page_images(report: ReportDocument, figures_folder: Path, templates: Path, ppi: float = 100) -> list[bytes]:
    """The same pages as PNG files, for looking at."""
    made = compiled(report, figures_folder, templates, "png", ppi)
    return made if isinstance(made, list) else [made]


def compiled(report: ReportDocument, figures_folder: Path, templates: Path, kind: str, ppi: float | None = None) -> bytes | list[bytes]:
    """One compilation in a folder of its own, so that typst sees the templates, the data and the pictures and nothing else of this machine."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in sorted(Path(templates).glob("*.typ")):
            shutil.copyfile(path, folder / path.name)
        for item in report.all_figures:
            shutil.copyfile(Path(figures_folder) / f"{item.document.id}.svg", folder / f"{item.document.id}.svg")
        (folder / "report.json").write_text(json.dumps(pdf_data(report), ensure_ascii=False), encoding="utf-8")
        try:
            return typst.compile(
                folder / "report.typ",
                root=folder,
                format=kind,
                ppi=ppi,
                # typst replaces a font that it does not find without a word, so the fonts are its own and matplotlib's, the same on every machine.
                ignore_system_fonts=True,
                font_paths=[FONTS],
                pdf_standards=_standards(report) if kind == "pdf" else [],
            )
        except typst.TypstError as error:
            raise StageError(f"report.pdf: {error.message}; {'; '.join(error.hints) or 'see report/templates/report.typ'}") from None


def _standards(report: ReportDocument) -> list[str]:
    """PDF/A wants a date; before there is any result the report has none."""
    return STANDARDS if report.head.date else STANDARDS[:1]


def pdf_data(report: ReportDocument) -> dict[str, Any]:
    """What the template sets: the report's own texts, and its tables as grids. Every character is one that the fonts have."""
    tables = {
        "tables": [table for item in report.tables for table in paper_tables(item)],
        "benchmarks": [[table for item in benchmark.tables for table in paper_tables(item)] for benchmark in report.benchmarks],
        "claims": report.claims and claims_table(report.claims, report.numbers),
        "methods": report.methods and methods_table(report.methods),
        "quirks": quirks_table(report.quirks),
        "costs": costs_table(report.costs) if report.costs.rows else None,
        "runs": runs_table(report.provenance, report.head.preset) if report.provenance.trained else None,
        "hashes": hashes_table(report.provenance) if report.provenance.scores else None,
        "commands": commands_table(report.commands),
        "progress": progress_table(report.summary),
    }
    provenance = {"provenance": _provenance(report.provenance), "hashed": _hashed(report.provenance)}
    return _plain({"report": report.model_dump(mode="json", include=READ), **provenance, "grids": tables})


def _provenance(provenance: Provenance) -> dict[str, str]:
    """Where the numbers come from: names, and what is said of each."""

    def named(values: list[FactValue]) -> str:
        return "; ".join(dict.fromkeys(value.text for value in values)) or "none yet"

    return {
        "Code": provenance.code,
        "Hardware": ", ".join(provenance.devices) or "none yet",
        "Seeds": provenance.seeds,
        "Feature network": named(provenance.extractors),
        "Reference": named(provenance.references),
        "Versions": ", ".join(provenance.versions) or "none yet",
        "Warnings": f"{provenance.warned} of {len(provenance.scores)} scores carry one; they are in the receipts on the page.",
    }


def _hashed(provenance: Provenance) -> dict[str, str]:
    """What scores were made with, by SHA-256."""
    parts = {"Feature network": provenance.extractors, "Reference": provenance.references}
    return {name: "; ".join(f"{value.text}, SHA-256 {value.remark}" for value in values) for name, values in parts.items()}


def _plain(value: Any) -> Any:
    """The same with every text in it plain, and every part of a table as the template reads it."""
    if isinstance(value, Strict):
        return _plain(dict(value))
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return plain(value) if isinstance(value, str) else value
