"""A table document as CSV (one line a cell, full precision), Markdown and LaTeX (booktabs)."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import accumulate, groupby, pairwise
from typing import NamedTuple

from sra.reporting.documents import Cell, DocumentRow, SettingCell, SettingLine, TableDocument
from sra.reporting.write.delimited import delimited
from sra.reporting.write.numbers import ABSENT, FIGURE_SPACE, MINUS, NARROW_SPACE, PUNCTUATION_SPACE, decimal_padding, one_line

TEX_LINES = 40  # of a tabular that shares a page with its caption and notes
SAME, DIFFERENT = "=", "\u2260"
AGREES = {True: " ≈", False: f" {DIFFERENT}"}  # after a difference


def to_csv(document: TableDocument) -> str:
    """Long form. Numbers have every digit of the score file; the paper's stay as printed. A missing number is empty, `status` says why."""
    records = {"settings": _setting_records, "costs": _cost_records, "scores": _score_records}[document.kind]
    return delimited(records(document))


def _score_records(document: TableDocument) -> Iterator[list[str | int]]:
    settings = [column.key for column in document.setting_columns]
    header = ["table", "preset", "group", "label", *settings, "run", "milestone", "sampler", "samples"]
    seeds = ["training_seeds", "training_sd", "sampling_seeds", "sampling_sd"]
    yield [*header, "metric", "published", "reproduced", *seeds, "difference", "agrees", "status", "source", "score_sha256"]
    for row in document.rows:
        of_row = [document.id, document.preset, row.group or "", row.label, *row.settings, row.run or ""]
        of_row += [row.score.milestone, row.score.sampler, row.score.samples]
        for cell in row.cells:
            printed = "" if cell.published_value is None else cell.published
            numbers = [printed, _digits(cell.value), *_seed_records(cell), _digits(cell.difference), YES[cell.agrees]]
            hashes = " ".join([row.score_sha256 or "", *row.seeds_sha256])
            yield [*of_row, cell.metric, *numbers, cell.status, cell.source or "", hashes]


YES = {True: "yes", False: "no", None: ""}


def _seed_records(cell: Cell) -> list[str | int]:
    """How many seeds of each kind stand behind a number, and their standard deviations."""
    if cell.value is None:
        return ["", "", "", ""]
    if cell.spread is None:
        return [1, "", 1, ""]
    return [cell.spread.training, _digits(cell.spread.training_sd), cell.spread.sampling, _digits(cell.spread.sampling_sd)]


def _digits(value: float | None) -> str:
    return "" if value is None else repr(value)


def _cost_records(document: TableDocument) -> Iterator[list[str]]:
    header = ["table", "preset", "group", "label", "run", "cost", "published", "published_unit", "reproduced", "unit", "difference"]
    yield [*header, "status", "source", "cost_sha256"]
    for row in document.rows:
        for column, cell in zip(document.columns, row.cells, strict=True):
            printed = "" if cell.published_value is None else cell.published
            numbers = [printed, column.published_unit, _digits(cell.value), column.unit, _digits(cell.difference)]
            of_row = [document.id, document.preset, row.group or "", row.label, row.run or ""]
            yield [*of_row, cell.metric, *numbers, cell.status, cell.source or "", row.cost_sha256 or ""]


def _setting_records(document: TableDocument) -> Iterator[list[str]]:
    reasons = {note.mark: note.text for note in document.notes if note.mark}
    yield ["table", "group", "setting", "label", "model", "run", "published", "ours", "same", "reason", "source"]
    for line in document.settings.lines:
        for model, cell in zip(document.settings.models, line.cells, strict=True):
            of_cell = [model.label, model.run, cell.published, cell.ours, "yes" if cell.same else "no", reasons.get(cell.mark, ""), cell.source]
            yield [document.id, line.group or "", line.setting, line.label, *of_cell]


class Shown(NamedTuple):
    """A column under a metric: its name, and of a cell the text, the number behind it, and whether it is the best."""

    name: str
    text: Callable[[Cell], str]
    value: Callable[[Cell], float | None]
    best: Callable[[Cell], bool]


PAPER = Shown("paper", lambda cell: cell.published, lambda cell: cell.published_value, lambda cell: cell.published_best)
OURS = Shown("ours", lambda cell: cell.text, lambda cell: cell.value, lambda cell: cell.best)
SD = Shown("±", lambda cell: cell.sd_text, lambda cell: cell.spread and cell.spread.training_sd, lambda cell: False)
SAMPLING_SD = Shown("± sampling", lambda cell: cell.sampling_sd_text, lambda cell: cell.spread and cell.spread.sampling_sd, lambda cell: False)
DIFFERENCE = Shown("Δ", lambda cell: f"{cell.difference_text}{AGREES.get(cell.agrees, '')}", lambda cell: cell.difference, lambda cell: False)


def shown_columns(document: TableDocument) -> list[list[Shown]]:
    """The columns under each metric: the spread where there are several seeds, the paper's where it prints the metric, a difference where the
    two are comparable.
    """
    found = []
    for metric in range(len(document.columns)):
        cells = [row.cells[metric] for row in document.rows]
        ours = [OURS, *(shown for shown in (SD, SAMPLING_SD) if any(shown.value(cell) is not None for cell in cells))]
        printed = any(cell.published_value is not None for cell in cells)
        found.append([*([PAPER] if printed else []), *ours, *([DIFFERENCE] if printed and document.comparable else [])])
    return found


def shown_cells(document: TableDocument, row: DocumentRow) -> list[tuple[Cell, Shown]]:
    """One row's cells, each once for every column that shows it."""
    return [(cell, shown) for cell, columns in zip(row.cells, shown_columns(document), strict=True) for shown in columns]


def grouped(document: TableDocument) -> list[tuple[str | None, list[DocumentRow]]]:
    """Neighbouring rows of one group together, in the paper's order."""
    return [(group, list(rows)) for group, rows in groupby(document.rows, key=lambda row: row.group)]


def grouped_settings(document: TableDocument) -> list[tuple[str | None, list[SettingLine]]]:
    """Neighbouring lines of one group together, in the paper's order."""
    return [(group, list(lines)) for group, lines in groupby(document.settings.lines, key=lambda line: line.group)]


def sign_of(cell: SettingCell) -> str:
    return SAME if cell.same else DIFFERENT


def legend_of(document: TableDocument) -> str:
    if document.settings:
        return f"{SAME}: ours says the same, numbers compared by value; {DIFFERENT}: it does not, for the reason in the note."
    if document.kind == "costs":
        return "Over baseline: what alignment adds to the same model's training without it; of the paper, inferred from the numbers that it prints."
    within = " within its group of rows" if document.best_of == "group" else ""
    agreement = f" Δ: ours {MINUS} paper; ≈ within the tolerance, {DIFFERENT} beyond it." if document.comparable else ""
    return f"Bold: best of its column{within}, paper and ours apart; equal prints are equally good.{agreement}"


def caption_of(document: TableDocument) -> str:
    """The caption after the table's number."""
    return f"{document.title} ({document.paper}). {document.conditions}"


def to_markdown(document: TableDocument) -> str:
    """A GitHub table. Groups become lines of their own with the group's name in bold."""
    lines = [f"**{markdown_text(document.number)}.** {markdown_text(caption_of(document))}", ""]
    if document.band:
        lines += [f"> {markdown_text(document.band)}", ""]
    lines += _markdown_settings(document) if document.settings else _markdown_scores(document)
    lines += ["", legend_of(document)]
    lines += [f"\n{_html_mark(note.mark)} {markdown_text(note.text)}".replace("\n ", "\n") for note in document.notes]
    return "\n".join(lines) + "\n"


def _markdown_scores(document: TableDocument) -> list[str]:
    headers = ["", *(column.label for column in document.setting_columns)]
    headers += [f"{column.header} {shown.name}" for column, under in zip(document.columns, shown_columns(document), strict=True) for shown in under]
    lines = _markdown_head(headers, 1 + len(document.setting_columns))
    for group, rows in grouped(document):
        lines += _markdown_group(group, len(headers))
        for row in rows:
            label = markdown_text(row.label) + _html_mark(row.mark)
            texts = [_bold_markdown(markdown_text(shown.text(cell)), shown.best(cell)) for cell, shown in shown_cells(document, row)]
            lines.append(_markdown_line([label, *map(markdown_text, row.settings), *texts]))
    return lines


def _markdown_settings(document: TableDocument) -> list[str]:
    headers = ["", *(f"{model.label} {side}" for model in document.settings.models for side in ("paper", "ours"))]
    lines = _markdown_head(headers, len(headers))
    for group, settings in grouped_settings(document):
        lines += _markdown_group(group, len(headers))
        for line in settings:
            texts = []
            for cell in line.cells:
                texts += [markdown_text(cell.published), f"{sign_of(cell)} {markdown_text(cell.ours)}{_html_mark(cell.mark)}"]
            lines.append(_markdown_line([markdown_text(line.label), *texts]))
    return lines


def _markdown_head(headers: list[str], numbers_from: int) -> list[str]:
    rules = ["---" if place < numbers_from else "---:" for place in range(len(headers))]
    return [_markdown_line([markdown_text(header) for header in headers]), _markdown_line(rules)]


def _markdown_group(group: str | None, width: int) -> list[str]:
    return [_markdown_line([f"**{markdown_text(group)}**", *[""] * (width - 1)])] if group else []


def _html_mark(mark: str) -> str:
    return f"<sup>{mark}</sup>" if mark else ""


def _markdown_line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _bold_markdown(text: str, bold: bool) -> str:
    return f"**{text}**" if bold else text


def markdown_text(text: str) -> str:
    """Literal text: nothing in it starts a tag, a link, emphasis or a new cell."""
    escaped = re.sub(r"([\\`*_\[\]|#~])", r"\\\1", one_line(text))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def to_tex(document: TableDocument) -> str:
    """A `table` environment in ASCII, and more that continue it where it is longer than a page, for a document that loads booktabs and graphicx."""
    band = f"{_tex(document.band)} " if document.band else ""
    lines = [f"% {one_line(document.number)}, preset {one_line(document.preset)}. Needs \\usepackage{{booktabs,graphicx}}."]
    parts = _tex_settings(document) if document.settings else _tex_scores(document)
    for index, part in enumerate(parts):
        caption = [f"\\caption{{{band}{_tex(caption_of(document))}}}"] if index == 0 else ["\\addtocounter{table}{-1}", "\\caption{Continued.}"]
        lines += ["\\begin{table}", "\\centering", *caption, *part]
        if part is parts[-1]:
            lines += ["", f"\\footnotesize {_tex(legend_of(document))}"]
            lines += [f"\n{_tex_mark(note.mark)}{_tex(note.text)}" for note in document.notes]
        lines.append("\\end{table}")
    return "\n".join(lines) + "\n"


def _tex_scores(document: TableDocument) -> list[list[str]]:
    """One tabular, or several of whole groups where the rows are more than a page holds."""
    texts = iter(_padded_columns(document))
    numbers = sum(map(len, shown_columns(document)))
    width = 1 + len(document.setting_columns) + numbers
    head = [f"\\begin{{tabular}}{{l{'l' * len(document.setting_columns)}{'r' * numbers}}}", "\\toprule", *_tex_head(document), "\\midrule"]
    parts: list[list[str]] = []
    for group, rows in grouped(document):
        lines = []
        for row in rows:
            label = _tex(row.label) + _tex_mark(row.mark)
            lines.append(" & ".join([label, *map(_tex, row.settings), *next(texts)]) + " \\\\")
        if not parts or len(parts[-1]) + len(lines) > TEX_LINES:
            parts.append([])
        parts[-1] += _tex_group(group, len(parts[-1]), width) + lines
    return [_tex_fitted([*head, *lines, "\\bottomrule", "\\end{tabular}"]) for lines in parts]


def _tex_settings(document: TableDocument) -> list[list[str]]:
    """Three models abreast, as many as a page is wide: what is printed, and ours after it where that differs."""
    parts = []
    for start in range(0, len(document.settings.models), 3):
        part = slice(start, start + 3)
        models = document.settings.models[part]
        block = [f"\\begin{{tabular}}{{l{'l' * len(models)}}}", "\\toprule"]
        block += [" & ".join(["", *(_tex(model.label) for model in models)]) + " \\\\", "\\midrule"]
        for index, (group, settings) in enumerate(grouped_settings(document)):
            block += _tex_group(group, index, 1 + len(models))
            block += [" & ".join([_tex(line.label), *map(_tex_setting, line.cells[part])]) + " \\\\" for line in settings]
        parts.append(["\\footnotesize", *_tex_fitted([*block, "\\bottomrule", "\\end{tabular}"])])
    return parts


def _tex_fitted(tabular: list[str]) -> list[str]:
    """Shrunk to the line where it is wider, never cut; as it is otherwise."""
    return ["\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%", *tabular[:-1], tabular[-1] + "}"]


def _tex_setting(cell: SettingCell) -> str:
    ours = f" {_tex(cell.ours)}" if not cell.same else ""
    return f"{_tex(cell.published)} {_tex(sign_of(cell))}{ours}{_tex_mark(cell.mark)}"


def _tex_group(group: str | None, index: int, width: int) -> list[str]:
    space = ["\\addlinespace"] if index else []
    return [*space, f"\\multicolumn{{{width}}}{{l}}{{\\emph{{{_tex(group)}}}}} \\\\"] if group else space


def _tex_mark(mark: str) -> str:
    return f"\\textsuperscript{{{mark}}}" if mark else ""


def _tex_head(document: TableDocument) -> list[str]:
    """Two head rows: the metrics over their columns, then the columns' names."""
    shown = shown_columns(document)
    before = 1 + len(document.setting_columns)
    ends = list(accumulate(map(len, shown), initial=before))
    spans = [f"\\multicolumn{{{len(under)}}}{{c}}{{{_tex(column.header)}}}" for column, under in zip(document.columns, shown, strict=True)]
    rules = [f"\\cmidrule(lr){{{start + 1}-{end}}}" for start, end in pairwise(ends)]
    names = [_tex(column.name) for under in shown for column in under]
    return [
        " & ".join([*[""] * before, *spans]) + " \\\\",
        "".join(rules),
        " & ".join(["", *(_tex(column.label) for column in document.setting_columns), *names]) + " \\\\",
    ]


def _padded_columns(document: TableDocument) -> list[list[str]]:
    """The numbers of each row, bold where best, with phantom digits that put the points of a column on one line."""
    columns = []
    for metric, under in enumerate(shown_columns(document)):
        cells = [row.cells[metric] for row in document.rows]
        for shown in under:
            texts = [shown.text(cell) for cell in cells]
            pads = decimal_padding(texts)
            columns.append([_bold_tex(_tex(t), shown.best(cell)) + _tex(pad) for t, cell, pad in zip(texts, cells, pads, strict=True)])
    return [list(line) for line in zip(*columns, strict=True)]


def _bold_tex(text: str, bold: bool) -> str:
    return f"\\textbf{{{text}}}" if bold else text


_TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", '"': r"{\char34}", "|": r"\textbar{}",
    "[": "{[}", "]": "{]}", "*": "{*}",  # after a line break these would be arguments of \\
    MINUS: "$-$", "→": r"$\rightarrow$", "↓": r"$\downarrow$", "↑": r"$\uparrow$", "λ": r"$\lambda$", "Δ": r"$\Delta$",
    "×": r"$\times$", "α": r"$\alpha$", "σ": r"$\sigma$",
    "∞": r"$\infty$", "≈": r"$\approx$", "·": r"$\cdot$", "…": r"\dots{}", "–": "--", "“": "``", "”": "''", "‘": "`", "’": "'",
    DIFFERENT: r"$\neq$", "≤": r"$\leq$", "≥": r"$\geq$", "±": r"$\pm$",
    "ß": r"\ss{}", "ø": r"\o{}", "Ø": r"\O{}", "ł": r"\l{}", "Ł": r"\L{}", "æ": r"\ae{}", "Æ": r"\AE{}",
    ABSENT: "---", NARROW_SPACE: r"\,", FIGURE_SPACE: r"\phantom{0}", PUNCTUATION_SPACE: r"\phantom{.}",
}  # fmt: skip
_TEX_ACCENTS = dict(zip("\u0300\u0301\u0302\u0303\u0308\u030a\u030c\u0327", "`'^~\"rvc", strict=True))


def _tex(text: str) -> str:
    return "".join(_TEX.get(character) or _tex_letter(character) for character in one_line(text))


def _tex_letter(character: str) -> str:
    """ASCII as it is and accents by LaTeX's own commands, so that every engine reads it; others as plain letters, or else by their code point."""
    if character.isascii():
        return character
    letter, *marks = unicodedata.normalize("NFD", character)
    if letter.isalpha() and letter.isascii() and len(marks) == 1 and marks[0] in _TEX_ACCENTS:
        return f"\\{_TEX_ACCENTS[marks[0]]}{{{letter}}}"
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return _tex(plain) if plain else f"U+{ord(character):04X}"
