"""The report as one self-contained page: its style, its script and its pictures are inside, and nothing is loaded from elsewhere."""

import base64
import os
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree

from markupsafe import Markup

from sra.core.files import write_text
from sra.reporting.claims.formats import BY_PRINTED, SIGNS, missing_words, paper_numbers, telling_numbers
from sra.reporting.documents import FigureDocument, StudyFigureDocument
from sra.reporting.figures.study.document import draw_study
from sra.reporting.report.document import FigureItem, ReportDocument, TableItem
from sra.reporting.report.spending import memory_text, time_text
from sra.reporting.tables.write_csv import to_csv
from sra.reporting.tables.write_html import environment


@dataclass(frozen=True)
class Picture:
    """The SVG of a figure as a data URI, and the size in pixels that it gives itself. narrow: the same for a narrow page, where there is one."""

    uri: str
    width: int
    height: int
    narrow: "Picture | None" = None


@dataclass(frozen=True)
class Folders:
    """The ways from the page to what lies beside it, for links that hold no machine's path. claims, pdf: None where there is none to link to."""

    tables: str
    figures: str
    claims: str | None
    pdf: str | None


@dataclass(frozen=True)
class Entry:
    """One entry of the contents: its anchor, and its label as a kind and a number, such as `Figures` and `10 to 25`."""

    id: str
    kind: str
    number: str


@dataclass(frozen=True)
class Group:
    """Figures that stand together: one, or neighbouring sheets of one sample pack under one label."""

    label: str
    items: list[FigureItem]

    @property
    def entry(self) -> Entry:
        kind, number = self.label.split(" ", 1)
        return Entry(self.items[0].document.id, kind, number)


def render_page(
    report: ReportDocument,
    tables_folder: Path,
    figures_folder: Path,
    output: Path,
    templates: Path,
    claims_file: Path | None = None,
    pdf: Path | None = None,
) -> None:
    """Write the page to `output`. The folders hold the files that it offers, the second one the pictures too."""
    style, script = ((Path(templates) / name).read_text(encoding="utf-8") for name in ("style.css", "script.js"))
    template = environment(templates).get_template("report.html.j2")
    groups = groups_of(report.figures)
    html = template.render(
        report=report,
        policy=_policy(style, script),
        # Our own two files, hashed in the policy above; everything else on the page is escaped.
        style=Markup(style),
        script=Markup(script),
        pictures={item.document.id: _picture(Path(figures_folder) / f"{item.document.id}.svg", item.document) for item in report.all_figures},
        receipted={file.sha256 for file in report.provenance.scores},
        folders=Folders(
            _relative(tables_folder, output),
            _relative(figures_folder, output),
            _relative(Path(claims_file).parent, output) if claims_file else None,
            _relative(pdf, output) if pdf else None,
        ),
        contents=[("Tables", "tables", entries_of(report.tables)), ("Figures", "figures", [group.entry for group in groups])],
        groups=groups,
        signs=shared_legend(report.tables),
        progress={one.id: one for one in report.summary.progress},
        checks={command.item: command for command in report.commands if command.item},
        csv_of=to_csv,
        claim_words={"signs": SIGNS, "by_printed": BY_PRINTED, "missing": missing_words, "telling": telling_numbers, "paper": paper_numbers},
        time=time_text,
        memory=memory_text,
    )
    write_text(output, html)


def entries_of(tables: list[TableItem]) -> list[Entry]:
    return [Entry(item.document.id, *item.document.number.split(" ", 1)) for item in tables]


def groups_of(figures: list[FigureItem]) -> list[Group]:
    """All figures in their order; neighbouring grids of one sample pack are one group."""
    groups = []
    for _, members in groupby(figures, key=lambda item: getattr(item.document, "score", item.document.id)):
        items = list(members)
        first, last = items[0].document.number, items[-1].document.number
        groups.append(Group(f"{first.replace(' ', 's ')} to {last.split()[-1]}" if len(items) > 1 else first, items))
    return groups


def shared_legend(tables: list[TableItem]) -> str | None:
    """What the signs of most tables mean, to be said once above them; None where no two say the same."""
    counted = Counter(item.document.legend for item in tables).most_common(1)
    return counted[0][0] if counted and counted[0][1] > 1 else None


def _picture(path: Path, figure: FigureDocument) -> Picture:
    """The figure's file. A study's is drawn once more for narrow pages, from all the numbers that its document has."""
    if not isinstance(figure, StudyFigureDocument):
        return _of_file(path)
    with tempfile.TemporaryDirectory() as folder:
        draw_study(figure, Path(folder) / figure.id, narrow=True)
        return replace(_of_file(path), narrow=_of_file(Path(folder) / f"{figure.id}.svg"))


def _of_file(path: Path) -> Picture:
    svg = path.read_bytes()
    width, height = (_pixels(ElementTree.fromstring(svg).attrib[side]) for side in ("width", "height"))
    return Picture(f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}", width, height)


def _pixels(length: str) -> int:
    """An SVG's own width or height: matplotlib writes points (486pt), a sheet of images pixels. 72 pt are 96 px."""
    number = float(length.removesuffix("pt"))
    return round(number * 96 / 72 if length.endswith("pt") else number)


def _policy(style: str, script: str) -> str:
    """Content security policy: our one style and one script by hash, pictures from data URIs, nothing else."""

    def source(text: str) -> str:
        return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"

    return f"default-src 'none'; style-src {source(style)}; script-src {source(script)}; img-src data:; base-uri 'none'; form-action 'none'"


def _relative(path: Path, output: Path) -> str:
    return Path(os.path.relpath(path, Path(output).parent)).as_posix()
