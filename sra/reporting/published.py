"""The paper's numbers, from `report/published/*.csv`: as printed, each with its source. They are nowhere else."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from sra.core.errors import InputError, unknown
from sra.reporting.numbers import METRIC_NAMES, steps_of_milestone

COLUMNS = ["key", "metric", "value", "unit", "source", "confidence"]
UNITS = ("1", "%")
# unverified: said to be printed, in a place that nobody here has read.
CONFIDENCES = ("exact", "secondary", "read off a figure", "inferred", "unverified")


@dataclass(frozen=True)
class PublishedNumber:
    """One number of the paper. `text` is what is printed (12.30 stays 12.30), `value` the same in the metric's own unit (82 % is 0.82)."""

    key: str
    metric: str
    text: str
    value: float
    source: str
    confidence: str


class Published:
    """All published numbers, by key and metric."""

    def __init__(self, numbers: list[PublishedNumber]):
        self._numbers = {(number.key, number.metric): number for number in numbers}
        self._keys = {number.key for number in numbers}

    @property
    def keys(self) -> set[str]:
        return set(self._keys)

    def number(self, key: str, metric: str, where: str) -> PublishedNumber | None:
        """None when the paper gives the row but not this metric. An unknown key raises InputError with the nearest one."""
        if key not in self._keys:
            raise unknown("published key", key, self._keys, where=where)
        return self._numbers.get((key, metric))

    def curve(self, prefix: str, metric: str, where: str) -> dict[str, PublishedNumber]:
        """The markers `prefix/m200k`, `prefix/m250k`, ... by milestone, in order of steps."""
        keys = [key for key in self._keys if key.rpartition("/")[0] == prefix]
        if not keys:
            raise unknown("published curve", prefix, {key.rpartition("/")[0] for key in self._keys}, where=where)
        milestones = sorted((key.rpartition("/")[2] for key in keys), key=steps_of_milestone)
        found = {milestone: self._numbers.get((f"{prefix}/{milestone}", metric)) for milestone in milestones}
        return {milestone: number for milestone, number in found.items() if number}


def load_published(folder: Path) -> Published:
    """Every CSV of the folder. Rows without a source, twice the same number, or a value that is none are refused with their line."""
    numbers: dict[tuple[str, str], PublishedNumber] = {}
    for path in sorted(Path(folder).glob("*.csv")):
        for line, number in _rows(path):
            identity = (number.key, number.metric)
            if identity in numbers:
                raise InputError(f"{path} line {line}: {number.key} {number.metric} is already given; keep one of the two rows")
            numbers[identity] = number
    return Published(list(numbers.values()))


def _rows(path: Path) -> list[tuple[int, PublishedNumber]]:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, strict=True)
        if reader.fieldnames != COLUMNS:
            raise InputError(f"{path}: the columns are {reader.fieldnames}, expected {COLUMNS}")
        try:
            return [(reader.line_num, _number(row, f"{path} line {reader.line_num}", path.stem)) for row in reader]
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{path} line {reader.line_num + 1}: not readable as CSV in UTF-8 ({error}); correct that line") from None


def _number(row: dict, where: str, stem: str) -> PublishedNumber:
    if None in row or None in row.values():
        raise InputError(f"{where}: has another number of fields than the header; quote fields that hold a comma")
    if not row["key"].startswith(f"{stem}/"):
        raise InputError(f"{where}: key {row['key']!r} does not start with {stem}/, the name of its file")
    if row["metric"] not in METRIC_NAMES:
        raise unknown("metric", row["metric"], METRIC_NAMES, where=where)
    if not row["source"].strip():
        raise InputError(f"{where}: {row['key']} has no source; say which version, table and row it was read from")
    if row["unit"] not in UNITS:
        raise unknown("unit", row["unit"], UNITS, where=where)
    if row["confidence"] not in CONFIDENCES:
        raise unknown("confidence", row["confidence"], CONFIDENCES, where=where)
    return PublishedNumber(row["key"], row["metric"], row["value"], _value(row, where), row["source"], row["confidence"])


def _value(row: dict, where: str) -> float:
    try:
        value = float(row["value"])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where}: value {row['value']!r} is not a number; write it as the paper prints it")
    return value / 100 if row["unit"] == "%" else value
