"""Tables of the report as grids for the PDF: scores, settings, claims, quirks, costs, runs, hashes and commands."""

from itertools import accumulate

from sra.reporting.claims.formats import SIGNS, missing_words, paper_numbers, telling_numbers
from sra.reporting.claims.verdicts import ClaimDocument, ClaimPart, ClaimsDocument
from sra.reporting.report.document import Command, CostRow, Costs, Provenance, Quirk, Spent, Summary, TableItem
from sra.reporting.report.pdf_grid import PdfBody, PdfCell, PdfGrid, PdfNote, PdfTable, one, phantom
from sra.reporting.report.spending import memory_text, time_text
from sra.reporting.tables import grid as tables
from sra.reporting.tables.grid import grid_of
from sra.reporting.write.numbers import ABSENT, count_text, milestone_text


def paper_table(item: TableItem) -> PdfTable:
    """One of the paper's tables, or one beside them."""
    table = item.document
    grid = grid_of(table)
    return PdfTable(
        id=table.id,
        label=table.number,
        caption=f"{table.full_caption} {table.legend}",
        grid=_numbers(grid) if grid.numeric else _settings(grid),
        notes=[PdfNote(mark=note.mark, text=note.text) for note in table.notes],
        cites=item.cites,
    )


def _numbers(grid: tables.Grid) -> PdfGrid:
    words = 1 + len(grid.settings)
    starts = accumulate((len(heading.names) for heading in grid.headings[:-1]), initial=words)
    upper = [PdfCell(text=text, rows=2) for text in ("", *grid.settings)]
    upper += [PdfCell(text=heading.text, span=len(heading.names)) for heading in grid.headings]
    lower = [PdfCell(text=name) for heading in grid.headings for name in heading.names]
    return PdfGrid(
        columns=["name", *["text"] * (words - 1), *["number"] * (grid.width - words)],
        head=[upper, lower],
        bodies=[
            PdfBody(group=name, rows=[[one(row.label, mark=row.mark), *map(one, row.settings), *map(_number, row)] for row in rows])
            for name, rows in grid.groups
        ],
        groups=list(starts),
    )


def _number(cell: tables.GridCell) -> list[PdfCell]:
    tone = "muted" if cell.side == "paper" or cell.value is None else ""
    return one(cell.text, bold=cell.stands_out, tone=tone, pad=phantom(cell.padding))


def _settings(grid: tables.Grid) -> PdfGrid:
    """A model in one column: what is printed, and ours under it where that differs."""
    return PdfGrid(
        columns=["name", *["text"] * len(grid.headings)],
        head=[[PdfCell(text=text) for text in (grid.corner, *(heading.text for heading in grid.headings))]],
        bodies=[
            PdfBody(group=name, rows=[[one(row.label), *(_setting(*cells) for cells in row.cells)] for row in rows]) for name, rows in grid.groups
        ],
    )


def _setting(printed: tables.GridCell, ours: tables.GridCell) -> list[PdfCell]:
    lines = one(f"{printed.text} {ours.sign}")
    return lines if ours.same else lines + one(ours.text, bold=ours.stands_out, mark=ours.mark)


def claims_table(claims: ClaimsDocument, numbers: dict[str, str]) -> PdfTable:
    """numbers: labels of tables and figures by id."""
    return PdfTable(
        id="claims-table",
        label="",
        caption="The paper's claims in our words, with the numbers that decide. Paper's own: what its numbers come to by the same rule.",
        grid=PdfGrid(
            columns=["code", "text", "text", "text"],
            head=[[PdfCell(text=name) for name in ("Verdict here", "Claim", "Numbers here", "Paper's own")]],
            bodies=[PdfBody(rows=[_claim(claim, numbers) for claim in claims.claims])],
        ),
    )


def _claim(claim: ClaimDocument, numbers: dict[str, str]) -> list[list[PdfCell]]:
    source = f"{claim.source}{f'. {claim.note}' if claim.note else ''} · tested by {', '.join(numbers.get(one, one) for one in claim.targets)}"
    here = [line for part in claim.parts for line in _part(part)]
    if claim.missing:
        here.append(PdfCell(text=f"Missing: {missing_words(claim)}.{f' {claim.command}' if claim.command else ''}", tone="muted"))
    own = (
        [PdfCell(text=f"{SIGNS[claim.paper_verdict]} {claim.paper_verdict}", tone=claim.paper_verdict)]
        if claim.paper_verdict
        else [PdfCell(text=ABSENT)]
    )
    own += [PdfCell(text=", ".join(number.published for number in paper_numbers(part)), tone="muted") for part in claim.parts if paper_numbers(part)]
    return [
        one(f"{SIGNS[claim.verdict]} {claim.verdict}", tone=claim.verdict, bold=True),
        [PdfCell(text=claim.sentence), PdfCell(text=source, tone="muted")],
        here,
        own,
    ]


def _part(part: ClaimPart) -> list[PdfCell]:
    numbers = ", ".join(f"{number.text} {number.name}" for number in telling_numbers(part)) or "not run"
    lines = [PdfCell(text=f"{SIGNS[part.verdict]} {part.header} {numbers}")]
    if part.difference is not None:
        lines.append(PdfCell(text=f"{part.quantity} {part.difference_text}, margin {part.margin_text}", tone="muted"))
    return lines


def progress_table(summary: Summary) -> PdfTable:
    rows = [
        [one(item.number, to=item.id), one(item.title), *(one(str(count)) for count in (item.done, item.wanted, item.beyond))]
        for item in summary.progress
    ]
    return _table("progress", "What was run: numbers that exist, of those that this preset can give, and those beyond it.",
                  ["code", "text", "number", "number", "number"], ["Target", "Title", "Numbers", "Of", "Beyond"], rows)  # fmt: skip


def quirks_table(quirks: list[Quirk]) -> PdfTable:
    rows = [
        [one(quirk.what), one(quirk.paper), one(quirk.code), [PdfCell(text=quirk.ours), *(one(quirk.option, tone="muted") if quirk.option else [])]]
        for quirk in quirks
    ]
    return _table("quirks-table", "Where paper and released code disagree or leave something open, which of them runs here, and its option.",
                  ["name", "text", "text", "text"], ["What", "Paper", "Code", "Here"], rows)  # fmt: skip


def costs_table(costs: Costs) -> PdfTable:
    def line(name: str, planned: float | None, of: CostRow | Spent, bold: bool) -> list[list[PdfCell]]:
        times = [time_text(seconds, costs.unit) for seconds in (planned, of.seconds, of.core_seconds)]
        return [one(text, bold=bold) for text in (name, *times, count_text(of.jobs), memory_text(of.peak_mib))]

    bodies = [
        PdfBody(rows=[line(row.name, row.planned_seconds, row, True), *(line(spent.stage, None, spent, False) for spent in row.measured)])
        for row in costs.rows
    ]
    head = ["Stage", *(f"{name} ({costs.unit})" for name in ("Planned", "Measured", "Processor")), "Jobs", "Peak memory"]
    grid = PdfGrid(columns=["code", *["number"] * 5], head=[[PdfCell(text=name) for name in head]], bodies=bodies)
    return PdfTable(id="cost-table", label="", caption="Planned before anything ran, and measured job by job.", grid=grid)


def runs_table(provenance: Provenance, preset: str) -> PdfTable:
    rows = [
        [one(run.run), one(f"{run.model}, {run.size}"), one(run.method), one(run.average), one(run.learning_rate), one(str(run.seed))]
        for run in provenance.trained
    ]
    return _table("runs", f"Runs as trained at preset {preset}: blocks and decays carried to this depth and to these steps.",
                  ["code", "text", "text", "number", "number", "number"],
                  ["Run", "Model, depth × width", "Method", "EMA decay a step", "Learning rate", "Seed"], rows)  # fmt: skip


def hashes_table(provenance: Provenance) -> PdfTable:
    """The score files by SHA-256; their receipts are on the page."""
    rows = []
    for file in provenance.scores:
        record = file.record
        texts = [record.run, milestone_text(record.milestone), record.sampler_name, count_text(record.count), file.sha256]
        rows.append([one(text) for text in texts])
    return _table("hashes", "Every score by the SHA-256 of its file. The page has a receipt for each: values, weights, samples, reference, sampler.",
                  ["code", "code", "code", "number", "code"], ["Run", "Milestone", "Sampler", "Samples", "SHA-256"], rows)  # fmt: skip


def commands_table(commands: list[Command]) -> PdfTable:
    rows = [[one(command.what), one(command.command), one(command.takes or ABSENT)] for command in commands]
    return _table("commands-table", "What to type in the root of the repository. What several items need is counted in each of them.",
                  ["text", "code", "text"], ["What", "Command", "Takes"], rows)  # fmt: skip


def _table(identity: str, caption: str, columns: list[str], head: list[str], rows: list[list[list[PdfCell]]]) -> PdfTable:
    grid = PdfGrid(columns=columns, head=[[PdfCell(text=name) for name in head]], bodies=[PdfBody(rows=rows)])
    return PdfTable(id=identity, label="", caption=caption, grid=grid)
