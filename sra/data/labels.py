"""Labels of files in a `dataset.json` beside them, as StyleGAN's tools and their descendants write it: EDM's, REPA's and SRA's preprocessing.

{"labels": [["00000/img00000000.png", 6], ...]}
"""

import json

from sra.core.errors import InputError
from sra.data.places import Collection, Places, is_image

LABELS = "dataset.json"
AGAIN = "run that preprocessing again"


def has_labels(source: Collection) -> bool:
    """Whether the classes of its images are those of a `dataset.json`, not folders. Raises InputError for a folder that holds such a folder."""
    below = f"images/{LABELS}"
    if below in source.files:
        raise InputError(f"{source.path}: its folder images has the images and their {LABELS}; give that")
    return LABELS in source.files


def labelled_places(source: Collection) -> Places:
    """Classes of images by their labels, which are named by number so that a label is a place in the sorted classes. All are of the split train."""
    images = [name for name in source.files if is_image(name)]
    labels = labels_of(source, images, "image")
    digits = len(str(max(labels.values())))
    missing = set(range(max(labels.values()) + 1)) - set(labels.values())
    if missing:
        raise InputError(f"{source.path}/{LABELS}: no image has label {min(missing)}, the largest is {max(labels.values())}; number classes from 0")
    of = {name: ("train", f"{labels[name]:0{digits}d}") for name in images}
    return Places(of, {place: place[1] for place in of.values()}, [f"{source.path.name}: classes are the labels of its {LABELS}"])


def labels_of(source: Collection, names: list[str], what: str) -> dict[str, int]:
    """The label of each file. Raises InputError where they are not one whole number for each."""
    where = f"{source.path}/{LABELS}"
    if LABELS not in source.files:
        raise InputError(f"{where}: no such file; it is written beside the folders 00000, 00001, ... of the preprocessing")
    try:
        content = json.loads(source.read(LABELS))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not valid JSON ({error}); {AGAIN}") from None
    pairs = content.get("labels") if isinstance(content, dict) else None
    if not isinstance(pairs, list) or not pairs:
        raise InputError(
            f"{where}: its labels are {json.dumps(pairs)[:20]}, expected one for each {what}; "
            f"convert class folders, or move it elsewhere where classes are folders"
        )
    labels: dict[str, int] = {}
    for pair in pairs:
        # JSON's true would pass for the whole number 1.
        if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) and type(pair[1]) is int and pair[1] >= 0):
            raise InputError(f"{where}: has {json.dumps(pair)[:60]}, expected a name and a label from 0; {AGAIN}")
        if pair[0] in labels:
            raise InputError(f"{where}: {pair[0]!r} has a label more than once; {AGAIN}")
        labels[pair[0]] = pair[1]
    for missing, of in ((labels.keys() - set(names), f"is not among the {what}s"), (set(names) - labels.keys(), "has no label")):
        if missing:
            raise InputError(f"{where}: {min(missing)!r} {of}, and {len(missing) - 1} more; complete the copy, or {AGAIN}")
    return labels
