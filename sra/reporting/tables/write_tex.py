"""A table as LaTeX in ASCII, with booktabs: `table` environments for a document that loads booktabs and graphicx."""

import unicodedata
from itertools import accumulate, pairwise

from sra.reporting.tables.cells import DIFFERENT, Grid, GridCell
from sra.reporting.tables.document import TableDocument
from sra.reporting.tables.grid import pages_of
from sra.reporting.write.numbers import ABSENT, FIGURE_SPACE, MINUS, NARROW_SPACE, PUNCTUATION_SPACE, one_line

LINES = 40  # of a tabular that shares a page with its caption and notes
ABREAST = 3  # models of a table of settings, as many as a page is wide


def to_tex(document: TableDocument) -> str:
    """The table as one `table` environment, and more that continue it where it is longer than a page or wider than one."""
    band = f"{_tex(document.band)} " if document.band else ""
    lines = [f"% {one_line(document.number)}, preset {one_line(document.preset)}. Needs \\usepackage{{booktabs,graphicx}}."]
    parts = [part for grid in pages_of(document) for part in (_of_numbers(grid) if grid.numeric else _of_settings(grid))]
    for index, part in enumerate(parts):
        caption = [f"\\caption{{{band}{_tex(document.full_caption)}}}"] if index == 0 else ["\\addtocounter{table}{-1}", "\\caption{Continued.}"]
        lines += ["\\begin{table}", "\\centering", *caption, *part]
        if part is parts[-1]:
            lines += ["", f"\\footnotesize {_tex(document.legend)}"]
            lines += [f"\n{_mark(note.mark)}{_tex(note.text)}" for note in document.notes]
        lines.append("\\end{table}")
    return "\n".join(lines) + "\n"


def _of_numbers(grid: Grid) -> list[list[str]]:
    """One tabular, or several of whole groups where the rows are more than a page holds."""
    parts: list[list[str]] = []
    for name, rows in grid.groups:
        lines = [_line([_tex(row.label) + _mark(row.mark), *map(_tex, row.settings), *map(_number, row)]) for row in rows]
        if not parts or len(parts[-1]) + len(lines) > LINES:
            parts.append([])
        parts[-1] += _group(name, bool(parts[-1]), grid.width) + lines
    words = 1 + len(grid.settings)
    return [_tabular("l" * words + "r" * (grid.width - words), _head(grid), lines) for lines in parts]


def _head(grid: Grid) -> list[str]:
    """Two head rows: the metrics over their columns, then the columns' names."""
    words = 1 + len(grid.settings)
    ends = list(accumulate((len(heading.names) for heading in grid.headings), initial=words))
    spans = [f"\\multicolumn{{{len(heading.names)}}}{{c}}{{{_tex(heading.text)}}}" for heading in grid.headings]
    rules = [f"\\cmidrule(lr){{{start + 1}-{end}}}" for start, end in pairwise(ends)]
    names = [_tex(name) for heading in grid.headings for name in heading.names]
    return [_line([*[""] * words, *spans]), "".join(rules), _line(["", *map(_tex, grid.settings), *names])]


def _of_settings(grid: Grid) -> list[list[str]]:
    """A few models abreast, each in one column: what is printed, and ours after it where that differs."""
    parts = []
    for start in range(0, len(grid.headings), ABREAST):
        part = slice(start, start + ABREAST)
        models = grid.headings[part]
        lines = []
        for name, rows in grid.groups:
            lines += _group(name, bool(lines), 1 + len(models))
            lines += [_line([_tex(row.label), *(_setting(*cells) for cells in row.cells[part])]) for row in rows]
        head = [_line(["", *(_tex(model.text) for model in models)])]
        parts.append(["\\footnotesize", *_tabular("l" * (1 + len(models)), head, lines)])
    return parts


def _tabular(columns: str, head: list[str], lines: list[str]) -> list[str]:
    """A tabular, shrunk to the line where it is wider, never cut; as it is otherwise."""
    fitted = "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%"
    return [fitted, f"\\begin{{tabular}}{{{columns}}}", "\\toprule", *head, "\\midrule", *lines, "\\bottomrule", "\\end{tabular}}"]


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + " \\\\"


def _group(name: str | None, follows: bool, width: int) -> list[str]:
    space = ["\\addlinespace"] if follows else []
    return [*space, _line([f"\\multicolumn{{{width}}}{{l}}{{\\emph{{{_tex(name)}}}}}"])] if name else space


def _number(cell: GridCell) -> str:
    """One number, bold where it is best, with digits that are not shown before the next column."""
    return (f"\\textbf{{{_tex(cell.text)}}}" if cell.best else _tex(cell.text)) + _tex(cell.padding)


def _setting(printed: GridCell, ours: GridCell) -> str:
    return f"{_tex(printed.text)} {_tex(ours.sign if ours.same else ours.signed_text)}{_mark(ours.mark)}"


def _mark(mark: str) -> str:
    return f"\\textsuperscript{{{mark}}}" if mark else ""


_TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", '"': r"{\char34}", "|": r"\textbar{}",
    "[": "{[}", "]": "{]}", "*": "{*}",  # after a line break these would be arguments of \\
    MINUS: "$-$", "→": r"$\rightarrow$", "↓": r"$\downarrow$", "↑": r"$\uparrow$", "λ": r"$\lambda$", "Δ": r"$\Delta$",
    "✓": "+", "✗": "$-$", "○": r"$\circ$", "¼": "1/4", "½": "1/2", "×": r"$\times$", "α": r"$\alpha$", "σ": r"$\sigma$",
    "∞": r"$\infty$", "≈": r"$\approx$", "·": r"$\cdot$", "…": r"\dots{}", "–": "--", "“": "``", "”": "''", "‘": "`", "’": "'",
    DIFFERENT: r"$\neq$", "≤": r"$\leq$", "≥": r"$\geq$", "±": r"$\pm$",
    "ß": r"\ss{}", "ø": r"\o{}", "Ø": r"\O{}", "ł": r"\l{}", "Ł": r"\L{}", "æ": r"\ae{}", "Æ": r"\AE{}",
    ABSENT: "---", NARROW_SPACE: r"\,", FIGURE_SPACE: r"\phantom{0}", PUNCTUATION_SPACE: r"\phantom{.}",
}  # fmt: skip
_TEX_ACCENTS = dict(zip("\u0300\u0301\u0302\u0303\u0308\u030a\u030c\u0327", "`'^~\"rvc", strict=True))


def _tex(text: str) -> str:
    return "".join(_TEX.get(character) or _tex_letter(character) for character in one_line(text))


def _tex_letter(character: str) -> str:
    """One letter in ASCII, which every engine reads: accents by LaTeX's own commands, others as plain letters, or else by their code point."""
    if character.isascii():
        return character
    letter, *marks = unicodedata.normalize("NFD", character)
    if letter.isalpha() and letter.isascii() and len(marks) == 1 and marks[0] in _TEX_ACCENTS:
        return f"\\{_TEX_ACCENTS[marks[0]]}{{{letter}}}"
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return _tex(plain) if plain else f"U+{ord(character):04X}"
