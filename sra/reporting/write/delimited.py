"""Rows as text for spreadsheets and programs."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

# What a spreadsheet would take for a formula. After a plus or minus only what can call something: labels such as "+ SRA" are the paper's.
FORMULA = re.compile(r"[=@\t\r]|[+-](?=.*([|!]|\w\())", re.DOTALL)


def delimited(rows: Iterable[Sequence[str | int | float]], delimiter: str = ",") -> str:
    """The rows as text, one line each, quoted where it must be.

    Text that is a formula gets an apostrophe before it, by which spreadsheets know text.
    """
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows([_inert(cell) for cell in row] for row in rows)
    return file.getvalue()


def _inert(cell: str | int | float) -> str | int | float:
    return f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) else cell


def digits(value: float | None) -> str:
    """Every digit of a number, and nothing for one that is missing."""
    return "" if value is None else repr(value)
