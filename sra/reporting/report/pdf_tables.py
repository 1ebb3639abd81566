"""Tables of the report as grids for the PDF: scores, settings, claims, quirks, costs, runs, hashes and commands."""

from sra.reporting.claims.formats import SIGNS, missing_words, paper_numbers, telling_numbers
from sra.reporting.claims.verdicts import ClaimDocument, ClaimPart, ClaimsDocument
from sra.reporting.documents import TableDocument
from sra.reporting.report.document import Command, CostRow, Costs, Provenance, Quirk, Spent, Summary, TableItem
from sra.reporting.report.pdf_grid import Grid, GridBody, GridCell, GridNote, GridTable, cell, one, phantom, plain
from sra.reporting.report.spending import memory_text, time_text
from sra.reporting.tables.formats import caption_of, grouped, grouped_settings, legend_of, shown_columns, sign_of
from sra.reporting.tables.html import paddings
from sra.reporting.write.numbers import ABSENT, count_text, milestone_text


def paper_table(item: TableItem) -> GridTable:
    """One of the paper's tables, or one beside them."""
    table = item.document
    return GridTable(
        id=table.id,
        label=plain(table.number),
        caption=plain(f"{caption_of(table)} {legend_of(table)}"),
        grid=_settings(table) if table.settings else _scores(table),
        notes=[GridNote(mark=note.mark, text=plain(note.text)) for note in table.notes],
        cites=item.cites,
    )


def _scores(table: TableDocument) -> Grid:
    shown, pads = shown_columns(table), paddings(table)
    settings = [column.label for column in table.setting_columns]
    first = 1 + len(settings)
    groups = [first + sum(map(len, shown[:metric])) for metric in range(len(shown))]
    upper = [cell(text, rows=2) for text in ("", *settings)]
    upper += [cell(column.header, span=len(under)) for column, under in zip(table.columns, shown, strict=True)]
    lower = [cell(column.name) for under in shown for column in under]
    bodies, place = [], 0
    for group, rows in grouped(table):
        lines = []
        for row in rows:
            line = [one(row.label, mark=row.mark), *(one(setting) for setting in row.settings)]
            for metric, under in enumerate(shown):
                for column, pad in zip(under, pads[metric], strict=True):
                    value = row.cells[metric]
                    tone = "muted" if column.name == "paper" or column.value(value) is None else ""
                    line.append(one(column.text(value), bold=column.best(value), tone=tone, pad=phantom(pad[place])))
            lines.append(line)
            place += 1
        bodies.append(GridBody(group=group and plain(group), rows=lines))
    columns = ["name", *["text"] * len(settings), *["number"] * sum(map(len, shown))]
    return Grid(columns=columns, head=[upper, lower], bodies=bodies, groups=groups)


def _settings(table: TableDocument) -> Grid:
    """What is printed, and ours after it where that differs."""
    bodies = [
        GridBody(
            group=group and plain(group),
            rows=[
                [
                    one(line.label),
                    *(
                        [
                            cell(f"{of.published} {sign_of(of)}"),
                            *([] if of.same else one(of.ours, bold=True, mark=of.mark)),
                        ]
                        for of in line.cells
                    ),
                ]
                for line in lines
            ],
        )
        for group, lines in grouped_settings(table)
    ]
    models = table.settings.models
    return Grid(columns=["name", *["text"] * len(models)], head=[[cell("Setting"), *(cell(model.label) for model in models)]], bodies=bodies)


def claims_table(claims: ClaimsDocument, numbers: dict[str, str]) -> GridTable:
    """numbers: labels of tables and figures by id."""
    return GridTable(
        id="claims-table",
        label="",
        caption="The paper's claims in our words, with the numbers that decide. Paper's own: what its numbers come to by the same rule.",
        grid=Grid(
            columns=["code", "text", "text", "text"],
            head=[[cell(name) for name in ("Verdict here", "Claim", "Numbers here", "Paper's own")]],
            bodies=[GridBody(rows=[_claim(claim, numbers) for claim in claims.claims])],
        ),
    )


def _claim(claim: ClaimDocument, numbers: dict[str, str]) -> list[list[GridCell]]:
    source = f"{claim.source}{f'. {claim.note}' if claim.note else ''} · tested by {', '.join(numbers.get(one, one) for one in claim.targets)}"
    here = [line for part in claim.parts for line in _part(part)]
    if claim.missing:
        here.append(cell(f"Missing: {missing_words(claim)}.{f' {claim.command}' if claim.command else ''}", tone="muted"))
    own = [cell(f"{SIGNS[claim.paper_verdict]} {claim.paper_verdict}", tone=claim.paper_verdict)] if claim.paper_verdict else [cell(ABSENT)]
    own += [cell(", ".join(number.published for number in paper_numbers(part)), tone="muted") for part in claim.parts if paper_numbers(part)]
    return [
        one(f"{SIGNS[claim.verdict]} {claim.verdict}", tone=claim.verdict, bold=True),
        [cell(claim.sentence), cell(source, tone="muted")],
        here,
        own,
    ]


def _part(part: ClaimPart) -> list[GridCell]:
    numbers = ", ".join(f"{number.text} {number.name}" for number in telling_numbers(part)) or "not run"
    lines = [cell(f"{SIGNS[part.verdict]} {part.header} {numbers}")]
    if part.difference is not None:
        lines.append(cell(f"{part.quantity} {part.difference_text}, margin {part.margin_text}", tone="muted"))
    return lines


def progress_table(summary: Summary) -> GridTable:
    rows = [
        [one(item.number, to=item.id), one(item.title), *(one(str(count)) for count in (item.done, item.wanted, item.beyond))]
        for item in summary.progress
    ]
    return _table("progress", "What was run: numbers that exist, of those that this preset can give, and those beyond it.",
                  ["code", "text", "number", "number", "number"], ["Target", "Title", "Numbers", "Of", "Beyond"], rows)  # fmt: skip


def quirks_table(quirks: list[Quirk]) -> GridTable:
    rows = [
        [one(quirk.what), one(quirk.paper), one(quirk.code), [cell(quirk.ours), *(one(quirk.option, tone="muted") if quirk.option else [])]]
        for quirk in quirks
    ]
    return _table("quirks-table", "Where paper and released code disagree or leave something open, which of them runs here, and its option.",
                  ["name", "text", "text", "text"], ["What", "Paper", "Code", "Here"], rows)  # fmt: skip


def costs_table(costs: Costs) -> GridTable:
    def line(name: str, planned: float | None, of: CostRow | Spent, bold: bool) -> list[list[GridCell]]:
        times = [time_text(seconds, costs.unit) for seconds in (planned, of.seconds, of.core_seconds)]
        return [one(text, bold=bold) for text in (name, *times, count_text(of.jobs), memory_text(of.peak_mib))]

    bodies = [
        GridBody(rows=[line(row.name, row.planned_seconds, row, True), *(line(spent.stage, None, spent, False) for spent in row.measured)])
        for row in costs.rows
    ]
    head = ["Stage", *(f"{name} ({costs.unit})" for name in ("Planned", "Measured", "Processor")), "Jobs", "Peak memory"]
    grid = Grid(columns=["code", *["number"] * 5], head=[[cell(name) for name in head]], bodies=bodies)
    return GridTable(id="cost-table", label="", caption="Planned before anything ran, and measured job by job.", grid=grid)


def runs_table(provenance: Provenance, preset: str) -> GridTable:
    rows = [
        [one(run.run), one(f"{run.model}, {run.size}"), one(run.method), one(run.average), one(run.learning_rate), one(str(run.seed))]
        for run in provenance.trained
    ]
    return _table("runs", f"Runs as trained at preset {preset}: blocks and decays carried to this depth and to these steps.",
                  ["code", "text", "text", "number", "number", "number"],
                  ["Run", "Model, depth × width", "Method", "EMA decay a step", "Learning rate", "Seed"], rows)  # fmt: skip


def hashes_table(provenance: Provenance) -> GridTable:
    """The score files by SHA-256; their receipts are on the page."""
    rows = []
    for file in provenance.scores:
        record = file.record
        texts = [record.run, milestone_text(record.milestone), record.sampler_name, count_text(record.count), file.sha256]
        rows.append([one(text) for text in texts])
    return _table("hashes", "Every score by the SHA-256 of its file. The page has a receipt for each: values, weights, samples, reference, sampler.",
                  ["code", "code", "code", "number", "code"], ["Run", "Milestone", "Sampler", "Samples", "SHA-256"], rows)  # fmt: skip


def commands_table(commands: list[Command]) -> GridTable:
    rows = [[one(command.what), one(command.command), one(command.takes or ABSENT)] for command in commands]
    return _table("commands-table", "What to type in the root of the repository. What several items need is counted in each of them.",
                  ["text", "code", "text"], ["What", "Command", "Takes"], rows)  # fmt: skip


def _table(identity: str, caption: str, columns: list[str], head: list[str], rows: list[list[list[GridCell]]]) -> GridTable:
    grid = Grid(columns=columns, head=[[cell(name) for name in head]], bodies=[GridBody(rows=rows)])
    return GridTable(id=identity, label="", caption=plain(caption), grid=grid)
