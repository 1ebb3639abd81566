"""A folder of PNGs as a set of samples, as the released sampling scripts leave it: `{index:06d}.png`.

Sizes, modes and gaps are found from names and headers before any image is decoded; pixels are decoded slice by slice.
"""

import hashlib
import io
import os
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sra.core.errors import InputError
from sra.core.progress import tracked

LISTED = 10  # names in an error
PNG, JPEG = ".png", (".jpg", ".jpeg")
PNG_SIGNATURE, JPEG_SIGNATURE = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
RGB_8_BIT = (8, 2)  # bit depth and colour type in a PNG's header


@dataclass(frozen=True)
class Header:
    """What the first bytes of a file say. problem: why it cannot be a sample, None when it can."""

    size: tuple[int, int]
    problem: str | None = None


class FolderImages:
    """The images of a folder as (N, H, W, 3) uint8 in the order of `files`; slices are decoded by several threads."""

    dtype = np.dtype(np.uint8)

    def __init__(self, files: list[Path], size: tuple[int, int], notes: tuple[str, ...]):
        """size: (height, width) of every file."""
        self.files, self.notes = files, notes
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
        for file in tracked(self.files, "hash the samples", len(self.files), "files"):
            whole.update(f"{file.name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
        return whole.hexdigest()


def open_folder(folder: Path, allow_jpeg: bool = False) -> FolderImages:
    """The images of `folder`, every header checked. Raises InputError listing up to ten files that are missing or differ."""
    everything = sorted(file for file in Path(folder).iterdir() if file.is_file() and not file.name.startswith("."))
    jpegs = [file for file in everything if file.suffix.lower() in JPEG]
    if jpegs and not allow_jpeg:
        raise InputError(
            f"{folder}: {len(jpegs)} files are JPEG ({_listed(file.name for file in jpegs)}); compression changes a score: "
            "save samples as PNG, or give --allow-jpeg"
        )
    files = [file for file in everything if file.suffix.lower() == PNG] + jpegs
    if not files:
        raise InputError(f"{folder}: holds no {'images' if allow_jpeg else 'PNG files'}; give the folder that the samples themselves lie in")
    files, notes = _in_order(Path(folder), files)
    if len(files) < len(everything):
        notes.append(f"{len(everything) - len(files)} other files of the folder were not read")
    if jpegs:
        notes.append(f"{len(jpegs)} samples are JPEG; scores of compressed images are not comparable with those of PNG or npz")
    return FolderImages(files, _common_size(Path(folder), files, allow_jpeg), tuple(notes))


def _in_order(folder: Path, files: list[Path]) -> tuple[list[Path], list[str]]:
    """By index where every name is one, else by name."""
    if not all(file.stem.isascii() and file.stem.isdigit() for file in files):
        return sorted(files, key=lambda file: file.name), ["file names are no indices; images were taken in the order of their names"]
    times = Counter(int(file.stem) for file in files)
    repeated = [str(index) for index, count in sorted(times.items()) if count > 1]
    if repeated:
        raise InputError(f"{folder}: index {_listed(repeated)} stands for more than one file; keep one of each")
    # Some count from 0, some from 1.
    first = min(times) if min(times) <= 1 else 0
    gaps = sorted(set(range(first, max(times) + 1)) - set(times))
    if gaps:
        raise InputError(f"{folder}: {len(gaps)} indices are missing: {_listed(map(str, gaps))}; draw those samples again")
    return sorted(files, key=lambda file: int(file.stem)), []


def _common_size(folder: Path, files: list[Path], allow_jpeg: bool) -> tuple[int, int]:
    headers = {file: _header(file, allow_jpeg) for file in tracked(files, "read the headers of the samples", len(files), "files")}
    problems = [f"{file.name} ({header.problem})" for file, header in headers.items() if header.problem]
    if problems:
        raise InputError(f"{folder}: {len(problems)} files are no 8-bit RGB images: {_listed(problems)}; save every sample as 8-bit RGB PNG")
    size, _ = Counter(header.size for header in headers.values()).most_common(1)[0]
    others = [f"{file.name} ({_pixels_text(header.size)})" for file, header in headers.items() if header.size != size]
    if others:
        raise InputError(f"{folder}: most images are {_pixels_text(size)}, {len(others)} are not: {_listed(others)}; samples must be of one size")
    return size


def _header(file: Path, allow_jpeg: bool) -> Header:
    with file.open("rb") as opened:
        head = opened.read(26)
        if head.startswith(PNG_SIGNATURE) and len(head) == 26:
            width, height = int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
            kind = (head[24], head[25])
            if width * height > Image.MAX_IMAGE_PIXELS:  # a lie would take as much memory
                return Header((height, width), f"{width} x {height} pixels")
            # Pillow reads 16 bits a channel as 8 without a word, so the file itself is asked.
            return Header((height, width), None if kind == RGB_8_BIT else f"bit depth {kind[0]}, colour type {kind[1]}")
        if not head.startswith(JPEG_SIGNATURE):
            return Header((0, 0), "neither PNG nor JPEG")
        if not allow_jpeg:
            return Header((0, 0), "a JPEG inside")
        opened.seek(0)
        try:
            with Image.open(opened, formats=("JPEG",)) as image:
                return Header((image.height, image.width), None if image.mode == "RGB" else f"mode {image.mode}")
        except (OSError, SyntaxError, ValueError) as error:
            return Header((0, 0), str(error))


def _pixels(file: Path) -> np.ndarray:
    """One image decoded: (H, W, 3) uint8."""
    try:
        with Image.open(io.BytesIO(file.read_bytes()), formats=("PNG", "JPEG")) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{file}: cannot be decoded ({error}); draw that sample again") from None


def _pixels_text(size: tuple[int, int]) -> str:
    return f"{size[1]} x {size[0]} px"


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
