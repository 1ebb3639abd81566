"""A table in Markdown, as GitHub shows it. A group becomes a line of its own with the group's name in bold."""

import re
from collections.abc import Iterable

from sra.reporting.tables.cells import GridCell
from sra.reporting.tables.document import TableDocument
from sra.reporting.tables.grid import grid_of
from sra.reporting.write.numbers import one_line


def to_markdown(document: TableDocument) -> str:
    grid = grid_of(document)
    headers = ["", *grid.settings, *(f"{heading.text} {name}" for heading in grid.headings for name in heading.names)]
    words = 1 + len(grid.settings) if grid.numeric else grid.width
    lines = [f"**{markdown_text(document.number)}.** {markdown_text(document.full_caption)}", ""]
    lines += [f"> {markdown_text(document.band)}", ""] if document.band else []
    lines += [_line(map(markdown_text, headers)), _line(["---"] * words + ["---:"] * (grid.width - words))]
    for name, rows in grid.groups:
        if name:
            lines.append(_line([f"**{markdown_text(name)}**", *[""] * (grid.width - 1)]))
        lines += [_line([markdown_text(row.label) + _mark(row.mark), *map(markdown_text, row.settings), *map(_cell, row)]) for row in rows]
    lines += ["", document.legend]
    lines += [f"\n{_mark(note.mark)} {markdown_text(note.text)}".replace("\n ", "\n") for note in document.notes]
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: GridCell) -> str:
    text = markdown_text(cell.signed_text) + _mark(cell.mark)
    return f"**{text}**" if cell.best else text


def _mark(mark: str) -> str:
    return f"<sup>{mark}</sup>" if mark else ""


def markdown_text(text: str) -> str:
    """The text as it is: nothing in it starts a tag, a link, emphasis or a new cell."""
    escaped = re.sub(r"([\\`*_\[\]|#~])", r"\\\1", one_line(text))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
