"""Reading image archives without unpacking them: the same few questions to every kind of archive.

An archive holds `<split>/<class>/<file>`. To add a kind (a tar, a tree of class folders), write a class with the methods of
`ZipImages` and name it in `KINDS`.
"""

import zipfile
import zlib
from pathlib import Path, PurePosixPath

from sra.core.errors import InputError, unknown

SUFFIXES = (".png", ".jpg", ".jpeg")
LARGEST_MEMBER = 256 * 2**20  # bytes; ImageNet's largest file has 16 MB


class ZipImages:
    """A zip of images, open for reading. `files` and `folders` are the members' names, checked to stay inside the archive."""

    def __init__(self, path: Path):
        self.path = path
        try:
            self.zip = zipfile.ZipFile(path)
        except FileNotFoundError:
            raise InputError(f"{path}: no such file") from None
        except zipfile.BadZipFile as error:
            raise InputError(f"{path}: not a readable zip archive ({error}); fetch or build it again") from None
        members = self.zip.infolist()
        for member in members:
            check_name(path, member.filename)
            if member.file_size > LARGEST_MEMBER:
                raise InputError(f"{path}: member {member.filename!r} has {member.file_size} bytes, expected an image; remove it")
        self.files = [member.filename for member in members if not member.is_dir()]
        self.folders = [member.filename.rstrip("/") for member in members if member.is_dir()]

    def read(self, name: str) -> bytes:
        """The whole member; its CRC is checked."""
        try:
            return self.zip.read(name)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, KeyError) as error:
            raise InputError(f"{self.path}: member {name!r} cannot be read ({error}); fetch or build the archive again") from None

    def __enter__(self) -> "ZipImages":
        return self

    def __exit__(self, *error) -> None:
        self.zip.close()


KINDS = {".zip": ZipImages}


def open_archive(path: Path) -> ZipImages:
    """Open by suffix."""
    path = Path(path)
    if path.suffix not in KINDS:
        raise unknown("kind of archive", path.suffix, KINDS, where=str(path))
    return KINDS[path.suffix](path)


def check_name(archive: Path, name: str) -> None:
    """Refuse a member whose name would leave the folder it is unpacked in, on any system."""
    if name.startswith("/") or "\\" in name or ":" in name.split("/")[0] or ".." in PurePosixPath(name).parts:
        raise InputError(f"{archive}: member {name!r} leaves the archive; expected <split>/<class>/<file>; do not use this archive")


def split_and_class(archive: Path, name: str) -> tuple[str, str]:
    """`train/7/0001.png` -> ("train", "7"). Anything that is not an image two folders deep is refused."""
    parts = PurePosixPath(name).parts
    if len(parts) != 3:
        raise InputError(f"{archive}: member {name!r} is in the wrong place; expected <split>/<class>/<file>; move or remove it")
    if PurePosixPath(name).suffix.lower() not in SUFFIXES:
        raise InputError(f"{archive}: member {name!r} is not an image; expected {', '.join(SUFFIXES)}; remove it")
    return parts[0], parts[1]
