"""Files of results as the report reads them: those that exist, of the right preset, each with the hash that names its receipt."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from sra.core.errors import InputError
from sra.core.files import sha256_of_file
from sra.spec.base import Strict
from sra.spec.run import check_place

Record = TypeVar("Record", bound=Strict)  # a typed file that names its preset and run


@dataclass(frozen=True)
class RecordFile(Generic[Record]):
    """What a file says, and the SHA-256 of the file."""

    record: Record
    sha256: str


def read_of_preset(
    paths: Iterable[Path], preset_id: str, read: Callable[[Path], Record], what: str, identity: Callable[[Record], Hashable], twice: str
) -> list[RecordFile[Record]]:
    """The files among `paths` that exist, in their order. Raises InputError for one of another preset, and for a second one of the same identity.

    what: one of them in words, such as `score`.  twice: what the second one does again.
    """
    found: dict[Hashable, tuple[Path, RecordFile[Record]]] = {}
    for path in sorted({Path(path) for path in paths}):
        if not path.exists():
            continue
        record = read(path)
        if record.preset != preset_id:
            raise InputError(f"{path}: is a {what} of preset {record.preset}, expected {preset_id}; give that preset's {what.rpartition(' ')[2]}s")
        check_place(path, record.run)
        if (key := identity(record)) in found:
            raise InputError(f"{path}: {twice} as {found[key][0]}; remove one of the two files")
        found[key] = (path, RecordFile(record, sha256_of_file(path)))
    return [file for _, file in found.values()]
