"""What the first bytes of an image file say: its kind, its size, and whether its pixels are 8-bit RGB kept without loss."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from sra.core.kinds import kind_of_bytes

HEAD = 64  # bytes: a PNG's header, a BMP's too
RGB_8_BIT = (8, 2)  # bit depth and colour type in a PNG's header
SUFFIXES = {
    "PNG image": (".png",),
    "JPEG image": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "WebP image": (".webp",),
    "BMP image": (".bmp", ".dib"),
    "GIF image": (".gif",),
    "TIFF image": (".tif", ".tiff"),
}
NAMED = {suffix: kind for kind, suffixes in SUFFIXES.items() for suffix in suffixes}
BMP_HEADERS = range(40, 125)  # bytes; what a file begins with that is a BMP and no text that begins with BM
BMP_ANY = (12, *BMP_HEADERS)
ALPHA, MOVING = 0x10, 0x02  # flags of an extended WebP


@dataclass(frozen=True)
class Header:
    """kind: by content.  size: (height, width).  lossy: whether compression changed the pixels.  named_so: whether the name says the same kind.

    problem: why the file cannot be a sample, None when it can.
    """

    kind: str
    size: tuple[int, int] = (0, 0)
    lossy: bool = False
    named_so: bool = True
    problem: str | None = None


def is_image(file: Path) -> bool:
    """Whether the content of a file is an image, or its name says so."""
    with file.open("rb") as opened:
        return _kind(opened.read(HEAD)) in SUFFIXES or file.suffix.lower() in NAMED


def header_of(file: Path) -> Header | None:
    """The header of a file; None for one that is no image by its content nor by its name."""
    with file.open("rb") as opened:
        head = opened.read(HEAD)
    kind, named = _kind(head), NAMED.get(file.suffix.lower())
    if kind not in SUFFIXES:
        return Header(kind, problem="no image inside" if kind == "unknown" else kind) if named else None
    size, lossy, problem = READERS.get(kind, _other)(file, head)
    if problem is None and size[0] * size[1] > Image.MAX_IMAGE_PIXELS:  # a lie would take as much memory
        problem = f"{size[1]} x {size[0]} pixels"
    # Other suffixes than those of images say nothing.
    return Header(kind, size, lossy, named in (None, kind), problem)


Read = tuple[tuple[int, int], bool, str | None]  # size, lossy, problem


def _kind(head: bytes) -> str:
    kind = kind_of_bytes(head)
    return "unknown" if kind == "BMP image" and int.from_bytes(head[14:18], "little") not in BMP_ANY else kind


def _png(file: Path, head: bytes) -> Read:
    if len(head) < 26:
        return (0, 0), False, "cut short"
    depth = (head[24], head[25])
    # Pillow reads 16 bits a channel as 8 without a word, so the file itself is asked.
    return (
        (int.from_bytes(head[20:24]), int.from_bytes(head[16:20])),
        False,
        None if depth == RGB_8_BIT else f"bit depth {depth[0]}, colour type {depth[1]}",
    )


def _bmp(file: Path, head: bytes) -> Read:
    """Of the usual header, which later versions only lengthen; a negative height is an image from the top down."""
    if int.from_bytes(head[14:18], "little") not in BMP_HEADERS or len(head) < 34:
        return (0, 0), False, "BMP of an old kind"
    width, height = (int.from_bytes(head[at : at + 4], "little", signed=True) for at in (18, 22))
    bits, compression = int.from_bytes(head[28:30], "little"), int.from_bytes(head[30:34], "little")
    return (abs(height), abs(width)), False, None if (bits, compression) == (24, 0) else f"BMP of {bits} bits a pixel, compression {compression}"


def _jpeg(file: Path, head: bytes) -> Read:
    size, problem = _opened(file, "JPEG")
    return size, True, problem


def _webp(file: Path, head: bytes) -> Read:
    """A lossless stream is VP8L, a lossy one VP8; an extended file says first what it has beside the stream."""
    chunk = head[12:16]
    if chunk == b"VP8X":
        flags = head[20] if len(head) > 20 else 0
        if flags & (ALPHA | MOVING):
            return (0, 0), False, "WebP with transparency" if flags & ALPHA else "moving WebP"
        chunk = _stream_of(file)
    size, problem = _opened(file, "WEBP")
    return size, chunk != b"VP8L", problem


def _stream_of(file: Path) -> bytes:
    """The name of the chunk that holds the pixels; empty when there is none."""
    with file.open("rb") as opened:
        opened.seek(12)
        while len(head := opened.read(8)) == 8:
            if head[:4] in (b"VP8L", b"VP8 "):
                return head[:4]
            length = int.from_bytes(head[4:], "little")
            opened.seek(length + length % 2, 1)
    return b""


def _opened(file: Path, form: str) -> tuple[tuple[int, int], str | None]:
    try:
        with Image.open(file, formats=(form,)) as image:
            return (image.height, image.width), None if image.mode == "RGB" else f"mode {image.mode}"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return (0, 0), str(error).replace(str(file), file.name)


def _other(file: Path, head: bytes) -> Read:
    return (0, 0), False, kind_of_bytes(head)


READERS = {"PNG image": _png, "JPEG image": _jpeg, "WebP image": _webp, "BMP image": _bmp}
