"""A table document as CSV (one line a cell, full precision), Markdown and LaTeX (booktabs)."""

import csv
import io
import re
import unicodedata
from collections.abc import Callable
from itertools import groupby

from sra.reporting.documents import Cell, DocumentRow, TableDocument
from sra.reporting.numbers import ABSENT, FIGURE_SPACE, MINUS, NARROW_SPACE, PUNCTUATION_SPACE, decimal_padding

LEGEND = "Bold: best of its column, paper and ours apart; equal prints are equally good."


def to_csv(document: TableDocument) -> str:
    """Long form. Numbers have every digit of the score file; the paper's stay as printed. A missing number is empty, `status` says why."""
    settings = [column.key for column in document.setting_columns]
    header = ["table", "preset", "group", "label", *settings, "run", "milestone", "sampler", "samples"]
    header += ["metric", "published", "reproduced", "difference", "status", "source", "score_sha256"]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    for row in document.rows:
        of_row = [document.id, document.preset, row.group or "", row.label, *row.settings, row.run or ""]
        of_row += [row.score.milestone, row.score.sampler, row.score.samples]
        for cell in row.cells:
            printed = "" if cell.published_value is None else cell.published
            numbers = [printed, *("" if value is None else repr(value) for value in (cell.value, cell.difference))]
            writer.writerow([*of_row, cell.metric, *numbers, cell.status, cell.source or "", row.score_sha256 or ""])
    return file.getvalue()


def shown_columns(document: TableDocument) -> list[tuple[str, Callable[[Cell], str], Callable[[Cell], bool]]]:
    """The columns under each metric: name, text and whether it is best. A difference exists only where numbers are comparable."""
    columns = [("paper", lambda cell: cell.published, lambda cell: cell.published_best), ("ours", lambda cell: cell.text, lambda cell: cell.best)]
    if document.comparable:
        columns.append(("Δ", lambda cell: cell.difference_text, lambda cell: False))
    return columns


def grouped(document: TableDocument) -> list[tuple[str | None, list[DocumentRow]]]:
    """Neighbouring rows of one group together, in the paper's order."""
    return [(group, list(rows)) for group, rows in groupby(document.rows, key=lambda row: row.group)]


def caption_of(document: TableDocument) -> str:
    """The caption after the table's number."""
    return f"{document.title} ({document.paper}). {document.conditions}"


def to_markdown(document: TableDocument) -> str:
    """A GitHub table. Groups become lines of their own with the group's name in bold."""
    headers = ["", *(column.label for column in document.setting_columns)]
    headers += [f"{column.header} {name}" for column in document.columns for name, _, _ in shown_columns(document)]
    numbers_from = 1 + len(document.setting_columns)
    lines = [f"**{_markdown(document.number)}.** {_markdown(caption_of(document))}", ""]
    if document.band:
        lines += [f"> {_markdown(document.band)}", ""]
    lines.append(_markdown_line([_markdown(header) for header in headers]))
    lines.append(_markdown_line(["---" if place < numbers_from else "---:" for place in range(len(headers))]))
    for group, rows in grouped(document):
        if group:
            lines.append(_markdown_line([f"**{_markdown(group)}**", *[""] * (len(headers) - 1)]))
        for row in rows:
            label = _markdown(row.label) + _html_mark(row.mark)
            texts = [_bold_markdown(_markdown(text(cell)), best(cell)) for cell in row.cells for _, text, best in shown_columns(document)]
            lines.append(_markdown_line([label, *map(_markdown, row.settings), *texts]))
    lines += ["", LEGEND]
    lines += [f"\n{_html_mark(note.mark)} {_markdown(note.text)}".replace("\n ", "\n") for note in document.notes]
    return "\n".join(lines) + "\n"


def _html_mark(mark: str) -> str:
    return f"<sup>{mark}</sup>" if mark else ""


def _markdown_line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _bold_markdown(text: str, bold: bool) -> str:
    return f"**{text}**" if bold else text


def _markdown(text: str) -> str:
    """Literal text: nothing in it starts a tag, a link, emphasis or a new cell."""
    escaped = re.sub(r"([\\`*_\[\]|#~])", r"\\\1", _one_line(text))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def to_tex(document: TableDocument) -> str:
    """A `table` environment for a document that loads booktabs (and inputenc utf8 on old engines)."""
    shown = shown_columns(document)
    texts = _padded_columns(document)
    width = 1 + len(document.setting_columns) + len(document.columns) * len(shown)
    band = f"{_tex(document.band)} " if document.band else ""
    lines = [
        f"% {_one_line(document.number)}, preset {_one_line(document.preset)}. Needs \\usepackage{{booktabs}}.",
        "\\begin{table}",
        "\\centering",
        f"\\caption{{{band}{_tex(caption_of(document))}}}",
        f"\\begin{{tabular}}{{l{'l' * len(document.setting_columns)}{'r' * (len(document.columns) * len(shown))}}}",
        "\\toprule",
        *_tex_head(document, len(shown)),
        "\\midrule",
    ]
    place = 0
    for index, (group, rows) in enumerate(grouped(document)):
        if index:
            lines.append("\\addlinespace")
        if group:
            lines.append(f"\\multicolumn{{{width}}}{{l}}{{\\emph{{{_tex(group)}}}}} \\\\")
        for row in rows:
            label = _tex(row.label) + _tex_mark(row.mark)
            lines.append(" & ".join([label, *map(_tex, row.settings), *texts[place]]) + " \\\\")
            place += 1
    lines += ["\\bottomrule", "\\end{tabular}", "", f"\\footnotesize {_tex(LEGEND)}"]
    lines += [f"\n{_tex_mark(note.mark)}{_tex(note.text)}" for note in document.notes]
    return "\n".join([*lines, "\\end{table}"]) + "\n"


def _tex_mark(mark: str) -> str:
    return f"\\textsuperscript{{{mark}}}" if mark else ""


def _tex_head(document: TableDocument, shown: int) -> list[str]:
    """Two head rows: the metrics over their columns, then the columns' names."""
    before = 1 + len(document.setting_columns)
    spans = [f"\\multicolumn{{{shown}}}{{c}}{{{_tex(column.header)}}}" for column in document.columns]
    rules = [f"\\cmidrule(lr){{{before + 1 + index * shown}-{before + (index + 1) * shown}}}" for index in range(len(document.columns))]
    names = [_tex(name) for _ in document.columns for name, _, _ in shown_columns(document)]
    return [
        " & ".join([*[""] * before, *spans]) + " \\\\",
        "".join(rules),
        " & ".join(["", *(_tex(column.label) for column in document.setting_columns), *names]) + " \\\\",
    ]


def _padded_columns(document: TableDocument) -> list[list[str]]:
    """The numbers of each row, bold where best, with phantom digits that put the points of a column on one line."""
    shown = shown_columns(document)
    columns = []
    for metric in range(len(document.columns)):
        for _, text, best in shown:
            cells = [row.cells[metric] for row in document.rows]
            texts = [text(cell) for cell in cells]
            pads = decimal_padding(texts)
            columns.append([_bold_tex(_tex(t), best(cell)) + _tex(pad) for t, cell, pad in zip(texts, cells, pads, strict=True)])
    return [list(line) for line in zip(*columns, strict=True)]


def _bold_tex(text: str, bold: bool) -> str:
    return f"\\textbf{{{text}}}" if bold else text


_TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", '"': r"\textquotedbl{}", "|": r"\textbar{}",
    "[": "{[}", "]": "{]}", "*": "{*}",  # after a line break these would be arguments of \\
    MINUS: "$-$", "→": r"$\rightarrow$", "↓": r"$\downarrow$", "↑": r"$\uparrow$", "λ": r"$\lambda$", "Δ": r"$\Delta$",
    "×": r"$\times$",
    "≤": r"$\leq$", "≥": r"$\geq$", "±": r"$\pm$",
    ABSENT: "---", NARROW_SPACE: r"\,", FIGURE_SPACE: r"\phantom{0}", PUNCTUATION_SPACE: r"\phantom{.}",
}  # fmt: skip


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in _one_line(text))


def _one_line(text: str) -> str:
    """Line breaks and tabs become spaces; control and direction marks, which could end a comment or reorder a row, go."""
    spaced = re.sub(r"[\n\r\t\u2028\u2029]+", " ", text)
    return "".join(character for character in spaced if unicodedata.category(character) not in ("Cc", "Cf"))
