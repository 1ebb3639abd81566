"""Tables of the report as grids for the PDF: scores, settings, claims, quirks, costs, runs, hashes and commands."""

from collections.abc import Callable
from itertools import accumulate

from sra.reporting.claims.formats import BY_PRINTED, SIGNS, missing_words, paper_numbers, telling_numbers
from sra.reporting.claims.verdicts import ClaimDocument, ClaimPart, ClaimsDocument, PrintedVerdict, Verdict
from sra.reporting.report.document import (
    Command,
    CostRow,
    Costs,
    Method,
    MethodInModel,
    Methods,
    Provenance,
    Quirk,
    Spent,
    Summary,
    TableItem,
)
from sra.reporting.report.pdf_grid import Item, PdfBody, PdfCell, PdfGrid, PdfTable, lines_of, phantom, simple_table
from sra.reporting.report.spending import memory_text, time_text
from sra.reporting.tables import cells as tables
from sra.reporting.tables.grid import pages_of
from sra.reporting.write.numbers import ABSENT, added_text, count_text, milestone_text, size_text


def paper_tables(item: TableItem) -> list[PdfTable]:
    """One of the paper's tables, or one beside them, with what continues it where it is wider than a page."""
    table = item.document
    first, *others = (_numbers(grid) if grid.numeric else _settings(grid) for grid in pages_of(table))
    caption = f"{table.full_caption} {table.legend}"
    whole = PdfTable(id=table.id, label=table.number, caption=caption, grid=first, notes=table.notes, cites=item.cites)
    continued = f"{table.number}, continued"
    return [whole, *(PdfTable(id=f"{table.id}-{number}", label=continued, caption="", grid=grid) for number, grid in enumerate(others, 2))]


def _numbers(grid: tables.Grid) -> PdfGrid:
    words = 1 + len(grid.settings)
    upper = [PdfCell(text=text, rows=2) for text in ("", *grid.settings)]
    upper += [PdfCell(text=heading.text, span=len(heading.names)) for heading in grid.headings]
    return PdfGrid(
        columns=["name", *["text"] * (words - 1), *["number"] * (grid.width - words)],
        head=[upper, [PdfCell(text=name) for heading in grid.headings for name in heading.names]],
        bodies=[
            PdfBody(group=name, rows=[lines_of([PdfCell(text=row.label, mark=row.mark), *row.settings, *map(_number, row)]) for row in rows])
            for name, rows in grid.groups
        ],
        groups=list(accumulate((len(heading.names) for heading in grid.headings[:-1]), initial=words)),
    )


def _number(cell: tables.GridCell) -> PdfCell:
    tone = "muted" if cell.side == "paper" or cell.value is None else ""
    return PdfCell(text=cell.text, bold=cell.stands_out, tone=tone, pad=phantom(cell.padding))


def _settings(grid: tables.Grid) -> PdfGrid:
    """A model in one column: what is printed, and ours under it where that differs."""
    return PdfGrid(
        columns=["name", *["text"] * len(grid.headings)],
        head=[[PdfCell(text=text) for text in (grid.corner, *(heading.text for heading in grid.headings))]],
        bodies=[
            PdfBody(group=name, rows=[lines_of([row.label, *(_setting(*cells) for cells in row.cells)]) for row in rows])
            for name, rows in grid.groups
        ],
    )


def _setting(printed: tables.GridCell, ours: tables.GridCell) -> list[PdfCell]:
    lines = [PdfCell(text=f"{printed.text} {ours.sign}")]
    return lines if ours.same else [*lines, PdfCell(text=ours.text, bold=ours.stands_out, mark=ours.mark)]


def claims_table(claims: ClaimsDocument, numbers: dict[str, str]) -> PdfTable:
    """The claims with the numbers that decide. numbers: labels of tables and figures by id."""
    caption = f"The paper's claims in our words, with the numbers that decide. {BY_PRINTED}: one number each, judged by a margin."
    columns = {"Verdict here": "text", "Claim": "text", "Numbers here": "text", BY_PRINTED: "text"}
    return simple_table("claims-table", caption, columns, [_claim(claim, numbers) for claim in claims.claims])


def _claim(claim: ClaimDocument, numbers: dict[str, str]) -> list[Item]:
    source = f"{claim.source}{f'. {claim.note}' if claim.note else ''} · tested by {', '.join(numbers.get(one, one) for one in claim.targets)}"
    here = [line for part in claim.parts for line in _part(part)]
    if claim.missing:
        here.append(_muted(f"Missing: {missing_words(claim)}.{f' {claim.command}' if claim.command else ''}"))
    own = [_verdict(claim.paper_verdict, claim.paper_verdict) if claim.paper_verdict else PdfCell(text=ABSENT)]
    own += [_muted(", ".join(number.published for number in paper_numbers(part))) for part in claim.parts if paper_numbers(part)]
    return [_verdict(claim.verdict, claim.words, bold=True), [PdfCell(text=claim.sentence), _muted(source)], here, own]


def _verdict(verdict: Verdict | PrintedVerdict, words: str, bold: bool = False) -> PdfCell:
    return PdfCell(text=f"{SIGNS[verdict]} {words}", tone=verdict, bold=bold)


def _muted(text: str) -> PdfCell:
    return PdfCell(text=text, tone="muted")


def _part(part: ClaimPart) -> list[PdfCell]:
    numbers = ", ".join(f"{number.text} {number.name}" for number in telling_numbers(part)) or "not run"
    lines = [PdfCell(text=f"{SIGNS[part.verdict]} {part.header} {numbers}")]
    return [*lines, _muted(part.decisive.text)] if part.decisive else lines


def progress_table(summary: Summary) -> PdfTable:
    caption = "What was run: numbers that exist, of those that this preset can give, and those beyond it."
    columns = {"Target": "code", "Title": "text", "Numbers": "number", "Of": "number", "Beyond": "number"}
    rows = [
        [PdfCell(text=item.number, to=item.id), item.title, *(str(count) for count in (item.done, item.wanted, item.beyond))]
        for item in summary.progress
    ]
    return simple_table("progress", caption, columns, rows)


def methods_table(methods: Methods) -> PdfTable:
    """Each method by its options; a second line in a cell is of this preset's model."""
    columns = {"Method": "text", "Blocks": "text", "Parameters trained": "number", "kept": "number"}
    columns |= {"FLOPs, stored": "number", "in the step": "number", "Encoder": "text", "Paper and code": "text"}
    found = simple_table("methods-table", f"{methods.caption} {methods.together}", columns, [_method(method) for method in methods.methods])
    return found.model_copy(update={"cites": sorted({number for method in methods.methods for number in method.cites})})


def _method(method: Method) -> list[Item]:
    def lines(text: Callable[[MethodInModel], str]) -> list[PdfCell]:
        here = [_muted(text(method.here))] if method.here and text(method.here) not in ("", "0", "0 %", ABSENT) else []
        return [PdfCell(text=text(method.paper) or ABSENT), *here]

    code = [_muted(f"{method.code} at {method.commit}, {method.licence or 'no licence'}")] if method.code else []
    return [
        [PdfCell(text=method.name), _muted(method.signal), _muted(f"{method.method}: {method.trains}")],
        lines(lambda of: of.blocks),
        lines(lambda of: size_text(of.parameters)),
        lines(lambda of: size_text(of.kept)),
        lines(lambda of: added_text(of.stored)),
        lines(lambda of: added_text(of.in_step)),
        [PdfCell(text=method.encoder), _muted(method.when_encoded)] if method.encoder else "none",
        [PdfCell(text=f"arXiv {method.arxiv}"), *code, PdfCell(text=method.checked, tone="not run" if method.unchecked else "supported")],
    ]


def quirks_table(quirks: list[Quirk]) -> PdfTable:
    caption = "Where paper and released code disagree or leave something open, which of them runs here, and its option."
    columns = {"What": "name", "Paper": "text", "Code": "text", "Here": "text"}
    rows = [[quirk.what, quirk.paper, quirk.code, [PdfCell(text=quirk.ours), *([_muted(quirk.option)] if quirk.option else [])]] for quirk in quirks]
    return simple_table("quirks-table", caption, columns, rows)


def costs_table(costs: Costs) -> PdfTable:
    def line(name: str, planned: float | None, of: CostRow | Spent, bold: bool) -> list[Item]:
        times = [time_text(seconds, costs.unit) for seconds in (planned, of.seconds, of.core_seconds)]
        return [PdfCell(text=text, bold=bold) for text in (name, *times, count_text(of.jobs), memory_text(of.peak_mib))]

    timed = dict.fromkeys((f"{name} ({costs.unit})" for name in ("Planned", "Measured", "Processor")), "number")
    bodies = [[line(row.name, row.planned_seconds, row, True), *(line(one.stage, None, one, False) for one in row.measured)] for row in costs.rows]
    columns = {"Stage": "code", **timed, "Jobs": "number", "Peak memory": "number"}
    return simple_table("cost-table", "Planned before anything ran, and measured job by job.", columns, *bodies)


def runs_table(provenance: Provenance, preset: str) -> PdfTable:
    caption = f"Runs as trained at preset {preset}: blocks and decays carried to this depth and to these steps."
    columns = {"Run": "code", "Model, depth × width": "text", "Method": "text"}
    columns |= {"EMA decay a step": "number", "Learning rate": "number", "Seed": "number"}
    rows = [[run.run, f"{run.model}, {run.size}", run.method, run.average, run.learning_rate, str(run.seed)] for run in provenance.trained]
    return simple_table("runs", caption, columns, rows)


def hashes_table(provenance: Provenance) -> PdfTable:
    """The score files by SHA-256; their receipts are on the page."""
    caption = "Every score by the SHA-256 of its file. The page has a receipt for each: values, weights, samples, reference, sampler."
    columns = {"Run": "code", "Milestone": "code", "Sampler": "code", "Samples": "number", "SHA-256": "code"}
    rows = [
        [file.record.run, milestone_text(file.record.milestone), file.record.sampler_name, count_text(file.record.count), file.sha256]
        for file in provenance.scores
    ]
    return simple_table("hashes", caption, columns, rows)


def commands_table(commands: list[Command]) -> PdfTable:
    caption = "What to type in the root of the repository. What several items need is counted in each of them."
    rows = [[command.what, command.command, command.takes or ABSENT] for command in commands]
    return simple_table("commands-table", caption, {"What": "text", "Command": "code", "Takes": "text"}, rows)
