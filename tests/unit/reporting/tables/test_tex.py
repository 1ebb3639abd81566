"""Every table as LaTeX: its grammar always, and a real document wherever a TeX is found."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from score_files import write_score_file
from study_documents import ROWS, made_study

from sra.content.catalogue import Catalogue
from sra.content.required import required_by_table
from sra.core.files import read_json
from sra.reporting.documents import TableDocument
from sra.reporting.rendering import render_table
from sra.reporting.tables.document import Note
from sra.reporting.tables.write_tex import to_tex
from sra.spec.layout import Results

ENGINES = ("pdflatex", "lualatex", "xelatex", "tectonic")
SPECIAL = "# $ % & _ { } ~ ^ \\ < > ↑ ↓ − ± ∞ \" ' | [x] *y* é Ł “q” … 中 ] \\end{tabular} \\\\ -- "
WORDS = {
    "encoder",
    "family",
    "note",
    "protocol",
    "title",
    "paper",
    "label",
    "group",
    "conditions",
    "header",
    "text",
    "published",
    "ours",
    "reason",
    "difference_text",
}  # of others
COMMANDS = set(
    """begin end centering caption addtocounter footnotesize toprule midrule bottomrule cmidrule addlinespace multicolumn
    emph textbf textsuperscript phantom textbackslash textasciitilde textasciicircum textless textgreater textbar char dots rightarrow downarrow
    uparrow lambda Delta times alpha sigma infty approx cdot neq leq geq pm circ ss o O l L ae AE r v c""".split()  # noqa: SIM905, a column of words
)
FITTED = "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n"  # no wider than the line
COMMAND = re.compile(r"""\\([A-Za-z]+|[{}&%$#_,\\'"`^~])""")


def hostile(value, key=None):
    """A document as JSON, every text of others in it made hostile."""
    if isinstance(value, dict):
        return {name: hostile(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [hostile(item, key) for item in value]
    return SPECIAL + value if isinstance(value, str) and key in WORDS | {"settings"} else value


@pytest.fixture(scope="module")
def tables(tmp_path_factory, new_checkout):
    """{name: TeX} of every table of the repository without values, with values, and with both and hostile words."""
    registry = Catalogue(new_checkout(tmp_path_factory.mktemp("tex") / "checkout").folder, "digits")
    results, found = Results("digits"), {}
    for name, spec in ((name, spec) for name, spec in registry.tables.items() if spec.study is None):
        render_table(registry, name)
        file = registry.root / results.table(name)
        found[f"{name}, empty"] = file.with_suffix(".tex").read_text(encoding="utf-8")
        for place, item in enumerate(required_by_table(spec, registry)):
            metrics = {column.metric: place + 0.5 for column in spec.columns}
            path = registry.root / results.score(item.run, item.score)
            write_score_file(path, item.run, item.score.milestone, item.score.sampler, item.score.samples, "digits", **metrics)
        render_table(registry, name)
        found[name] = file.with_suffix(".tex").read_text(encoding="utf-8")
        found[f"{name}, hostile"] = to_tex(TableDocument.model_validate(hostile(read_json(file.with_suffix(".json")))))
    absent = [replace(row, absent={1: "diverged"}) for row in ROWS]
    study = TableDocument(
        kind="study", id="table_b1", number="Table B1", title="T", paper="none", preset="small", comparable=False, band=None, conditions="",
        setting_columns=[], columns=[], rows=[], study=made_study(tuple(absent)), notes=[Note(mark="a", text="missing")],
    )  # fmt: skip
    found["table_b1"] = to_tex(study)
    found["table_b1, hostile"] = to_tex(TableDocument.model_validate(hostile(study.model_dump(mode="json"))))
    return found


def faults(text: str) -> list[str]:
    """What LaTeX would stumble over, in words; of the grammar that these tables use, not of all LaTeX."""
    found, body = [], "\n".join(line for line in text.splitlines() if not line.startswith("%")).replace(FITTED, "{")
    found += [f"unknown command \\{name}" for name in COMMAND.findall(body) if name.isalpha() and name not in COMMANDS]
    found += ["a lone backslash"] * len(re.findall(r"\\", COMMAND.sub("", body)))
    bare = re.sub(r"\{%\n|!\}|l\}|r\}", "", COMMAND.sub("", body))
    found += [f"bare {character}" for character in '%#_^~<>"|' if character in bare.replace("\\ifdim\\width>", "")]
    found += ["an odd number of $"] * (len(re.findall(r"(?<!\\)\$", body)) % 2)
    depth = 0
    for character in re.sub(r"\\[{}\\]", "", body):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth < 0:
            found.append("} before {")
    found += [f"{depth} braces left open"] if depth > 0 else []
    open_environments = []
    for kind, name in re.findall(r"(?<!\\)\\(begin|end)\{(\w+)\}", body):
        if kind == "begin":
            open_environments.append(name)
        elif not open_environments or open_environments.pop() != name:
            found.append(f"\\end{{{name}}} closes another environment")
    found += [f"{name} is left open" for name in open_environments]
    for columns, rows in re.findall(r"\\begin\{tabular\}\{([lr]+)\}\n(.*?)\n\\end\{tabular\}", body, re.DOTALL):
        found += tabular_faults(len(columns), rows.splitlines())
    return found


def tabular_faults(columns: int, lines: list[str]) -> list[str]:
    rules = [line for line in lines if re.match(r"\\(top|mid|bottom)rule$", line)]
    found = [] if rules == ["\\toprule", "\\midrule", "\\bottomrule"] and lines[0] == rules[0] and lines[-1] == rules[2] else ["rules out of order"]
    for line in lines:
        if re.match(r"\\(top|mid|bottom)rule$|\\addlinespace$|(\\cmidrule\(lr\)\{\d+-\d+\})+$", line):
            found += [f"a rule beyond column {columns}" for end in re.findall(r"-(\d+)\}", line) if int(end) > columns]
            continue
        cells = re.split(r"(?<!\\)&", line.removesuffix(" \\\\"))
        width = sum(int(span[1]) if (span := re.match(r" ?\\multicolumn\{(\d+)\}\{[lc]\}", cell)) else 1 for cell in cells)
        if width != columns or not line.endswith(" \\\\"):
            found.append(f"{width} cells in a row of {columns}: {line[:80]}")
    return found


def test_every_table_keeps_the_grammar(tables):
    assert len(tables) >= 30
    assert {name: found for name, text in tables.items() if (found := faults(text))} == {}
    assert all(0 < text.count("\\begin{tabular}") == text.count(FITTED) for text in tables.values())


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (" & ", " ", "cells in a row"),
        ("\\midrule\n", "", "rules out of order"),
        ("\\end{tabular}", "", "\\end{table} closes another environment"),
        ("\\centering", "\\centering{", "braces left open"),
        ("\\centering", "\\centring", "unknown command \\centring"),
        ("(SiT-B/2)", "(SiT_B/2)", "bare _"),
        ("(SiT-B/2)", "(SiT$B/2)", "an odd number of $"),
        ("(SiT-B/2)", "(SiT}B/2)", "} before {"),
        ("(SiT-B/2)", "(SiT#B/2)", "bare #"),
        ("cmidrule(lr){6-7}", "cmidrule(lr){6-99}", "a rule beyond column"),
    ],
)
def test_the_grammar_notices(tables, old, new, fault):
    text = tables["table_1"]
    changed = text.replace(old, new, 1)
    assert changed != text
    assert any(fault in found for found in faults(changed))


def test_what_no_engine_knows_is_written_in_plain_letters(tables):
    text = tables["table_1, hostile"]
    assert text.isascii()
    assert "\\'{e} \\L{} ``q''" in text
    assert set(re.findall(r"U\+\w+", text)) == {"U+4E2D"}  # no sign that we write ourselves
    assert "$\\infty$" in text
    assert "\\textbackslash{}end\\{tabular\\}" in text


def test_the_packages_stand_on_top(tables):
    assert all(text.splitlines()[0].endswith("Needs \\usepackage{booktabs,graphicx}.") for text in tables.values())


@pytest.mark.parametrize("kind", ["empty", "filled", "hostile"])
def test_every_table_compiles_in_a_two_line_document(tables, tmp_path, kind):
    engine = next(filter(shutil.which, ENGINES), None)
    if engine is None:
        pytest.skip(f"no TeX ({', '.join(ENGINES)})")
    chosen = {name.partition(",")[0]: text for name, text in tables.items() if (name.partition(", ")[2] or "filled") == kind}
    for name, text in chosen.items():
        (tmp_path / f"{name}.tex").write_text(text, encoding="utf-8")
    inputs = "".join(f"\\input{{{name}}}\\clearpage" for name in chosen)
    lines = ["\\documentclass{article}\\usepackage{booktabs,graphicx}", f"\\begin{{document}}{inputs}\\end{{document}}"]
    (tmp_path / "all.tex").write_text("\n".join(lines), encoding="utf-8")
    options = [] if engine == "tectonic" else ["-interaction=nonstopmode", "-halt-on-error", "-file-line-error", "-no-shell-escape"]
    done = subprocess.run([engine, *options, "all.tex"], cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "all.pdf").exists()
    if engine != "tectonic":
        log = (tmp_path / "all.log").read_text(encoding="utf-8", errors="replace")
        assert "Missing character" not in log
        if kind != "hostile":
            assert re.findall(r"Overfull \\hbox \((\d+)", log) == []
            assert re.findall(r"Float too large for page by \S+", log) == []
