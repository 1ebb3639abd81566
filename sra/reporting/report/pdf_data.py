"""What the PDF's template sets, in the order in which it is read: texts and grids, every character of which the fonts have."""

from sra.reporting.documents import FigureDocument
from sra.reporting.report.document import Provenance, ReportDocument, VerdictCount
from sra.reporting.report.pdf_grid import PdfTable, Plain
from sra.reporting.report.pdf_tables import (
    claims_table,
    commands_table,
    costs_table,
    hashes_table,
    paper_table,
    progress_table,
    quirks_table,
    runs_table,
)
from sra.spec.base import Strict


class Text(Strict):
    """name: what stands before it, in bold; empty for none."""

    name: Plain = ""
    text: Plain
    cites: list[int] = []


class PdfFact(Strict):
    name: Plain
    values: list[Plain]
    remarks: list[Plain]


class PdfFigure(Strict):
    id: str
    label: Plain
    caption: Plain
    alt: Plain
    file: str
    cites: list[int]


class PdfData(Strict):
    """date: year, month, day; None before there is any result.  verdicts: sign, word, count and the label of the first claim of the kind."""

    title: Plain
    subtitle: Plain
    paper: Plain
    url: str
    preset: Plain
    band: Plain | None
    commit: Plain
    date: list[int] | None
    sentences: list[Plain]
    verdicts: list[VerdictCount]
    facts: list[PdfFact]
    stale: Plain
    progress: PdfTable
    scope: Plain
    claims: PdfTable | None
    tables: list[PdfTable]
    figures: list[PdfFigure]
    quirks: PdfTable
    cost: list[Plain]
    costs: PdfTable | None
    reading: list[Text]
    provenance: list[Text]
    runs: PdfTable | None
    hashes: PdfTable | None
    commands: PdfTable
    limits: list[Text]
    references: list[Text]


def pdf_data(report: ReportDocument) -> PdfData:
    head = report.head
    return PdfData(
        title=head.title,
        subtitle=f"A reproduction at preset {head.preset} ({head.preset_title})",
        paper=head.paper,
        url=head.url,
        preset=head.preset,
        band=head.band,
        commit=report.provenance.code,
        date=[int(part) for part in head.date.split("-")] if head.date else None,
        sentences=report.summary.sentences,
        verdicts=report.verdicts,
        facts=[
            PdfFact(name=fact.name, values=[value.text for value in fact.values], remarks=[value.remark or "" for value in fact.values])
            for fact in report.summary.facts
        ],
        stale=", ".join(report.summary.stale),
        progress=progress_table(report.summary),
        scope=report.claims.scope if report.claims else "",
        claims=claims_table(report.claims, report.numbers) if report.claims else None,
        tables=[paper_table(item) for item in report.tables],
        figures=[_figure(item.document, item.cites) for item in report.figures],
        quirks=quirks_table(report.quirks),
        cost=report.costs.sentences,
        costs=costs_table(report.costs) if report.costs.rows else None,
        reading=[Text(name=term.name, text=term.text, cites=term.cites) for term in report.reading],
        provenance=_provenance(report.provenance),
        runs=runs_table(report.provenance, head.preset) if report.provenance.trained else None,
        hashes=hashes_table(report.provenance) if report.provenance.scores else None,
        commands=commands_table(report.commands),
        limits=[Text(text=limit.text, cites=limit.cites) for limit in report.limits],
        references=[Text(text=f"{work.authors}. {work.sentence} {work.where}, {work.year}. Here: {work.why}.") for work in report.references],
    )


def _figure(figure: FigureDocument, cites: list[int]) -> PdfFigure:
    rule = [] if figure.kind == "curves" else [figure.rule]
    caption = " ".join([f"{figure.title}. {figure.caption} ({figure.paper}.)", *rule, *figure.remarks])
    return PdfFigure(id=figure.id, label=figure.number, caption=caption, alt=figure.alt, file=f"{figure.id}.svg", cites=cites)


def _provenance(provenance: Provenance) -> list[Text]:
    def listed(values) -> str:
        return "; ".join(f"{value.text}, SHA-256 {value.remark}" for value in values) or "none yet"

    lines = {
        "Code": provenance.code,
        "Hardware": ", ".join(provenance.devices) or "none yet",
        "Seeds": provenance.seeds,
        "Feature network": listed(provenance.extractors),
        "Reference": listed(provenance.references),
        "Versions": ", ".join(provenance.versions) or "none yet",
        "Warnings": f"{provenance.warned} of {len(provenance.scores)} scores carry one; they are in the receipts on the page.",
    }
    return [Text(name=name, text=text) for name, text in lines.items()]
