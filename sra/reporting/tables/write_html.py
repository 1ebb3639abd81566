"""The template environment, and the table fragment that both `<id>.html` and the page use. Everything is escaped."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sra.core.progress import duration_text
from sra.reporting.tables.document import TableDocument
from sra.reporting.tables.grid import grid_of
from sra.reporting.write.numbers import added_text, count_text, milestone_text, number_text, short_hash, size_text


def environment(templates: Path) -> Environment:
    """The templates' environment. Autoescape is on for every template, and a name that does not exist is an error."""
    made = Environment(loader=FileSystemLoader(templates), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters.update(count=count_text, duration=duration_text, milestone=milestone_text, number=number_text, short=short_hash)
    made.globals.update(grid_of=grid_of, added_text=added_text, size_text=size_text)
    return made


def table_fragment(document: TableDocument, templates: Path) -> str:
    """The table as one `<figure>` without styles, for another page to take in."""
    return environment(templates).get_template("table.html.j2").render(table=document, receipts=()) + "\n"
