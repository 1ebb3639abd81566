"""The report as a PDF that reads like a paper, set by typst from the report's document. What is shown reaches typst as JSON, never as markup."""

import shutil
import tempfile
from pathlib import Path

import typst

from sra.core.errors import StageError
from sra.core.files import written_whole
from sra.reporting.report.document import ReportDocument
from sra.reporting.report.pdf_data import pdf_data
from sra.reporting.report.pdf_grid import FONTS

STANDARDS = ["ua-1", "a-3a"]  # tagged for screen readers; to be archived, with every font inside


def render_pdf(report: ReportDocument, figures_folder: Path, output: Path, templates: Path) -> None:
    """Write the PDF to `output`; the pictures are the SVGs of the figures' folder. Raises StageError where a table does not fit on a page."""
    with written_whole(output) as path:
        path.write_bytes(compiled(report, figures_folder, templates, "pdf"))


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
        for item in report.figures:
            shutil.copyfile(Path(figures_folder) / f"{item.document.id}.svg", folder / f"{item.document.id}.svg")
        (folder / "report.json").write_text(pdf_data(report).model_dump_json(), encoding="utf-8")
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
