"""Reading collections of images without unpacking them: the same few questions to a zip, a tar (of tars) and a folder.

Each holds `<split>/<class>/<file>`, or `<class>/<file>` alone, which is one split named `train`. To add a kind, write a class with the
methods of `ZipImages` and name it in `KINDS`. Names are checked to stay inside before anything is read.
"""

import stat
import zipfile
import zlib
from functools import cached_property
from pathlib import Path, PurePosixPath

from sra.core.errors import InputError, unknown
from sra.core.zips import checked_members
from sra.data.tars import Span, read_span, tar_spans

SUFFIXES = (".png", ".jpg", ".jpeg")
LARGEST_MEMBER = 256 * 2**20  # bytes; ImageNet's largest file has 16 MB
DEPTH = 3  # <split>/<class>/<file>


class ZipImages:
    """A zip of images, open for reading. `files` and `folders` are the members' names, checked to stay inside the archive."""

    def __init__(self, path: Path):
        self.path = path
        try:
            self.zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:  # no zip, or of a kind that Python does not read
            raise InputError(f"{path}: not a readable zip archive ({error}); fetch or build it again") from None
        members = checked_members(path, self.zip)
        for member in members:
            check_name(path, member.filename)
            check_size(path, member.filename, member.file_size)
            if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise InputError(f"{path}: member {member.filename!r} is a link or a device, expected an image; do not use this archive")
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


class TarImages:
    """An uncompressed tar of class folders, or of one tar a class (`n01440764.tar` is the folder `n01440764`), read by offset.

    spans: where each member lies, as an index recorded it; without them every header is read once.
    """

    def __init__(self, path: Path, spans: dict[str, Span] | None = None):
        self.path = path
        self.file = path.open("rb")
        if spans is None:
            try:
                self.members, self.folders = tar_spans(path, self.file)
                for name, (_, size) in self.members:
                    check_name(path, name)
                    check_size(path, name, size)
            except InputError:
                self.file.close()
                raise
            spans = dict(self.members)
            self.files = [name for name, _ in self.members]
        self.spans = spans

    def read(self, name: str) -> bytes:
        """The whole member. A tar has no checksum of contents: the index keeps one of each image."""
        content = read_span(self.file, self.spans[name])
        if len(content) != self.spans[name][1]:
            raise InputError(f"{self.path}: member {name!r} cannot be read (the archive ends inside it); fetch the archive again")
        return content

    def __enter__(self) -> "TarImages":
        return self

    def __exit__(self, *error) -> None:
        self.file.close()


class FolderImages:
    """A folder of class folders. Links are followed: it is the user's own disk, and subsets are often made of links."""

    def __init__(self, path: Path):
        self.path = path

    @cached_property
    def _listing(self) -> tuple[list[str], list[str]]:
        files, folders, waiting = [], [], [(self.path, "", 1)]
        while waiting:
            folder, prefix, depth = waiting.pop()
            for entry in sorted(folder.iterdir()):
                name = prefix + entry.name
                # A folder deeper than an image may lie is listed as a file, and refused as misplaced; a circle of links ends here too.
                if entry.is_dir() and depth < DEPTH:
                    folders.append(name)
                    waiting.append((entry, f"{name}/", depth + 1))
                else:
                    files.append(name)
        return files, folders

    @property
    def files(self) -> list[str]:
        return self._listing[0]

    @property
    def folders(self) -> list[str]:
        return self._listing[1]

    def read(self, name: str) -> bytes:
        check_name(self.path, name)
        file = self.path / name
        try:
            if not file.is_file():
                raise InputError(f"{self.path}: file {name!r} is missing or no regular file; put the image there")
            check_size(self.path, name, file.stat().st_size)
            return file.read_bytes()
        except OSError as error:
            raise InputError(f"{self.path}: file {name!r} cannot be read ({error.strerror}); copy it again or fix its rights") from None

    def __enter__(self) -> "FolderImages":
        return self

    def __exit__(self, *error) -> None:
        pass


Images = ZipImages | TarImages | FolderImages
KINDS = {".zip": ZipImages, ".tar": TarImages}


def open_archive(path: Path, spans: dict[str, Span] | None = None) -> Images:
    """Open a folder, or a file by its suffix. spans: recorded places of a tar's members."""
    path = Path(path)
    if path.is_dir():
        return FolderImages(path)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if path.suffix not in KINDS:
        raise unknown("kind of archive", path.suffix, KINDS, where=str(path))
    return TarImages(path, spans) if path.suffix == ".tar" else ZipImages(path)


def check_name(archive: Path, name: str) -> None:
    """Refuse a member whose name would leave the folder it is unpacked in, on any system."""
    if name.startswith("/") or "\\" in name or ":" in name.split("/")[0] or ".." in PurePosixPath(name).parts:
        raise InputError(f"{archive}: member {name!r} leaves the archive; expected <split>/<class>/<file>; do not use this archive")


def check_size(archive: Path, name: str, size: int) -> None:
    if size > LARGEST_MEMBER:
        raise InputError(f"{archive}: member {name!r} has {size} bytes, expected an image; remove it")


def places_of(archive: Path, files: list[str]) -> dict[str, tuple[str, str]]:
    """Split and class of each file: `train/7/0001.png` -> ("train", "7"). Where every file lies one folder deep, the split is `train`."""
    alone = all(len(PurePosixPath(name).parts) == DEPTH - 1 for name in files)
    return {name: ("train", split_and_class(archive, f"train/{name}", name)[1]) if alone else split_and_class(archive, name) for name in files}


def split_and_class(archive: Path, name: str, shown: str = "") -> tuple[str, str]:
    """`train/7/0001.png` -> ("train", "7"). Anything that is not an image two folders deep is refused, by the name that is `shown`."""
    parts, shown = PurePosixPath(name).parts, shown or name
    if len(parts) != DEPTH:
        raise InputError(f"{archive}: member {shown!r} is in the wrong place; expected <split>/<class>/<file>; move or remove it")
    if PurePosixPath(name).suffix.lower() not in SUFFIXES:
        raise InputError(f"{archive}: member {shown!r} is not an image; expected {', '.join(SUFFIXES)}; remove it")
    return parts[0], parts[1]
