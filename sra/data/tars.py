"""Where the images lie in an uncompressed tar, or in the tars inside it: ILSVRC2012_img_train.tar holds one tar a class.

Only headers are read. A member is then read by its offset from the start of the outermost file, so nothing is unpacked and one open file
serves all.
"""

import os
import tarfile
from pathlib import Path
from typing import BinaryIO

from sra.core.errors import InputError
from sra.core.leftovers import is_leftover

Span = tuple[int, int]  # offset in the outermost file, size; bytes


class Window:
    """A part of a file, as a file of its own: what `tarfile` needs to read a tar inside a tar."""

    def __init__(self, file: BinaryIO, span: Span):
        self.file, (self.start, self.size), self.place = file, span, 0

    def read(self, size: int) -> bytes:
        content = read_span(self.file, (self.start + self.place, max(0, min(size, self.size - self.place))))
        self.place += len(content)
        return content

    def seek(self, place: int) -> None:
        self.place = place

    def tell(self) -> int:
        return self.place


def read_span(file: BinaryIO, span: Span) -> bytes:
    """Read the bytes of a span by their position, so that processes that share the open file do not move each other's place in it."""
    return os.pread(file.fileno(), span[1], span[0])


def tar_spans(path: Path, file: BinaryIO) -> tuple[list[tuple[str, Span]], list[str]]:
    """Every file with its span, and every folder; members of `<class>.tar` are named `<class>/<file>`.

    Raises InputError for links, devices, and a tar that is damaged or cut short.
    """
    files, folders = [], []
    for name, span in _members(path, str(path), file, (0, path.stat().st_size), folders):
        if name.lower().endswith(".tar") and not is_leftover(name):
            folder = name[: -len(".tar")]
            folders.append(folder)
            inside: list[str] = []
            files += [(f"{folder}/{inner}", where) for inner, where in _members(path, f"{path}: {name}", file, span, inside)]
            folders += [f"{folder}/{inner}" for inner in inside]
        else:
            files.append((name, span))
    return files, folders


def _members(path: Path, shown: str, file: BinaryIO, span: Span, folders: list[str]) -> list[tuple[str, Span]]:
    """The regular files of one tar. Folders are added to `folders`."""
    window, found = Window(file, span), []
    try:
        with tarfile.open(fileobj=window, mode="r:") as tar:
            for member in tar:
                name = member.name.removeprefix("./")
                if member.isdir():
                    folders.extend([name] if name != "." else [])
                    continue
                if not member.isreg() or member.issparse():
                    raise InputError(f"{shown}: member {name!r} is a link or a device, expected an image; do not use this archive")
                if not 0 <= member.size <= span[1] - member.offset_data:
                    raise InputError(f"{shown}: is cut short inside member {name!r}; fetch or build it again")
                found.append((name, (span[0] + member.offset_data, member.size)))
            end = tar.offset
    except (tarfile.TarError, OSError) as error:
        raise InputError(f"{shown}: not a readable tar archive ({error}); fetch or build it again") from None
    # A damaged header in the middle ends tarfile's list without a word; a true end is empty or zeros.
    window.seek(end)
    if any(window.read(tarfile.BLOCKSIZE)):
        raise InputError(f"{shown}: its header at byte {end} is damaged; fetch or build it again")
    return found
