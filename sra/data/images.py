"""The index of an image archive (what is in it, checked image by image) and reading a split through it.

The index is JSON: the archive (path relative to the index, SHA-256, bytes), `image_size`, `classes` (sorted; a label is a place in
this list), `splits` (number of images) and for each image its path, class, split, width and height.
"""

import io
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from sra.core.errors import InputError, unknown
from sra.core.files import read_json, write_json
from sra.core.progress import tracked
from sra.core.receipts import read_receipt, receipt_path, recorded_sha256
from sra.data.archives import ZipImages, open_archive, split_and_class
from sra.data.crops import RGB_FROM, adm_center_crop, to_rgb

INDEX_KEYS = {"archive", "classes", "image_size", "images", "splits"}


def write_index(archive: Path, index_json: Path, image_size: int, expected: dict[str, int] | None = None) -> None:
    """Decode every image of the archive once and write the index.

    expected: number of images of each split, when the data set is known. Raises InputError naming the first member that is no image,
    cannot be decoded or leaves the archive, a class folder without images, or the split whose count is not the expected one.
    """
    archive, index_json = Path(archive), Path(index_json)
    with open_archive(archive) as source:
        places = {name: split_and_class(archive, name) for name in source.files}
        _refuse_repeated(archive, source.files)
        counts = Counter(split for split, _ in places.values())
        _refuse_empty_classes(archive, set(places.values()), source.folders)
        _refuse_other_counts(archive, dict(counts), expected)
        images = []
        for name in tracked(sorted(places), f"index {archive.name}", len(places), "images"):
            width, height = decoded(source, name).size
            split, folder = places[name]
            images.append({"path": name, "class": folder, "split": split, "width": width, "height": height})
    write_json(
        index_json,
        {
            "archive": {
                "path": Path(os.path.relpath(archive.resolve(), index_json.parent.resolve())).as_posix(),
                "sha256": recorded_sha256(archive),
                "bytes": archive.stat().st_size,
            },
            "image_size": image_size,
            "classes": sorted({folder for _, folder in places.values()}),
            "splits": dict(counts),
            "images": images,
        },
    )


class ImageSplit:
    """One split of an indexed archive, read image by image. `labels`: (N,) int64, places in `classes`."""

    def __init__(self, index: Path, split: str):
        """Raises InputError when the archive is missing or is not the one that was indexed."""
        content = _read_index(Path(index))
        if split not in content["splits"]:
            raise unknown("split", split, content["splits"], where=str(index))
        self.archive = _indexed_archive(Path(index), content["archive"])
        self.image_size: int = content["image_size"]
        self.classes: list[str] = content["classes"]
        mine = [image for image in content["images"] if image["split"] == split]
        label_of = {name: label for label, name in enumerate(self.classes)}
        self.paths = [image["path"] for image in mine]
        self.labels = np.array([label_of[image["class"]] for image in mine], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.paths)

    def batches(self, rows: range, batch: int) -> Iterator[np.ndarray]:
        """Images of consecutive rows, cropped: (b, S, S, 3) uint8, b = `batch` except in the last."""
        with open_archive(self.archive) as source:
            for first in range(rows.start, rows.stop, batch):
                names = self.paths[first : min(first + batch, rows.stop)]
                yield np.stack([np.asarray(adm_center_crop(decoded(source, name), self.image_size)) for name in names])


def load_split(index: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """A whole split in memory: images (N, S, S, 3) uint8, labels (N,) int64. For sets as small as the digits."""
    images = ImageSplit(index, split)
    return next(images.batches(range(len(images)), len(images))), images.labels


def decoded(source: ZipImages, name: str) -> Image.Image:
    """One member as RGB, every pixel decoded. Raises InputError naming the member when it is damaged or no 8-bit image."""
    content = source.read(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PIL warns of odd metadata that does not touch the pixels
            image = Image.open(io.BytesIO(content), formats=("PNG", "JPEG"))
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{source.path}: member {name!r} is not a whole image ({_short(error)}); replace or remove it") from None
    if image.mode not in RGB_FROM:
        raise InputError(f"{source.path}: member {name!r} has mode {image.mode}, expected 8 bits a channel; convert it")
    return to_rgb(image)


def _short(error: Exception) -> str:
    # PIL's "cannot identify" prints a memory address, which helps nobody.
    return "not a PNG or JPEG" if isinstance(error, Image.UnidentifiedImageError) else str(error)


def _refuse_repeated(archive: Path, files: list[str]) -> None:
    repeated = [name for name, times in Counter(files).items() if times > 1]
    if repeated:
        raise InputError(f"{archive}: member {repeated[0]!r} appears more than once; build the archive again")
    if not files:
        raise InputError(f"{archive}: holds no images; expected <split>/<class>/<file>")


def _refuse_empty_classes(archive: Path, filled: set[tuple[str, str]], folders: list[str]) -> None:
    """Every class must have images in every split: a label without images would only show after training."""
    named = filled | {tuple(parts) for folder in folders if len(parts := folder.split("/")) == 2}
    classes, splits = {folder for _, folder in named}, {split for split, _ in named}
    for split, folder in sorted((split, folder) for split in splits for folder in classes):
        if (split, folder) not in filled:
            raise InputError(f"{archive}: class folder '{split}/{folder}' has no images; add some or remove the class from every split")


def _refuse_other_counts(archive: Path, counts: dict[str, int], expected: dict[str, int] | None) -> None:
    for split in sorted(set(counts) | set(expected or {})) if expected is not None else ():
        if counts.get(split, 0) != expected.get(split, 0):
            raise InputError(
                f"{archive}: split {split!r} has {counts.get(split, 0)} images, expected {expected.get(split, 0)}; fetch or build the archive again"
            )


def _read_index(index: Path) -> dict:
    content = read_json(index)
    missing = sorted(INDEX_KEYS - set(content)) if isinstance(content, dict) else sorted(INDEX_KEYS)
    if missing:
        raise InputError(f"{index}: not an image index (no {missing[0]!r}); give the JSON that `sra index-images` writes")
    return content


def _indexed_archive(index: Path, recorded: dict) -> Path:
    """Where the archive is, after checking it against the index. Its receipt saves reading it whole."""
    archive = index.parent / recorded["path"]
    if not archive.exists():
        raise InputError(f"{index}: its archive {archive} does not exist; put it there or index it where it is")
    if receipt_path(archive).exists():
        read_receipt(archive, "images")
    if archive.stat().st_size != recorded["bytes"] or recorded_sha256(archive) != recorded["sha256"]:
        raise InputError(f"{archive}: is not the archive that {index} describes; index it again")
    return archive
