"""Captioned images as MS-COCO 2014 distributes them, indexed and read.

A data set is a folder with `annotations/captions_train2014.json` and `captions_val2014.json` (keys `images`: id, file_name; `annotations`:
id, image_id, caption) and the images they name in `train2014/` and `val2014/`, unpacked or still in `train2014.zip` and `val2014.zip`,
there or in its folder `images`.
Images that no annotation names are left alone, so a subset is a smaller annotation file.

Splits are `train` and `val`, images in the order of their id, every caption of an image in the order of its annotation's id.
Source of the splits and their sizes: Lin et al. 2014; U-ViT's preparation counts the same. Images are cropped as U-ViT does (`lanczos`).
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sra.core.errors import InputError
from sra.core.files import write_json
from sra.core.leftovers import passed_over, without_leftovers
from sra.core.seeds import derive_seed
from sra.data.archives import open_archive
from sra.data.images import LISTED, ImageSplit, described

FOLDERS = {"train": "train2014", "val": "val2014"}
COCO_2014 = {"train": 82_783, "val": 40_504}  # images
PLACES = (".", "images")  # of the images, in the data set's folder
KARPATHY = "dataset_coco.json"
CROP = "lanczos"
EMPTY = ""  # what a caption is dropped to, and what guidance moves away from
NO_IMAGE = -1  # of the empty caption
AGAIN = "download it again from cocodataset.org"


@dataclass(frozen=True)
class CaptionedImage:
    """One image of an annotation file. captions: as written there, at least one."""

    id: int
    file_name: str
    captions: tuple[str, ...]


def annotation_path(root: Path, split: str) -> Path:
    return Path(root) / "annotations" / f"captions_{FOLDERS[split]}.json"


def write_caption_index(root: Path, index_json: Path, image_size: int, expected: dict[str, int] | None = None, workers: int = 1) -> None:
    """Check both annotation files, decode every image they name once and write the index that `CaptionedSplit` reads.

    expected: images of the splits that are not as large as COCO's. workers: threads that decode. Faults of the annotations, counts and
    missing images are refused (InputError) before anything is decoded.

    The index is JSON: `archives` by split (as in `sra.data.images`), `image_size`, `crop`, `splits` (number of images) and for each image its
    path, split, width, height, bytes, SHA-256, id and captions.
    """
    root, index_json, sizes = Path(root), Path(index_json), {**COCO_2014, **(expected or {})}
    _refuse_other_splits(root)
    annotated = {split: read_captions(annotation_path(root, split)) for split in FOLDERS}
    for split, images in annotated.items():
        _refuse_other_count(annotation_path(root, split), len(images), sizes[split], split)
    sources = {split: _images_of(root, split, annotated[split]) for split in FOLDERS}
    archives, entries = {}, []
    for split, images in annotated.items():
        facts = {f"{FOLDERS[split]}/{image.file_name}": {"split": split, "id": image.id, "captions": list(image.captions)} for image in images}
        with open_archive(sources[split]) as source:
            archives[split], found = described(source, facts, index_json, workers)
        entries += found
    counts = {split: len(images) for split, images in annotated.items()}
    write_json(index_json, {"archives": archives, "image_size": image_size, "crop": CROP, "classes": [], "splits": counts, "images": entries})


class CaptionedSplit(ImageSplit):
    """One split of an indexed captioned data set. `captions`: of each image, at least one."""

    captions: list[list[str]]

    def __init__(self, index: Path, split: str):
        super().__init__(index, split)
        if self.captions is None:
            raise InputError(f"{index}: its images have no captions; give the JSON that `sra index-captions` writes")

    @property
    def flat_captions(self) -> list[str]:
        """Every caption, image by image: what a text encoder embeds."""
        return [caption for captions in self.captions for caption in captions]

    @cached_property
    def first_captions(self) -> np.ndarray:
        """(N + 1,) int64: captions of image i are `flat_captions[first_captions[i] : first_captions[i + 1]]`."""
        return np.cumsum([0, *(len(captions) for captions in self.captions)], dtype=np.int64)


def caption_rows(index: Path, split: str) -> tuple[list[str], np.ndarray]:
    """The rows of a store of encoded captions: image by image, the empty one last; and the number of each one's image in the split, (rows,) int64."""
    captioned = CaptionedSplit(index, split)
    images = np.repeat(np.arange(len(captioned)), np.diff(captioned.first_captions))
    return [*captioned.flat_captions, EMPTY], np.append(images, NO_IMAGE)


def drawn_captions(seed: int, step: int, rows: np.ndarray, first_captions: np.ndarray, first_place: int = 0) -> np.ndarray:
    """One random caption of each image of a batch: places (n,) int64 in the flat list of captions.

    rows: (n,) image numbers at places `first_place`, `first_place + 1`, ... of the global batch.  first_captions: see `CaptionedSplit`.
    A function of (seed, step, place), so processes that share a batch draw what one alone would; uniform over an image's captions.
    """
    stream = np.random.Generator(np.random.PCG64(derive_seed(seed, "train", "caption", step)))
    uniform = stream.random(first_place + len(rows))[first_place:]
    counts = first_captions[rows + 1] - first_captions[rows]
    return first_captions[rows] + (uniform * counts).astype(np.int64)


def sampled_captions(seed: int, count: int, first_captions: np.ndarray, policy: str) -> np.ndarray:
    """The caption of each of `count` generated images: places (count,) int64 in the flat list of captions. first_captions: see `CaptionedSplit`.

    in_order: a random caption of each image in turn, as REPA's generate_t2i.py; there must be `count` images.  random: any caption, as U-ViT
    draws them. A function of (seed, index).
    """
    if policy == "random":
        return np.array([derive_seed(seed, "caption", index) % first_captions[-1] for index in range(count)], dtype=np.int64)
    counts = np.diff(first_captions)[:count]
    within = [derive_seed(seed, "caption", index) % captions for index, captions in enumerate(counts)]
    return first_captions[:count] + np.array(within, dtype=np.int64)


def read_captions(annotations: Path) -> list[CaptionedImage]:
    """The images of an annotation file with their captions, checked. Raises InputError naming the file and up to ten ids."""
    content = _parsed(annotations)
    images = _entries(annotations, content, "images", {"id": int, "file_name": str})
    captions = _entries(annotations, content, "annotations", {"id": int, "image_id": int, "caption": str})
    keep_one = "keep one of each"
    _refuse(annotations, "image id more than once", _repeated(image["id"] for image in images), keep_one)
    _refuse(annotations, "file_name more than once", _repeated(image["file_name"] for image in images), keep_one)
    _refuse(annotations, "annotation id more than once", _repeated(caption["id"] for caption in captions), keep_one)

    known: dict[int, list[str]] = {image["id"]: [] for image in images}
    lost = [f"id {caption['id']} (image_id {caption['image_id']})" for caption in captions if caption["image_id"] not in known]
    _refuse(annotations, "annotation whose image_id is not among its images", lost, "add the image or remove the annotation")
    empty = [f"id {caption['id']} (image_id {caption['image_id']})" for caption in captions if not _has_text(caption["caption"])]
    _refuse(annotations, "annotation whose caption is empty or no Unicode text", empty, "write the caption or remove the annotation")
    for caption in sorted(captions, key=lambda caption: caption["id"]):
        known[caption["image_id"]].append(caption["caption"])
    silent = [f"id {image['id']} ({image['file_name']})" for image in images if not known[image["id"]]]
    _refuse(annotations, "image without a caption", silent, "add a caption or remove the image from `images`")
    return [CaptionedImage(image["id"], image["file_name"], tuple(known[image["id"]])) for image in sorted(images, key=lambda image: image["id"])]


def _parsed(annotations: Path) -> Any:
    try:
        return json.loads(Path(annotations).read_bytes())
    except FileNotFoundError:
        raise InputError(f"{annotations}: no such file; download annotations_trainval2014.zip from cocodataset.org and unpack it") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{annotations}: not valid JSON ({error}); {AGAIN}") from None


def _entries(annotations: Path, content: Any, key: str, fields: dict[str, type]) -> list[dict]:
    """The list under `key`, non-empty, each entry with the fields that are used, of their types."""
    entries = content.get(key) if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{annotations}: {key!r} is missing or no list with entries; expected COCO's caption annotations; {AGAIN}")
    for number, entry in enumerate(entries):
        for field, kind in fields.items():
            # Exact types: JSON's true would pass for the whole number 1.
            value = entry.get(field) if isinstance(entry, dict) else None
            if type(value) is not kind:
                wanted = "a whole number" if kind is int else "text"
                which = f" (id {entry['id']})" if field != "id" and isinstance(entry, dict) else ""
                raise InputError(f"{annotations}: {key}[{number}]{which} has {field} {value!r}, expected {wanted}; correct it or {AGAIN}")
    return entries


def _has_text(caption: str) -> bool:
    """Half a surrogate pair, which JSON can spell and no file can hold, is no text."""
    try:
        return bool(caption.encode().strip())
    except UnicodeEncodeError:
        return False


def _repeated(values: Iterable) -> list:
    return [value for value, times in Counter(values).items() if times > 1]


def _refuse(where: Path, what: str, found: list, remedy: str) -> None:
    if found:
        shown = ", ".join(map(str, found[:LISTED])) + (", ..." if len(found) > LISTED else "")
        raise InputError(f"{where}: {what}, {len(found)} found: {shown}; {remedy}")


def _refuse_other_count(annotations: Path, found: int, expected: int, split: str) -> None:
    if found != expected:
        raise InputError(f"{annotations}: holds {found} images, expected {expected}; {AGAIN}, or give --expected-{split} {found} for a subset")


def _refuse_other_splits(root: Path) -> None:
    """Raises InputError for what is MS-COCO in another division, whose scores would be of other images."""
    needed = "needed are the splits of 2014: annotations_trainval2014.zip, train2014.zip and val2014.zip from cocodataset.org"
    if root.name == KARPATHY or any((root / place / KARPATHY).exists() and not annotation_path(root, "train").exists() for place in PLACES):
        raise InputError(f"{root}: {KARPATHY} is Karpathy's division of the images, not COCO's captions as published; {needed}")
    later = [root / "annotations" / "captions_train2017.json", *(root / place / "train2017" for place in PLACES)]
    if not annotation_path(root, "train").exists() and (found := next((path for path in later if path.exists()), None)):
        raise InputError(f"{found}: is of MS-COCO 2017, which divides the images otherwise than the paper; {needed}")


def _images_of(root: Path, split: str, images: list[CaptionedImage]) -> Path:
    """Where the images of a split are, after checking that all are there: the folder of the split's folder, or the zip of the split."""
    folder = FOLDERS[split]
    place = next((root / below for below in PLACES if (root / below / folder).is_dir()), None)
    if place:
        shown = place / folder
        names, passed = without_leftovers(file.name for file in shown.iterdir())
        there = {f"{folder}/{name}" for name in names}
    else:
        zips = [root / below / f"{folder}{suffix}" for below in PLACES for suffix in (".zip", ".ZIP")]
        place = shown = next((path for path in zips if path.exists()), None)
        if not place:
            raise InputError(f"{root}: has neither {folder}/ nor {folder}.zip; download {folder}.zip from cocodataset.org to that folder")
        with open_archive(place) as source:
            there, passed = set(source.files), source.passed_over
            _refuse(place, "member more than once", _repeated(source.files), "download the zip again")
    if passed:
        print(passed_over(shown, passed), file=sys.stderr, flush=True)
    missing = [f"{image.file_name} (id {image.id})" for image in images if f"{folder}/{image.file_name}" not in there]
    _refuse(shown, f"image of {annotation_path(root, split).name} that is missing", missing, "put it there or remove it from the annotations")
    return place
