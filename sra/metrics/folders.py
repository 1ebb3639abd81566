"""A folder of images as a set of samples, as the released sampling scripts leave it: `{index:06d}.png`.

Kinds, sizes, modes and gaps are found from names and headers before any image is decoded; pixels are decoded slice by slice.
"""

import hashlib
import io
import os
import re
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from sra.core.errors import InputError
from sra.core.leftovers import passed_over, without_leftovers
from sra.core.progress import tracked
from sra.metrics.headers import Header, header_of, is_image

LISTED = 10  # names in an error
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")


class FolderImages:
    """The images of a folder as (N, H, W, 3) uint8 in the order of `files`; slices are decoded by several threads."""

    dtype = np.dtype(np.uint8)

    def __init__(self, root: Path, files: list[Path], size: tuple[int, int], notes: tuple[str, ...]):
        """size: (height, width) of every file."""
        self.root, self.files, self.notes = root, files, notes
        self.shape = (len(files), *size, 3)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, rows: slice) -> np.ndarray:
        files = self.files[rows]
        found = np.empty((len(files), *self.shape[1:]), np.uint8)
        with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
            for row, pixels in enumerate(pool.map(_pixels, files)):
                found[row] = pixels
        return found

    def sha256(self) -> str:
        """Hash of the list of names and contents: equal folders are equal sets."""
        whole = hashlib.sha256()
        for file in tracked(self.files, "hash the images", len(self.files), "files"):
            name = file.relative_to(self.root).as_posix()
            whole.update(f"{name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
        return whole.hexdigest()


def open_folder(folder: Path, allow_jpeg: bool = False, recursive: bool | None = None, what: str = "samples") -> FolderImages:
    """The images of `folder`, every header checked. Raises InputError listing up to ten files that are missing or differ.

    recursive: whether images in sub-folders belong to the set; None when nobody said it, and then a folder that has some is refused.
    what: `samples`, whose file names are their indices if they are numbers, or `reference images`, whose names may be any.
    """
    folder = Path(folder)
    names, left_behind = without_leftovers(_names(folder))
    here, below = ([folder / name for name in names if ("/" in name) == deep] for deep in (False, True))
    hidden = {file for file in (*here, *below) if any(part.startswith(".") for part in file.relative_to(folder).parts)}
    read = [file for file in (here + below if recursive else here) if file not in hidden]
    listing = tracked(read, f"read the headers of the {what}", len(read), "files") if read else ()
    headers = {file: header for file in listing if (header := header_of(file))}
    notes = [passed_over(what, left_behind)]
    if not recursive:
        notes.append(_left_below(folder, [file for file in below if file not in hidden], len(headers), recursive))
    if not headers:
        there = f" but {_listed(_name(folder, file) for file in here)}" if here else ""
        raise InputError(f"{folder}: holds no PNG files or other images{there}; give the folder or the file that the {what} themselves lie in")
    _check(folder, headers, allow_jpeg, what)
    files, order_notes = _in_order(folder, list(headers), what)
    notes += order_notes
    others = len(names if recursive else here) - len(headers)
    notes.append(f"{others} other files of the folder were not read" if others else "")
    notes += [*_lossy_note(headers, what), *_misnamed_note(headers)]
    return FolderImages(folder, files, _common_size(folder, headers), tuple(filter(None, notes)))


def _names(folder: Path) -> list[str]:
    """Every file below `folder`, by its path there, sorted. Links are followed, and a circle of them is walked once."""
    found, seen, waiting = [], set(), [folder]
    while waiting:
        current = waiting.pop()
        real = current.resolve()
        if real in seen:
            continue
        seen.add(real)
        for entry in current.iterdir():
            if entry.is_dir():
                waiting.append(entry)
            elif entry.is_file():
                found.append(entry.relative_to(folder).as_posix())
    return sorted(found)


def _left_below(folder: Path, below: list[Path], here: int, recursive: bool | None) -> str:
    """A note on the images in sub-folders that were left out as asked. Raises InputError where nobody asked."""
    counts = Counter(file.relative_to(folder).parts[0] for file in below if is_image(file))
    if not counts:
        return ""
    listed = _listed(f"{name} ({count})" for name, count in sorted(counts.items(), key=lambda item: _natural(item[0])))
    statement = f"{counts.total()} images lie in {len(counts)} sub-folders, {here} beside them: {listed}"
    if recursive is None:
        alone = "--no-recursive to leave those out, " if here else ""
        raise InputError(f"{folder}: {statement}; give --recursive to read all as one set, {alone}or one of the sub-folders alone")
    return f"{statement}; those in sub-folders were left out, as asked"


def _in_order(folder: Path, files: list[Path], what: str) -> tuple[list[Path], list[str]]:
    """By index where every name is one, else by name; folder by folder where sub-folders count for themselves."""
    folders = sorted({file.parent for file in files}, key=lambda one: _natural(one.relative_to(folder).as_posix()))
    place = {one: number for number, one in enumerate(folders)}
    notes = [f"images of {len(folders)} folders were read as one set"] if len(folders) > 1 else []
    if what != "samples" or not all(file.stem.isascii() and file.stem.isdigit() for file in files):
        notes += ["file names are no indices; images were taken in the order of their names"] if what == "samples" else []
        return sorted(files, key=lambda file: (place[file.parent], file.name if what == "samples" else _natural(file.name))), notes
    repeated = [count for count in Counter(int(file.stem) for file in files).values() if count > 1]
    if len(folders) == 1 or not repeated:
        return _by_index(folder, files), notes
    notes.append("every folder counts its images anew; they were taken folder by folder")
    return [file for one in folders for file in _by_index(one, [file for file in files if file.parent == one])], notes


def _by_index(folder: Path, files: list[Path]) -> list[Path]:
    """Raises InputError when an index is missing or stands for two files."""
    times = Counter(int(file.stem) for file in files)
    repeated = [str(index) for index, count in sorted(times.items()) if count > 1]
    if repeated:
        raise InputError(f"{folder}: index {_listed(repeated)} stands for more than one file; keep one of each")
    # Some count from 0, some from 1.
    first = min(times) if min(times) <= 1 else 0
    gaps = sorted(set(range(first, max(times) + 1)) - set(times))
    if gaps:
        raise InputError(f"{folder}: {len(gaps)} indices are missing: {_listed(map(str, gaps))}; draw those samples again")
    return sorted(files, key=lambda file: int(file.stem))


def _check(folder: Path, headers: dict[Path, Header], allow_jpeg: bool, what: str) -> None:
    lossy = {file: header for file, header in headers.items() if header.lossy}
    if lossy and not allow_jpeg:
        raise InputError(
            f"{folder}: {len(lossy)} files are {_kinds(lossy.values())} ({_listed(_name(folder, file) for file in lossy)}); "
            f"compression changes a score: save {what} as PNG, or give --allow-jpeg"
        )
    problems = [f"{_name(folder, file)} ({header.problem})" for file, header in headers.items() if header.problem]
    if problems:
        raise InputError(f"{folder}: {len(problems)} files are no 8-bit RGB images: {_listed(problems)}; save all {what} as 8-bit RGB PNG")


def _lossy_note(headers: dict[Path, Header], what: str) -> list[str]:
    lossy = [header for header in headers.values() if header.lossy]
    if not lossy:
        return []
    return [f"{len(lossy)} {what} are {_kinds(lossy)}; scores of compressed images are not comparable with those of PNG or npz"]


def _misnamed_note(headers: dict[Path, Header]) -> list[str]:
    """Content decides; a name that says otherwise is worth a word."""
    misnamed = [(file, header) for file, header in headers.items() if not header.named_so]
    if not misnamed:
        return []
    file, header = misnamed[0]
    return [f"{len(misnamed)} files hold another kind of image than their name says ({file.name}: {header.kind})"]


def _kinds(headers: Iterable[Header]) -> str:
    return " or ".join(sorted({"lossy WebP" if header.kind == "WebP image" else "JPEG" for header in headers}))


def _common_size(folder: Path, headers: dict[Path, Header]) -> tuple[int, int]:
    size, _ = Counter(header.size for header in headers.values()).most_common(1)[0]
    others = [f"{_name(folder, file)} ({_pixels_text(header.size)})" for file, header in headers.items() if header.size != size]
    if others:
        raise InputError(f"{folder}: most images are {_pixels_text(size)}, {len(others)} are not: {_listed(others)}; they must be of one size")
    return size


def _pixels(file: Path) -> np.ndarray:
    """One image decoded: (H, W, 3) uint8."""
    try:
        with Image.open(io.BytesIO(file.read_bytes()), formats=FORMATS) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{file}: cannot be decoded ({error}); draw that sample again") from None


def _name(folder: Path, file: Path) -> str:
    return file.relative_to(folder).as_posix()


def _natural(name: str) -> list[str | int]:
    """A key by which rank10 comes after rank9."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"([0-9]+)", name))]


def _pixels_text(size: tuple[int, int]) -> str:
    return f"{size[1]} x {size[0]} px"


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
