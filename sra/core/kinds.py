"""What a file is, told by its first bytes and never by its name: so that an error can say what to do with that file."""

import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

HEAD = 512  # bytes; a tar's first header
PICKLE_STARTS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")  # the opcode PROTO and its number
SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG image"),
    (b"\xff\xd8\xff", "JPEG image"),
    (b"GIF8", "GIF image"),
    (b"BM", "BMP image"),
    (b"II*\0", "TIFF image"),
    (b"MM\0*", "TIFF image"),
    (b"\x93NUMPY", "NumPy array (.npy)"),
    (b"\x89HDF\r\n\x1a\n", "HDF5 file"),
    (b"\x1f\x8b", "gzip file"),
    (b"BZh", "bzip2 file"),
    (b"\xfd7zXZ\0", "xz file"),
    (b"7z\xbc\xaf'\x1c", "7-Zip archive"),
    (b"Rar!\x1a\x07", "RAR archive"),
    (b"\x28\xb5\x2f\xfd", "zstd file"),
    (b"%PDF-", "PDF"),
    (b"version https://git-lfs.github.com/spec/", "Git LFS pointer"),
)


@dataclass(frozen=True)
class Kind:
    """name: in words, as in "is a JPEG image".  advice: what to do with it where another kind was expected; empty when only the caller knows."""

    name: str
    advice: str = ""


def kind_of(path: Path) -> Kind:
    """The kind of a file or folder. Raises OSError when it cannot be opened."""
    path = Path(path)
    if path.is_dir():
        return Kind("folder", "give the file itself")
    with path.open("rb") as file:
        head = file.read(HEAD)
    name = kind_of_bytes(head)
    if name == "zip archive":
        name = _kind_of_zip(path)
    elif name == "unknown" and len(head) == HEAD and tarfile.is_tarfile(path):
        name = "tar archive"
    return Kind(name, _advice(name))


def kind_of_bytes(head: bytes) -> str:
    """The kind by the first bytes of a file, "unknown" when nothing is recognised; of archives only the outside is seen."""
    if not head:
        return "empty file"
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip archive"
    if head[257:262] == b"ustar":
        return "tar archive"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP image"
    found = next((name for start, name in SIGNATURES if head.startswith(start)), None)
    if found:
        return found
    if head.startswith(PICKLE_STARTS):
        return "Python pickle"
    if head[8:10] == b'{"' and int.from_bytes(head[:8], "little") < 1 << 32:
        return "safetensors file"
    start = head.lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<?xml", b"<head")):
        return "web page"
    if start[:1] in (b"{", b"["):
        return "JSON text"
    return "unknown"


def _kind_of_zip(path: Path) -> str:
    """A zip by its members: numpy's npz, torch's checkpoint, or any other."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return "broken zip archive"
    if names and all(name.endswith(".npy") for name in names):
        return "npz file"
    if any(name.endswith("/data.pkl") for name in names):
        return "torch checkpoint"
    return "zip archive"


def _advice(name: str) -> str:
    return {
        "empty file": "it was never written or its download broke off; fetch it again",
        "web page": "a download page was saved instead of the file; fetch the file itself",
        "Git LFS pointer": "the file itself is on the server; run git lfs pull",
        "broken zip archive": "its end is missing, so a download or copy broke off; fetch it again",
        "gzip file": "unpack it first (gunzip)",
        "bzip2 file": "unpack it first (bunzip2)",
        "xz file": "unpack it first (unxz)",
        "zstd file": "unpack it first (unzstd)",
        "7-Zip archive": "unpack it first",
        "RAR archive": "unpack it first",
        "Python pickle": "it would run code when read, so it is not; save its arrays with numpy.savez or its tensors with safetensors",
    }.get(name, "")
