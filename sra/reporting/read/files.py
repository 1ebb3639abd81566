"""Files of results as the report reads them: those that exist, of the right preset, each with the hash that names its receipt."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

from sra.core.errors import InputError
from sra.core.files import sha256_of_file
from sra.spec.run import check_place


class OfPreset(Protocol):
    preset: str
    run: str


Record = TypeVar("Record", bound=OfPreset)


def read_of_preset(paths: Iterable[Path], preset_id: str, read: Callable[[Path], Record], what: str) -> Iterator[tuple[Path, Record, str]]:
    """Path, record and SHA-256 of the files among `paths` that exist, in order. Raises InputError for one of another preset.

    what: one of them in words, such as `score`.
    """
    for path in sorted({Path(path) for path in paths}):
        if not path.exists():
            continue
        record = read(path)
        if record.preset != preset_id:
            raise InputError(f"{path}: is a {what} of preset {record.preset}, expected {preset_id}; give that preset's {what.rpartition(' ')[2]}s")
        check_place(path, record.run)
        yield path, record, sha256_of_file(path)
