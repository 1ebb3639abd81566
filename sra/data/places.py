"""Where in a collection its images lie, found from the names alone: `<split>/<class>/<file>` or `<class>/<file>`, at the top or further down.

ImageNet as Kaggle packs it has its class folders in `ILSVRC/Data/CLS-LOC/train`, beside a flat `val` and XML annotations of the same names.
What lies beside them is left out with a note. Nothing is guessed: two places that could be meant are both named and refused.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sra.core.errors import InputError
from sra.core.kinds import kind_of_bytes
from sra.core.leftovers import passed_over

SUFFIXES = (".png", ".jpg", ".jpeg")
EXPECTED = "<split>/<class>/<file> or <class>/<file>"
SPLITS = ("train", "val", "valid", "validation", "test", "held_out")
FLAT = SPLITS[1:5]  # whose images have no class in ImageNet's own files
SHOWN = 5  # places in an error


class Collection(Protocol):
    """What `sra.data.archives` opens. `passed_over`: files that operating systems leave, of which `files` has none."""

    path: Path
    files: list[str]
    folders: list[str]
    passed_over: int
    is_folder: bool

    def read(self, name: str) -> bytes: ...


@dataclass(frozen=True)
class Places:
    """of: split and class of each image.  class_folders: the same of every class folder, with images or without, and its name.  notes: what
    was left out, and where the images were found when not at the top.
    """

    of: dict[str, tuple[str, str]]
    class_folders: dict[tuple[str, str], str]
    notes: list[str]


def places_of(source: Collection) -> Places:
    """Splits and classes of a collection. Raises InputError naming the first file that is in the wrong place, or the places that could be meant."""
    files = source.files
    images = [name for name in files if is_image(name)]
    if not files:
        raise InputError(f"{source.path}: holds no images; expected {EXPECTED}")
    if all("/" not in name for name in images):
        raise misplaced(source, (images or files)[0])
    bases, flat = _bases(source, [name for name in images if "/" in name])
    top, splits = _splits(source, bases, images)
    of = {name: (splits[_base(name)], name.split("/")[-2]) for name in images if _base(name) in splits}
    if of and all(label.lower() in SPLITS for _, label in of.values()):  # splits of images without classes, which are no classes themselves
        raise misplaced(source, next(iter(of)))
    beside = _beside(source, top, of, flat)
    folders = {(splits[_parent(name)], name.rpartition("/")[2]): name for name in source.folders if _parent(name) in splits}
    folders |= {place: name.rpartition("/")[0] for name, place in of.items()}
    return Places(of, folders, _notes(source, top, splits, flat, beside))


def is_image(name: str) -> bool:
    """Whether a name ends as an image's; what a file is in truth its bytes show when it is decoded."""
    return name.lower().endswith(SUFFIXES)


def _base(name: str) -> str | None:
    """The folder of the class folders: `a/train/cat/0.png` -> "a/train", `cat/0.png` -> "". None for a file in no folder."""
    parts = name.split("/")
    return "/".join(parts[:-2]) if len(parts) > 1 else None


def _bases(source: Collection, images: list[str]) -> tuple[Counter[str], dict[str, int]]:
    """How many images lie in class folders of each folder, and how many without a class in each flat `val` or `test` beside such folders."""
    bases = Counter(_base(name) for name in images)
    flat: Counter[str] = Counter()
    for top in list(bases):
        has_splits = any(_parent(base) == top for base in bases if base != top)
        folders = [name.rpartition("/")[0] for name in images if _base(name) == top] if has_splits else []
        if folders and all(folder.rpartition("/")[2].lower() in FLAT for folder in folders):
            flat.update(folders)
            del bases[top]
    return bases, dict(flat)


def _splits(source: Collection, bases: Counter[str], images: list[str]) -> tuple[str, dict[str, str]]:
    """The folder below which everything must be in place, and the split of each folder of class folders."""
    if len(bases) == 1:
        base = next(iter(bases))
        name = base.rpartition("/")[2]
        return (_parent(base), {base: name.lower()}) if name.lower() in SPLITS else (base, {base: "train"})
    tops = {_parent(base) for base in bases}
    if "" not in bases and len(tops) == 1:
        return tops.pop(), {base: base.rpartition("/")[2] for base in bases}
    inside = [base for base in bases if any(_is_below(base, other) or _is_below(other, base) for other in bases if other != base)]
    if inside:  # an image too deep or not deep enough among others
        fewest = min(inside, key=lambda base: (bases[base], base))
        raise misplaced(source, next(name for name in images if _base(name) == fewest))
    shown = ", ".join(str(source.path / base) if source.is_folder else base for base in sorted(bases)[:SHOWN]) + (
        ", ..." if len(bases) > SHOWN else ""
    )
    remedy = "give the one that is meant" if source.is_folder else "pack the one that is meant alone"
    raise InputError(f"{source.path}: holds class folders in {len(bases)} places: {shown}; {remedy}")


def _beside(source: Collection, top: str, of: dict, flat: dict[str, int]) -> int:
    """How many files lie outside of `top`. Raises InputError for the first one in it that is no image in its place."""
    outside = 0
    for name in source.files:
        if name in of or name.rpartition("/")[0] in flat:
            continue
        if not top or _is_below(name, top):
            raise misplaced(source, name)
        outside += 1
    return outside


def _notes(source: Collection, top: str, splits: dict[str, str], flat: dict[str, int], beside: int) -> list[str]:
    left = [f"{folder} ({count} images without a class)" for folder, count in sorted(flat.items())]
    left += [f"{beside} other {'file' if beside == 1 else 'files'}"] if beside else []
    where = source.path.name  # notes are recorded, and whose disk it is is nobody's business
    notes = [passed_over(where, source.passed_over)] if source.passed_over else []
    if top or left:
        taken = " and ".join(sorted(base or "its class folders" for base in splits))
        notes.append(f"{where}: images taken from {taken}" + (f"; left out: {', '.join(left)}" if left else ""))
    return notes


def misplaced(source: Collection, name: str) -> InputError:
    """The error for a file that is no image in its place, with what to do with what it is."""
    kind, where = content_kind(source, name), f"{source.path}: member {name!r}"
    away = "move it elsewhere" if source.is_folder else "pack the archive without it"
    deep = 2 <= len(name.split("/")) <= 3
    if kind == "folder":
        return InputError(f"{where} is in the wrong place: a folder so deep, or a link to one above it; expected {EXPECTED}; {away}")
    if is_image(name):
        return InputError(f"{where} is in the wrong place, its class cannot be told; expected {EXPECTED}; move it into the folder of its class")
    if not deep:
        return InputError(f"{where} is in the wrong place: {kind} among the class folders; expected {EXPECTED}; {away}")
    if kind in ("PNG image", "JPEG image"):
        return InputError(f"{where} is a {kind} whose name says nothing of it; expected {', '.join(SUFFIXES)}; rename it")
    if kind.endswith("image"):
        return InputError(f"{where} is a {kind}, expected PNG or JPEG; convert it, or {away}")
    return InputError(f"{where} is not an image but {kind}; expected {', '.join(SUFFIXES)}; {away}")


def content_kind(source: Collection, name: str) -> str:
    """The kind of a file by its content, in words, as in "not an image but text"."""
    if source.is_folder and (source.path / name).is_dir():
        return "folder"
    try:
        head = source.read(name)[:512]
    except InputError:
        return "a file that cannot be read"
    kind = kind_of_bytes(head)
    if kind == "unknown":
        return "text" if _is_text(head) else "another kind of file"
    return kind


def _is_text(head: bytes) -> bool:
    try:
        return (
            head.decode("utf-8", errors="strict" if len(head) < 512 else "ignore").replace("\r", "").replace("\n", "").replace("\t", "").isprintable()
        )
    except UnicodeDecodeError:
        return False


def _parent(base: str) -> str:
    return base.rpartition("/")[0]


def _is_below(name: str, folder: str) -> bool:
    return not folder or name.startswith(f"{folder}/")
