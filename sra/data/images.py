"""The index of an image archive (what is in it, checked image by image) and reading a split through it.

The index is JSON: the archive (path relative to the index, SHA-256, bytes), `image_size`, `classes` (sorted; a label is a place in
this list), `splits` (number of images) and for each image its path, class, split, width and height.

An archive with a receipt was made here, and its own hash vouches for it. What users bring (a zip, a tar, a folder) has none: each image
then has its bytes and SHA-256 as well, checked when it is read, and the archive's SHA-256 is that of the list of its images, equal for
equal images in any kind of archive. Of a tar the index also keeps where each image begins.

Captioned images have an index of their own making (`sra.data.captions`), read here too: `archives` by split instead of one, images with
captions and no class, and the name of their `crop`.
"""

import hashlib
import os
import sys
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Annotated, Literal, NotRequired

import numpy as np
from pydantic import ConfigDict, Field, NonNegativeInt, PositiveInt, with_config
from typing_extensions import TypedDict  # pydantic takes Python's own from 3.12 on

from sra.core.errors import InputError, spelled_out, unknown
from sra.core.files import read_json, sha256_of_json, write_json
from sra.core.progress import tracked
from sra.core.receipts import checked_sha256, read_receipt, receipt_path, recorded_sha256, verify_contents
from sra.data.archives import Images, TarImages, ZipImages, open_archive
from sra.data.crops import CROPS
from sra.data.decoding import decoded
from sra.data.labels import has_labels, labelled_places
from sra.data.places import Places, places_of
from sra.spec.config import typed
from sra.spec.load import checked

LISTED = 10  # names in an error
LARGEST_SIDE = 4096  # pixels; a number of another size would take all memory
AHEAD = 1024  # images that threads decode before the index takes them
INDEX_KEYS = {"archive", "classes", "image_size", "images", "splits"}
REINDEX = "delete it and index the images again"


AS_READ = ConfigDict(strict=True, extra="allow")  # what is read is used as it is: 32.0 is no number of pixels


@with_config(AS_READ)
class _Archive(TypedDict):
    path: str
    sha256: str
    bytes: NonNegativeInt
    offsets: NotRequired[list[NonNegativeInt]]


_Entry = with_config(AS_READ)(
    TypedDict(
        "_Entry",
        {
            "path": str,
            "split": str,
            "class": NotRequired[str],
            "captions": NotRequired[Annotated[list[str], Field(min_length=1)]],
            "bytes": NotRequired[NonNegativeInt],
            "sha256": NotRequired[str],
        },
    )
)


@with_config(AS_READ)
class _Index(TypedDict):
    """What is read of an index."""

    image_size: Annotated[PositiveInt, Field(le=LARGEST_SIDE)]
    classes: list[str]
    splits: dict[str, PositiveInt]
    images: Annotated[list[_Entry], Field(min_length=1)]
    archive: NotRequired[_Archive]
    archives: NotRequired[dict[str, _Archive]]
    crop: NotRequired[Literal["adm", "lanczos"]]


@dataclass(frozen=True)
class Expected:
    """How large a data set is, over all splits. images: None for the user's own, of which `least` are needed.  classes: None for a subset, which
    may lack some.
    """

    images: int | None
    classes: int | None = None
    least: int = 0


def write_index(archive: Path, index_json: Path, image_size: int, expected: Expected | None = None, workers: int = 1) -> list[str]:
    """Decode every image of the archive once and write the index: images in the order of class and name. Returns what a person should know.

    expected: what it should hold, when the data set is known; counted before anything is decoded. Raises InputError naming the first member
    in the wrong place or outside the archive, a class folder without images, the classes behind a wrong count, or up to ten images that
    cannot be read (all of them are printed as they are found). workers: threads that decode.
    """
    archive, index_json = Path(archive), Path(index_json)
    with open_archive(archive) as source:
        _refuse_repeated(archive, source.files)
        places = _expected_part(archive, labelled_places(source) if has_labels(source) else places_of(source), expected)
        _refuse_other_counts(archive, places.of, expected)
        _refuse_empty_classes(archive, places)
        for note in places.notes:
            print(note, file=sys.stderr, flush=True)
        in_order = sorted(places.of, key=lambda name: (*places.of[name], name))
        facts = {name: {"class": places.of[name][1], "split": places.of[name][0]} for name in in_order}
        identity, images = described(source, facts, index_json, workers)
    write_json(
        index_json,
        {
            "archive": identity,
            "image_size": image_size,
            "classes": sorted({folder for _, folder in places.of.values()}),
            "splits": dict(Counter(split for split, _ in places.of.values())),
            "images": images,
        },
    )
    return places.notes


def described(source: Images, facts: dict[str, dict], index_json: Path, workers: int) -> tuple[dict, list[dict]]:
    """The index's entries of an open archive and of its images, in the order of `facts`: by name, what is known of an image but its file."""
    archive = source.path
    made_here = receipt_path(archive).exists()
    images = _checked_images(source, facts, hashed=not made_here, workers=workers)
    if made_here:
        identity = {"sha256": checked_sha256(archive), "bytes": archive.stat().st_size}
    else:
        total = sum(image["bytes"] for image in images) if archive.is_dir() else archive.stat().st_size
        identity = {"sha256": sha256_of_json([[image["path"], image["sha256"]] for image in images]), "bytes": total}
    if isinstance(source, TarImages):
        identity["offsets"] = [source.spans[image["path"]][0] for image in images]
    return {"path": Path(os.path.relpath(archive.resolve(), index_json.parent.resolve())).as_posix(), **identity}, images


def _checked_images(source: Images, facts: dict[str, dict], hashed: bool, workers: int) -> list[dict]:
    """The index's entry of every image. Raises InputError at the end, when some cannot be read."""
    images, unreadable, errors = [], [], []
    names, alone = list(facts), _turns(source)

    def entry(name: str) -> dict | InputError:
        try:
            with alone:
                content = source.read(name)
            width, height = decoded(source, name, content).size
        except InputError as error:
            return error
        image = {"path": name, "width": width, "height": height, **facts[name]}
        return image | {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} if hashed else image

    with _threads(workers) as pool:
        found = chain.from_iterable(pool.map(entry, names[first : first + AHEAD]) for first in range(0, len(names), AHEAD))
        for name, image in tracked(zip(names, found, strict=True), f"index {source.path.name}", len(names), "images"):
            if isinstance(image, InputError):
                print(f"unreadable: {spelled_out(image)}", file=sys.stderr, flush=True)
                unreadable.append(name)
                errors.append(image)
            else:
                images.append(image)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        shown = ", ".join(unreadable[:LISTED]) + (", ..." if len(unreadable) > LISTED else "")
        raise InputError(f"{source.path}: {len(unreadable)} images cannot be read: {shown}; the log says why and what to do with each")
    return images


class ImageSplit:
    """One split of an indexed archive, read image by image. `labels`: (N,) int64, places in `classes`; zeros where there are no classes."""

    def __init__(self, index: Path, split: str):
        """Raises InputError when the archive is missing or is not the one that was indexed."""
        content = _read_index(Path(index))
        if split not in content["splits"]:
            raise unknown("split", split, content["splits"], where=str(index))
        self.index = index
        mine = [image for image in content["images"] if image["split"] == split]
        recorded = content["archives"][split] if "archives" in content else content["archive"]
        self._recorded, self._hashed = recorded, "sha256" in mine[0]
        self.image_size: int = content["image_size"]
        self.crop = CROPS[content.get("crop", "adm")]
        self.classes: list[str] = content["classes"]
        label_of = {name: label for label, name in enumerate(self.classes)}
        self.paths = [image["path"] for image in mine]
        self.labels = np.array([label_of[image["class"]] if self.classes else 0 for image in mine], dtype=np.int64)
        self.captions: list[list[str]] | None = [image["captions"] for image in mine] if "captions" in mine[0] else None
        self.hashes = {image["path"]: image["sha256"] for image in mine if "sha256" in image}
        offsets = recorded.get("offsets")
        pairs = zip(content["images"], offsets, strict=True) if offsets else ()
        self.spans = {image["path"]: (offset, image["bytes"]) for image, offset in pairs}
        if self.captions is None:
            _ = self.archive  # captions are read without their images; what is without captions is read for its images

    @cached_property
    def archive(self) -> Path:
        """Raises InputError when it is not there, or is not the one that was indexed."""
        return _indexed_archive(Path(self.index), self._recorded, self._hashed)

    def __len__(self) -> int:
        return len(self.paths)

    def named(self, row: int) -> str:
        """The image of a row, as a message names it."""
        return f"{self.archive}: {self.paths[row]!r}"

    def whole(self) -> np.ndarray:
        """Every image: (N, S, S, 3) uint8. For sets as small as the digits."""
        return next(self.batches(range(len(self)), len(self)))

    def batches(self, rows: range, batch: int, workers: int = 1) -> Iterator[np.ndarray]:
        """Images of consecutive rows, cropped: (b, S, S, 3) uint8, b = `batch` except in the last.

        workers: threads that decode, which PIL does without Python's lock. They stay a batch or two ahead of the reader, no more.
        """
        waiting: deque[tuple[np.ndarray, list[Future]]] = deque()
        with open_archive(self.archive, self.spans) as source, _threads(workers) as pool:
            alone = _turns(source)
            for first in range(rows.start, rows.stop, batch):
                names = self.paths[first : min(first + batch, rows.stop)]
                images = np.empty((len(names), self.image_size, self.image_size, 3), np.uint8)
                waiting.append((images, [pool.submit(self._crop, source, alone, name, place) for name, place in zip(names, images, strict=True)]))
                if sum(len(images) for images, _ in waiting) > batch + 2 * workers:
                    yield _finished(*waiting.popleft())
            while waiting:
                yield _finished(*waiting.popleft())

    def _crop(self, source: Images, alone: AbstractContextManager, name: str, place: np.ndarray) -> None:
        """One image into its `place` (S, S, 3) in a batch."""
        with alone:
            content = source.read(name)
        if name in self.hashes and hashlib.sha256(content).hexdigest() != self.hashes[name]:
            raise InputError(f"{self.archive}: is not the archive that {self.index} describes ({name!r} differs); index it again")
        place[:] = np.asarray(self.crop(decoded(source, name, content), self.image_size))


@contextmanager
def _threads(count: int) -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(count, thread_name_prefix="images")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)  # or an error would wait for images that nobody wants


def _turns(source: Images) -> AbstractContextManager:
    """A lock for reading a zip, which counts its open members without one; tars and folders are read by position or by name, and need none."""
    return Lock() if isinstance(source, ZipImages) else nullcontext()


def _finished(images: np.ndarray, cropped: list[Future]) -> np.ndarray:
    """The batch, once all of it is there. Raises the error of its first image that has one, whichever failed first."""
    for one in cropped:
        one.result()
    return images


def load_split(index: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """A whole split in memory: images (N, S, S, 3) uint8, labels (N,) int64. For sets as small as the digits."""
    images = ImageSplit(index, split)
    return images.whole(), images.labels


def _refuse_repeated(archive: Path, files: list[str]) -> None:
    repeated = [name for name, times in Counter(files).items() if times > 1]
    if repeated:
        raise InputError(f"{archive}: member {repeated[0]!r} appears more than once; build the archive again")


def _refuse_empty_classes(archive: Path, places: Places) -> None:
    """Every class must have images in every split: a label without images would only show after training."""
    filled, named = set(places.of.values()), places.class_folders
    classes, splits = {folder for _, folder in named}, {split for split, _ in named}
    for split, folder in sorted((split, folder) for split in splits for folder in classes):
        if (split, folder) not in filled:
            shown = named.get((split, folder)) or f"{split}/{folder}"
            raise InputError(f"{archive}: class folder {shown!r} has no images; add some or take the class out of every split")


def _expected_part(archive: Path, places: Places, expected: Expected | None) -> Places:
    """The split train alone, where that is all of the known data set: ImageNet's train images lie beside its 50,000 for validation."""
    alone = {name: place for name, place in places.of.items() if place[0] == "train"}
    if expected is None or expected.images is None or len(places.of) == expected.images or len(alone) != expected.images:
        return places
    others = Counter(split for split, _ in places.of.values() if split != "train")
    left = " and ".join(f"{split} ({count})" for split, count in sorted(others.items()))
    note = f"{archive.name}: images taken from its split train, which alone has the {expected.images} expected; left out: {left}"
    folders = {place: name for place, name in places.class_folders.items() if place[0] == "train"}
    return Places(alone, folders, [*places.notes, note])


def _refuse_other_counts(archive: Path, places: dict[str, tuple[str, str]], expected: Expected | None) -> None:
    """Where images are missing the smallest classes are named, where there are too many the largest."""
    if expected is None:
        return
    counts = Counter(folder for _, folder in places.values())
    classes = len(counts) if expected.classes is None else expected.classes
    if expected.images is None:
        train = sum(split == "train" for split, _ in places.values())
        if train < expected.least:
            raise InputError(
                f"{archive}: holds {train} images, the preset compares with {expected.least}; add some, or lower reference_images in the preset"
            )
        if len(counts) != classes:
            raise InputError(f"{archive}: holds {len(counts)} classes, expected {classes}; set classes: {len(counts)} in the preset, if they are all")
        return
    if len(places) == expected.images and len(counts) == classes:
        return
    more = len(places) > expected.images
    suspects = sorted(counts, key=lambda name: (-counts[name] if more else counts[name], name))[:LISTED]
    shown = ", ".join(f"{name} {counts[name]}" for name in suspects)
    raise InputError(
        f"{archive}: holds {len(places)} images of {len(counts)} classes, expected {expected.images} of {classes}; its "
        f"{'largest' if more else 'smallest'} classes: {shown}; complete it, or for a subset say so: "
        f"{typed('expected_images', str(len(places)))}"
    )


def _read_index(index: Path) -> dict:
    content = read_json(index)
    found = set(content) if isinstance(content, dict) else set()
    missing = sorted(INDEX_KEYS - found - ({"archive"} if "archives" in found else set()))
    if missing:
        raise InputError(f"{index}: not an image index (no {missing[0]!r}); give the JSON that `sra index` or `sra index-captions` writes")
    checked(content, _Index, str(index))
    _refuse_contradictions(index, content)
    if receipt_path(index).exists():
        verify_contents(index, "index")
    return content


def _refuse_contradictions(index: Path, content: dict) -> None:
    """Raises InputError where one part of the index says another thing than the next."""
    images, classes, archives = content["images"], set(content["classes"]), content.get("archives")
    if Counter(image["split"] for image in images) != content["splits"]:
        raise InputError(f"{index}: its splits have other numbers of images than it lists; {REINDEX}")
    if archives is not None and archives.keys() != content["splits"].keys():
        raise InputError(f"{index}: its archives are of other splits than its images; {REINDEX}")
    for image in images:
        if classes and image.get("class") not in classes:
            raise InputError(f"{index}: class {image.get('class')!r} of {image['path']!r} is not among its classes; {REINDEX}")
    for archive in (archives or {"": content.get("archive", {})}).values():
        if "offsets" in archive and len(archive["offsets"]) != len(images):
            raise InputError(f"{index}: gives {len(archive['offsets'])} offsets for {len(images)} images; {REINDEX}")
    for key in ("captions", "bytes", "sha256"):
        if len({(image["split"], key in image) for image in images}) > len(content["splits"]):
            raise InputError(f"{index}: {key} is missing from some of its images; {REINDEX}")


def _indexed_archive(index: Path, recorded: dict, hashed: bool) -> Path:
    """Where the archive is, after checking it against the index. Its receipt saves reading it whole, and so do hashes of its images."""
    archive = index.parent / recorded["path"]
    if not archive.exists():
        raise InputError(f"{index}: its archive {archive} does not exist; put it there or index it where it is")
    if receipt_path(archive).exists():
        read_receipt(archive, "images")
    same_size = archive.is_dir() or archive.stat().st_size == recorded["bytes"]
    if not same_size or not (hashed or recorded_sha256(archive) == recorded["sha256"]):
        raise InputError(f"{archive}: is not the archive that {index} describes; index it again")
    return archive
