"""What the PDF's template sets, in the order in which it is read: texts and grids, every character of which the fonts have."""

from sra.reporting.documents import FigureDocument
from sra.reporting.report.document import FigureItem, Provenance, ReportDocument, Summary, VerdictCount
from sra.reporting.report.pdf_grid import GridTable, plain
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

    name: str = ""
    text: str
    cites: list[int] = []


class PdfFact(Strict):
    name: str
    values: list[str]
    remarks: list[str]


class PdfFigure(Strict):
    id: str
    label: str
    caption: str
    alt: str
    file: str
    cites: list[int]


class PdfData(Strict):
    """date: year, month, day; None before there is any result.  verdicts: sign, word, count and the label of the first claim of the kind."""

    title: str
    subtitle: str
    paper: str
    url: str
    preset: str
    band: str | None
    commit: str
    date: list[int] | None
    sentences: list[str]
    verdicts: list[VerdictCount]
    facts: list[PdfFact]
    stale: str
    progress: GridTable
    scope: str
    claims: GridTable | None
    tables: list[GridTable]
    figures: list[PdfFigure]
    quirks: GridTable
    cost: list[str]
    costs: GridTable | None
    reading: list[Text]
    provenance: list[Text]
    runs: GridTable | None
    hashes: GridTable | None
    commands: GridTable
    limits: list[Text]
    references: list[Text]


def pdf_data(report: ReportDocument) -> PdfData:
    head = report.head
    return PdfData(
        title=plain(head.title),
        subtitle=plain(f"A reproduction at preset {head.preset} ({head.preset_title})"),
        paper=plain(head.paper),
        url=head.url,
        preset=plain(head.preset),
        band=plain(head.band) if head.band else None,
        commit=plain(report.provenance.code),
        date=[int(part) for part in head.date.split("-")] if head.date else None,
        sentences=[plain(sentence) for sentence in report.summary.sentences],
        verdicts=report.verdicts,
        facts=_facts(report.summary),
        stale=plain(", ".join(report.summary.stale)),
        progress=progress_table(report.summary),
        scope=plain(report.claims.scope) if report.claims else "",
        claims=claims_table(report.claims, report.numbers) if report.claims else None,
        tables=[paper_table(item) for item in report.tables],
        figures=[_figure(item) for item in report.figures],
        quirks=quirks_table(report.quirks),
        cost=[plain(sentence) for sentence in report.costs.sentences],
        costs=costs_table(report.costs) if report.costs.rows else None,
        reading=[_text(term.text, term.name, term.cites) for term in report.reading],
        provenance=_provenance(report.provenance),
        runs=runs_table(report.provenance, head.preset) if report.provenance.trained else None,
        hashes=hashes_table(report.provenance) if report.provenance.scores else None,
        commands=commands_table(report.commands),
        limits=[_text(limit.text, cites=limit.cites) for limit in report.limits],
        references=[_text(f"{work.authors}. {work.sentence} {work.where}, {work.year}. Here: {work.why}.") for work in report.references],
    )


def _text(text: str, name: str = "", cites: list[int] | None = None) -> Text:
    return Text(name=plain(name), text=plain(text), cites=cites or [])


def _facts(summary: Summary) -> list[PdfFact]:
    return [
        PdfFact(
            name=plain(fact.name),
            values=[plain(value.text) for value in fact.values],
            remarks=[plain(value.remark or "") for value in fact.values],
        )
        for fact in summary.facts
    ]


def _figure(item: FigureItem) -> PdfFigure:
    figure = item.document
    return PdfFigure(
        id=figure.id,
        label=plain(figure.number),
        caption=plain(_caption(figure)),
        alt=plain(figure.alt),
        file=f"{figure.id}.svg",
        cites=item.cites,
    )


def _caption(figure: FigureDocument) -> str:
    rule = [] if figure.kind == "curves" else [figure.rule]
    return " ".join([f"{figure.title}. {figure.caption} ({figure.paper}.)", *rule, *figure.remarks])


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
    return [_text(text, name) for name, text in lines.items()]
