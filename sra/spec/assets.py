"""Data sets and pretrained models by name (`config/datasets.tsv`, `config/weights.tsv`): where each comes from and its licence."""

import csv
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import PositiveInt

from sra.core.errors import InputError, unknown
from sra.spec.base import Strict
from sra.spec.load import checked


class DatasetEntry(Strict):
    """kind: `made` by the workflow, or at a `path` that the user names in config.yaml."""

    name: str
    kind: Literal["made", "path"]
    source: str
    images: PositiveInt
    classes: PositiveInt
    licence: str
    note: str


class WeightsEntry(Strict):
    """source: `trained` by the workflow on data set `place`, `hub` (a model hub's name), or a `file` to be fetched."""

    name: str
    kind: Literal["vae", "encoder", "extractor"]
    source: Literal["trained", "hub", "file"]
    place: str
    licence: str
    note: str


Entry = TypeVar("Entry", DatasetEntry, WeightsEntry)


def load_table(path: Path, model: type[Entry]) -> dict[str, Entry]:
    """The rows by name. Raises InputError naming the line of a wrong or repeated row."""
    entries: dict[str, Entry] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for line, row in enumerate(csv.DictReader(file, delimiter="\t"), start=2):
            entry = checked(row, model, f"{path} line {line}")
            if entry.name in entries:
                raise InputError(f"{path} line {line}: {entry.name} is already listed; keep one")
            entries[entry.name] = entry
    return entries


def entry_named(entries: dict[str, Entry], name: str, kind: str | None = None) -> Entry:
    """The entry of that name and, where given, kind."""
    known = [entry for entry in entries.values() if kind is None or entry.kind == kind]
    if name not in {entry.name for entry in known}:
        raise unknown(kind or "data set", name, (entry.name for entry in known))
    return entries[name]
