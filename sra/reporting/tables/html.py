"""The template environment, and the table fragment that both `<id>.html` and the page use. Everything is escaped."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sra.core.progress import duration_text
from sra.reporting.documents import TableDocument
from sra.reporting.tables.formats import caption_of, grouped, grouped_settings, legend_of, shown_columns, sign_of
from sra.reporting.write.numbers import NARROW_SPACE, count_text, decimal_padding, milestone_text, number_text, short_hash


def environment(templates: Path) -> Environment:
    """Autoescape is on for every template, and a name that does not exist is an error."""
    made = Environment(loader=FileSystemLoader(templates), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters.update(count=count_text, duration=duration_text, milestone=milestone_text, number=number_text, short=short_hash)
    made.globals.update(table_legend=legend_of, table_caption=caption_of, narrow_space=NARROW_SPACE)
    made.globals.update(shown_columns=shown_columns, grouped=grouped, paddings=paddings, grouped_settings=grouped_settings, sign_of=sign_of)
    return made


def table_fragment(document: TableDocument, templates: Path) -> str:
    """One `<figure>` without styles, for another page to take in."""
    return environment(templates).get_template("table.html.j2").render(table=document, receipts=False) + "\n"


def paddings(document: TableDocument) -> list[list[list[str]]]:
    """Padding of each number by metric, shown column and row, which puts the points of a column on one line."""
    return [
        [decimal_padding([shown.text(row.cells[metric]) for row in document.rows]) for shown in under]
        for metric, under in enumerate(shown_columns(document))
    ]
