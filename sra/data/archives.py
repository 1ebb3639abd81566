"""Reading collections of images without unpacking them: the same few questions to a zip, a tar (of tars) and a folder.

Where among their files the images lie is found in `sra.data.places`. What a collection is its first bytes say, not its suffix. To add a kind,
write a class with the methods of `ZipImages` and name it in `open_archive`. Names are checked to stay inside before anything is read.
"""

import gzip
import os
import stat
import zipfile
import zlib
from functools import cached_property
from pathlib import Path, PurePosixPath

from sra.core.errors import InputError, unknown
from sra.core.kinds import HEAD, kind_of, kind_of_bytes
from sra.core.leftovers import is_leftover, without_leftovers
from sra.core.zips import checked_members
from sra.data.tars import Span, read_span, tar_spans

LARGEST_MEMBER = 256 * 2**20  # bytes; ImageNet's largest file has 16 MB
DEPTH = 7  # imagenet-object-localization-challenge/ILSVRC/Data/CLS-LOC/train/<class>/<file>


class ZipImages:
    """A zip of images, open for reading. `files` and `folders` are the members' names, checked to stay inside the archive.

    passed_over: how many more there are that operating systems leave.
    """

    is_folder = False

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
        self.files, self.passed_over = without_leftovers(member.filename for member in members if not member.is_dir())
        self.folders, _ = without_leftovers(member.filename.rstrip("/") for member in members if member.is_dir())

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

    is_folder = False

    def __init__(self, path: Path, spans: dict[str, Span] | None = None):
        self.path = path
        self.file = path.open("rb")
        if spans is None:
            try:
                members, folders = tar_spans(path, self.file)
                for name, (_, size) in members:
                    check_name(path, name)
                    check_size(path, name, size)
            except InputError:
                self.file.close()
                raise
            spans = dict(members)
            self.files, self.passed_over = without_leftovers(name for name, _ in members)
            self.folders, _ = without_leftovers(folders)
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

    is_folder = True

    def __init__(self, path: Path):
        self.path = path

    @cached_property
    def _listing(self) -> tuple[list[str], list[str], int]:
        """Files, folders, and how many leftovers were passed over; what lies in a folder of leftovers is not looked at."""
        files, folders, left = [], [], 0
        waiting = [(self.path, "", frozenset({_identity(self.path)}))]
        while waiting:
            folder, prefix, above = waiting.pop()
            with os.scandir(folder) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    name = prefix + entry.name
                    if is_leftover(entry.name):
                        left += 1
                    # A folder deeper than an image may lie is listed as a file, and refused as misplaced; so is a link to a folder above it.
                    elif not entry.is_dir() or len(above) == DEPTH or (identity := _identity(Path(entry.path))) in above:
                        files.append(name)
                    else:
                        folders.append(name)
                        waiting.append((Path(entry.path), f"{name}/", above | {identity}))
        return files, folders, left

    @property
    def files(self) -> list[str]:
        return self._listing[0]

    @property
    def folders(self) -> list[str]:
        return self._listing[1]

    @property
    def passed_over(self) -> int:
        return self._listing[2]

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


def _identity(folder: Path) -> tuple[int, int]:
    """What identifies a folder: the same for every path and link to it."""
    found = folder.stat()
    return found.st_dev, found.st_ino


Images = ZipImages | TarImages | FolderImages
SUFFIXES_OF = {".zip": ZipImages, ".tar": TarImages}  # where the first bytes say nothing


def open_archive(path: Path, spans: dict[str, Span] | None = None) -> Images:
    """Open a folder, a zip or a tar. spans: recorded places of a tar's members. Raises InputError saying what to do with what it is instead."""
    path = Path(path)
    if path.is_dir():
        return FolderImages(path)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    kind = kind_of(path)
    if kind.name == "tar archive" or (kind.name == "unknown" and path.suffix.lower() == ".tar"):
        return TarImages(path, spans)
    if kind.name.endswith("zip archive") or (kind.name == "unknown" and path.suffix.lower() == ".zip"):
        return ZipImages(path)
    if kind.name == "gzip file" and _holds_a_tar(path):
        unpack = f"unpack it (gunzip {path.name}) and give the tar, which needs no further unpacking"
        raise InputError(f"{path}: is a gzip'd tar, in which an image is found only by unpacking all before it; {unpack}")
    if kind.name == "unknown":
        raise unknown("kind of archive", path.suffix, SUFFIXES_OF, where=str(path))
    article = "an" if kind.name.startswith(("empty", "HDF5", "npz")) else "a"
    raise InputError(f"{path}: is {article} {kind.name}, expected a folder, zip or tar of images; {kind.advice or 'give that'}")


def _holds_a_tar(path: Path) -> bool:
    try:
        with gzip.open(path) as file:
            return kind_of_bytes(file.read(HEAD)) == "tar archive"
    except (OSError, EOFError, zlib.error):
        return False


def check_name(archive: Path, name: str) -> None:
    """Refuse a member whose name would leave the folder it is unpacked in, on any system."""
    if name.startswith("/") or "\\" in name or ":" in name.split("/")[0] or ".." in PurePosixPath(name).parts:
        raise InputError(f"{archive}: member {name!r} leaves the archive; expected <split>/<class>/<file>; do not use this archive")


def check_size(archive: Path, name: str, size: int) -> None:
    if size > LARGEST_MEMBER:
        raise InputError(f"{archive}: member {name!r} has {size} bytes, expected an image; move it elsewhere")
