"""What the papers print, numbers and settings, from `report/published/*.csv`: as printed, each with its source. It is nowhere else."""

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sra.core.errors import InputError, unknown
from sra.reporting.write.numbers import METRIC_NAMES

COLUMNS = ["key", "metric", "value", "unit", "source", "confidence"]
TEXT = "text"  # the unit of a printed setting, whose metric is the setting's name
# By unit, what one of it is: times, sizes and counts are compared in seconds, bytes and ones.
UNITS = {"1": 1.0, "%": 0.01, "GB": 1e9, "h": 3600.0, "M": 1e6}
# user report: somebody's own run, reported in a thread.  unverified: said to be printed, in a place that nobody here has read.
CONFIDENCES = ("exact", "secondary", "read off a figure", "inferred", "user report", "unverified")


@dataclass(frozen=True)
class PublishedNumber:
    """One number of the paper. `text` is what is printed (12.30 stays 12.30), `value` the same in the metric's own unit (82 % is 0.82)."""

    key: str
    metric: str
    text: str
    value: float
    source: str
    confidence: str

    @property
    def credit(self) -> str:
        return f"{self.source} ({self.confidence})"


@dataclass(frozen=True)
class PublishedSetting:
    """One printed setting of one model; `text` is what is printed."""

    key: str
    setting: str
    text: str
    source: str
    confidence: str


class Published:
    """All published numbers, by key and metric, and all printed settings, by key and name."""

    def __init__(self, items: Iterable[PublishedNumber | PublishedSetting] = ()):
        self._numbers: dict[str, dict[str, PublishedNumber]] = {}
        self._settings: dict[str, dict[str, PublishedSetting]] = {}
        for item in items:
            if isinstance(item, PublishedSetting):
                self._settings.setdefault(item.key, {})[item.setting] = item
            else:
                self._numbers.setdefault(item.key, {})[item.metric] = item

    @property
    def keys(self) -> set[str]:
        """The keys of the numbers; settings have keys of their own."""
        return set(self._numbers)

    def settings(self, key: str, where: str) -> dict[str, PublishedSetting]:
        """Every printed setting of one model by name. An unknown key raises InputError with the nearest one."""
        if key not in self._settings:
            raise unknown("key of printed settings", key, self._settings, where=where)
        return dict(self._settings[key])

    def number(self, key: str | None, metric: str, where: str) -> PublishedNumber | None:
        """The number under a key; None without a key, and when the paper gives the row but not this metric.

        An unknown key raises InputError with the nearest one.
        """
        if key is None:
            return None
        if key not in self._numbers:
            raise unknown("published key", key, self._numbers, where=where)
        return self._numbers[key].get(metric)

    def curve(self, prefix: str | None, metric: str, where: str) -> dict[str, PublishedNumber]:
        """The paper's points of one line, none without a prefix, by what completes their keys: `prefix/m200k`, or `prefix/b20` for a block."""
        if prefix is None:
            return {}
        ends = {key.rpartition("/")[2]: numbers for key, numbers in self._numbers.items() if key.rpartition("/")[0] == prefix}
        if not ends:
            raise unknown("published curve", prefix, {key.rpartition("/")[0] for key in self._numbers}, where=where)
        return {end: numbers[metric] for end, numbers in ends.items() if metric in numbers}


def load_published(folder: Path) -> Published:
    """Read every CSV of the folder. Rows without a source, twice the same number, or a value that is none are refused with their line."""
    found: dict[tuple[str, str], PublishedNumber | PublishedSetting] = {}
    for path in sorted(Path(folder).glob("*.csv")):
        for line, item in _rows(path):
            identity = (item.key, item.setting if isinstance(item, PublishedSetting) else item.metric)
            if identity in found:
                raise InputError(f"{path} line {line}: {' '.join(identity)} is already given; keep one of the two rows")
            found[identity] = item
    return Published(found.values())


def _rows(path: Path) -> list[tuple[int, PublishedNumber | PublishedSetting]]:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            if reader.fieldnames != COLUMNS:
                raise InputError(f"{path}: the columns are {reader.fieldnames}, expected {COLUMNS}")
            return [(reader.line_num, _item(row, f"{path} line {reader.line_num}", path.stem)) for row in reader]
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{path} line {reader.line_num + 1}: not readable as CSV in UTF-8 ({error}); correct that line") from None


def _item(row: dict, where: str, stem: str) -> PublishedNumber | PublishedSetting:
    if None in row or None in row.values():
        raise InputError(f"{where}: has another number of fields than the header; quote fields that hold a comma")
    if not row["key"].startswith(f"{stem}/"):
        raise InputError(f"{where}: key {row['key']!r} does not start with {stem}/, the name of its file")
    if row["unit"] != TEXT and row["metric"] not in METRIC_NAMES:
        raise unknown("metric", row["metric"], METRIC_NAMES, where=where)
    if not row["source"].strip():
        raise InputError(f"{where}: {row['key']} has no source; say which version, table and row it was read from")
    if row["unit"] not in (*UNITS, TEXT):
        raise unknown("unit", row["unit"], (*UNITS, TEXT), where=where)
    if row["confidence"] not in CONFIDENCES:
        raise unknown("confidence", row["confidence"], CONFIDENCES, where=where)
    if row["unit"] == TEXT:
        if not (row["metric"].strip() and row["value"].strip()):
            raise InputError(f"{where}: {row['key']} has no name of a setting or no value; write both as printed, and - for one that does not apply")
        return PublishedSetting(row["key"], row["metric"], row["value"], row["source"], row["confidence"])
    return PublishedNumber(row["key"], row["metric"], row["value"], _value(row, where), row["source"], row["confidence"])


def _value(row: dict, where: str) -> float:
    try:
        value = float(row["value"])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where}: value {row['value']!r} is not a number; write it as the paper prints it")
    return value / 100 if row["unit"] == "%" else value * UNITS[row["unit"]]
