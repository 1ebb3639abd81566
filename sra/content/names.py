"""What people call tables and figures, and which of ours that is: as the paper prints them (`Figure 7`, `table_S1`), or as the files are named."""

import re
from typing import Literal

from sra.content.catalogue import Catalogue
from sra.content.figures import FigureSpec, StudyFigure
from sra.content.inspected import components_files, probe_files
from sra.content.required import measured_by_figure, measured_by_table, packs_of_figure, required_by_figure, required_by_table
from sra.content.tables import TableSpec
from sra.core.errors import InputError, unknown

PRINTED = re.compile(r"(?P<kind>fig|tab)(?:ure|le)?s?[\s._-]*(?P<number>t2i|[a-z]?\d+)[\s._-]*\(?(?P<part>[a-z]?)\)?")
KINDS = {"tab": "table", "fig": "figure"}
# Figures of the paper that show no measurement.
DRAWINGS = {
    "figure_1": "three ways to guide representations: another task, an external encoder, the model itself",
    "figure_3": "an early block of the student beside a later block of its EMA teacher",
}


def ids_of(name: str, catalogue: Catalogue, kind: Literal["table", "figure"] | None = None) -> list[str]:
    """Our names of what a person calls by one: `figure_7` has four parts, `figure_T2I` is `figure_t2i`. kind: where only one of them will do.

    Raises InputError for a figure of the paper that is a drawing, and for a name that there is not, with one that this preset has.
    """
    wanted = plain(name)
    known = [one for one in (*catalogue.tables, *catalogue.figures) if kind in (None, _kind(one))]
    if wanted in known:
        return [wanted]
    if parts := groups(known).get(wanted):
        return parts
    if wanted in DRAWINGS:
        printed = wanted.replace("_", " ").capitalize()
        raise InputError(f"{name}: {printed} of the paper is a drawing ({DRAWINGS[wanted]}) with nothing to measure, so it is not built here")
    kinds = [kind or _kind(wanted)] if kind or _kind(wanted) in KINDS.values() else [*KINDS.values()]
    offered = [one for one in offered_by(catalogue) if _kind(one) in kinds]
    raise unknown(" or ".join(kinds), name, [*offered, *groups(offered)])


def _kind(name: str) -> str:
    return name.partition("_")[0]


def plain(name: str) -> str:
    """`Figure 7 (a)` -> `figure_7a`; any other word in small letters."""
    found = PRINTED.fullmatch(name.strip().lower())
    return f"{KINDS[found['kind']]}_{found['number']}{found['part']}" if found else name.lower()


def groups(names: list[str]) -> dict[str, list[str]]:
    """What the paper prints in parts, by the number without a letter: `figure_2` is `figure_2a` and `figure_2b`."""
    found: dict[str, list[str]] = {}
    for name in names:
        if part := re.fullmatch(r"([a-z]+_[a-z]?\d+)[a-z]", name):
            found.setdefault(part[1], []).append(name)
    return {name: parts for name, parts in found.items() if name not in names}


def offered_by(catalogue: Catalogue) -> list[str]:
    """The tables and figures that show something at the preset, be they in its report or not."""
    tables = [name for name, table in catalogue.tables.items() if _fills_table(table, catalogue)]
    return tables + [name for name, figure in catalogue.figures.items() if _fills_figure(figure, catalogue)]


def _fills_table(table: TableSpec, catalogue: Catalogue) -> bool:
    if table.study:
        return _has_study(table.study, catalogue)
    try:
        return table.kind == "settings" or bool(required_by_table(table, catalogue) or measured_by_table(table, catalogue))
    except InputError:  # the preset lacks something else that it needs
        return False


def _fills_figure(figure: FigureSpec, catalogue: Catalogue) -> bool:
    if isinstance(figure, StudyFigure):
        return _has_study(figure.study, catalogue)
    try:
        shown = required_by_figure(figure, catalogue) or measured_by_figure(figure, catalogue) or packs_of_figure(figure, catalogue)
        return bool(shown or probe_files([figure], catalogue) or components_files([figure], catalogue))
    except InputError:
        return False


def _has_study(name: str, catalogue: Catalogue) -> bool:
    return name in catalogue.studies and not catalogue.released
