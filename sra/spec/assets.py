"""Data sets and pretrained models by name (`config/datasets.tsv`, `config/weights.tsv`): where each comes from and its licence."""

import csv
import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, TypeVar

from pydantic import Field, PositiveInt, model_validator

from sra.core.errors import InputError, unknown
from sra.core.files import sha256_of_file, write_text
from sra.spec.base import Strict
from sra.spec.config import typed
from sra.spec.load import checked

CHECKSUMS = Path("config/checksums")
Name = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]  # a part of paths under results/
PATH_KEY = re.compile(r"\bpaths\.([a-z0-9_]+)")
CHECKPOINT_KEYS = ("page", "family", "model", "resolution", "step")


class DatasetEntry(Strict):
    """Images that the workflow makes, or that lie where the user says.

    A data set has classes, or captions and images for validation. What users bring of their own has any number of images, and as many classes
    as the preset says.
    """

    name: Name
    made_by: Name | None = Field(None, description="the file of sra/data that makes the images; empty: they lie at the path that source names")
    source: str = Field(description="where the images come from; paths.KEY in it: from where the user's configuration says under that key")
    images: PositiveInt | None = None
    classes: PositiveInt | None = None
    validation: PositiveInt | None = Field(None, description="images of the split val, of a captioned data set")
    licence: str
    note: str

    @model_validator(mode="after")
    def _has_classes_or_captions(self):
        if self.made_by is None and self.source != f"paths.{self.path_key}":
            raise ValueError(f"source {self.source!r} is no path of the user's; write paths.KEY, or name the file of sra/data in made_by")
        if self.images is None and self.classes is None and self.validation is None and self.made_by is None:
            return self
        if self.images is None or (self.classes is None) == (self.validation is None):
            raise ValueError("fill in images and classes, or validation for a captioned data set; for a user's own leave all three empty")
        return self

    @property
    def captioned(self) -> bool:
        return self.validation is not None

    @property
    def path_key(self) -> str | None:
        """Of `paths` in the user's configuration: where the images lie, or the files that they are made from; None where nothing is asked."""
        found = PATH_KEY.search(self.source)
        return found[1] if found else None


class WeightsEntry(Strict):
    """source: `trained` by the workflow on data set `place`, `hub` (a model hub's name; a folder of that name among the user's downloads
    comes first), or a `file` to be fetched and named `place`. A reference is a file of real images and their statistics.

    A released checkpoint also says where it is fetched and what it holds: `model` at `resolution` after `step` training steps.
    """

    name: Name
    kind: Literal["vae", "encoder", "clip", "extractor", "reference", "checkpoint"]
    source: Literal["trained", "hub", "file"]
    place: str
    licence: str
    note: str
    page: str | None = Field(None, pattern=r"^https://", description="where to download it")
    bytes: PositiveInt | None = Field(None, description="size of the file, where known")
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{8,64}$", description="or its first digits; empty: recorded at first use in config/checksums")
    family: Literal["dit", "sit", "repa", "sra"] | None = Field(None, description="whose layout and conventions the file follows")
    model: str | None = None
    resolution: PositiveInt | None = Field(None, description="pixels on a side")
    step: PositiveInt | None = Field(None, description="training steps behind it, as its paper counts them")
    task: Literal["rotation"] | None = Field(None, description="what an extractor learns here without labels; empty: the labels")

    @model_validator(mode="after")
    def _a_checkpoint_says_what_it_holds(self):
        missing = [key for key in CHECKPOINT_KEYS if getattr(self, key) is None]
        if self.kind == "checkpoint" and missing:
            raise ValueError(f"a checkpoint needs {missing[0]}; fill that cell")
        if PurePosixPath(self.place).is_absolute() or ".." in PurePosixPath(self.place).parts or not self.place.isprintable():
            raise ValueError(f"place {self.place!r} leaves the folder of downloads; give a name inside it, or a hub's owner/name")
        if self.task and (self.kind, self.source) != ("extractor", "trained"):
            raise ValueError(f"task {self.task} is of extractors that are trained here; empty that cell")
        if self.source == "file" and self.page is None:
            raise ValueError("a file needs page, where it can be fetched; fill that cell")
        return self


Entry = TypeVar("Entry", DatasetEntry, WeightsEntry)


def load_table(path: Path, model: type[Entry]) -> dict[str, Entry]:
    """The rows by name; an empty cell is a value not given. Raises InputError naming the line of a wrong or repeated row."""
    entries: dict[str, Entry] = {}
    for line, row in _rows(path):
        if None in row:
            raise InputError(f"{path} line {line}: has more cells than the first line has names; remove a tab")
        entry = checked({key: value for key, value in row.items() if value}, model, f"{path} line {line}")
        if entry.name in entries:
            raise InputError(f"{path} line {line}: {entry.name} is already listed; keep one")
        entries[entry.name] = entry
    return entries


def _rows(path: Path) -> list[tuple[int, dict[str | None, str]]]:
    """The lines below the first with their numbers."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(enumerate(csv.DictReader(file, delimiter="\t"), start=2))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; call `sra` in the folder that holds config and report") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as a table with tabs in UTF-8 ({error}); correct it") from None


def dataset_named(entries: dict[str, DatasetEntry], name: str) -> DatasetEntry:
    """Raises InputError for a data set that has no row."""
    if name not in entries:
        raise InputError(f"data set {name!r} is not in config/datasets.tsv; known: {', '.join(entries)}")
    return entries[name]


def entry_named(entries: dict[str, WeightsEntry], name: str, kind: str) -> WeightsEntry:
    """Raises InputError where none of that kind has the name."""
    known = [entry.name for entry in entries.values() if entry.kind == kind]
    if name not in known:
        raise unknown(kind, name, known)
    return entries[name]


def how_to_fetch(entry: WeightsEntry, file: Path) -> str:
    """One line for a person whose checkpoint is not at `file`: what to download, under which licence, and where to put it."""
    fetch = f"download {entry.page} ({entry.licence}) and save it there"
    return f"{file}: no such file; {fetch}, or say which folder has it: {typed('downloads')}"


def check_file(entry: WeightsEntry, file: Path, root: Path) -> str:
    """The SHA-256 of `file`, held against size and hash of its row and against the hash recorded at its first use under `root`.

    Raises InputError when one of them differs.
    """
    size = file.stat().st_size
    if entry.bytes is not None and size != entry.bytes:
        raise InputError(f"{file}: has {size} bytes, config/weights.tsv says {entry.bytes} for {entry.name}; download it again from {entry.page}")
    found = sha256_of_file(file)
    if entry.sha256 is not None and not found.startswith(entry.sha256):
        raise InputError(
            f"{file}: its SHA-256 is {found[:12]}..., config/weights.tsv says {entry.sha256[:12]}... for {entry.name}; "
            f"download it again from {entry.page}"
        )
    record = _checksum_file(entry, root)
    if record.exists():
        recorded = _recorded_sha256(record)
        if found != recorded:
            raise InputError(
                f"{file}: its SHA-256 is {found[:12]}..., at first use of {entry.name} it was {recorded[:12]}...; "
                f"fetch that file again, or delete {record} if the change is meant"
            )
    return found


def record_sha256(entry: WeightsEntry, file: Path, sha256: str, root: Path) -> None:
    """Keep the hash of a file that could be used, in the format of sha256sum; an existing record stays as it is."""
    record = _checksum_file(entry, root)
    if not record.exists():
        write_text(record, f"{sha256}  {file.name}\n")


def _checksum_file(entry: WeightsEntry, root: Path) -> Path:
    return root / CHECKSUMS / f"{entry.name}.sha256"


def _recorded_sha256(record: Path) -> str:
    found = re.match(r"([0-9a-f]{64})  ", record.read_text(encoding="utf-8", errors="replace"))
    if not found:
        raise InputError(f"{record}: is not a line of sha256sum; delete it, the next use records the hash anew")
    return found[1]
