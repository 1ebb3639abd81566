"""Which array of a file holds the images and which their labels. Where there is doubt the person says it: another array gives another score."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sra.core.errors import InputError
from sra.core.kinds import kind_of
from sra.core.npz import ArrayFile, Rows, open_npz

IMAGES = "arr_0"  # numpy.savez numbers what it is given without a name, and ADM's scripts give the images first
STATED = ("labels", "label")  # nothing else can be meant
USUAL = (*STATED, "y", "arr_1")  # labels if they fit
LISTED = 12  # arrays in a message

Arrays = Mapping[str, Rows | ArrayFile]


@dataclass(frozen=True)
class Labels:
    """key: of the labels, None where there are none, or none that are surely those of the images.  notes: what was not taken and why."""

    key: str | None
    notes: tuple[str, ...] = ()


def open_arrays(path: Path) -> Arrays:
    """The arrays of an npz by name, none read yet; the one array of a .npy file as arr_0. Raises InputError for any other file."""
    if Path(path).is_file() and kind_of(path).name == "NumPy array (.npy)":
        return {IMAGES: ArrayFile(path)}
    return open_npz(path)


def can_be_images(array: Rows | ArrayFile) -> bool:
    return array.dtype == np.uint8 and array.ndim == 4 and array.shape[-1] == 3


def images_in(path: Path, arrays: Arrays, key: str | None = None, option: str = "--key") -> str:
    """The key of the images: the one asked for, else arr_0, else the only array that can be images. Raises InputError with the list of all."""
    if key is not None:
        return present(path, arrays, key, option)
    fit = [name for name, array in arrays.items() if can_be_images(array)]
    if IMAGES in arrays and (IMAGES in fit or not fit):
        return IMAGES
    if len(fit) == 1 and IMAGES not in arrays:
        return fit[0]
    if fit:
        doubt = "several arrays can be the images" if len(fit) > 1 else f"{IMAGES} cannot be the images, another array can"
        raise InputError(f"{path}: {doubt}: {listed(arrays)}; name one by {option}, such as {option} {fit[0]}")
    raise InputError(f"{path}: no array can be images (uint8 of N, H, W, 3, usually {IMAGES}); it holds {listed(arrays)}")


def other_images(arrays: Arrays, images: str) -> str:
    """A note on the arrays that could be images as well; empty when there are none."""
    others = [name for name, array in arrays.items() if name != images and can_be_images(array)]
    return f"{images} was taken; {listed({name: arrays[name] for name in others})} could be images too" if others else ""


def labels_in(path: Path, arrays: Arrays, images: str, key: str | None = None) -> Labels:
    """The labels of the images: the array asked for, else the only one of a usual name that fits (an integer for each image).

    Labels beside several sets of images of one length may belong to any of them, and are then not taken.
    """
    if key is not None:
        return Labels(present(path, arrays, key, "--labels-key"))
    count = len(arrays[images]) if arrays[images].shape else 0
    named = [name for name in USUAL if name in arrays and name != images and (name != "arr_1" or images == IMAGES or len(arrays) == 2)]
    named = [name for name in named if not can_be_images(arrays[name])]
    fit = [name for name in named if arrays[name].shape == (count,) and np.issubdtype(arrays[name].dtype, np.integer)]
    rivals = [name for name, array in arrays.items() if name != images and can_be_images(array)]
    if len(fit) > 1:
        both = listed({name: arrays[name] for name in fit})
        raise InputError(f"{path}: several arrays can be the labels of {images}: {both}; name one by --labels-key, such as --labels-key {fit[0]}")
    if fit and any(len(arrays[name]) == count for name in rivals):
        owners = ", ".join([images, *rivals])
        return Labels(None, (f"{fit[0]} may be the labels of any of {owners}, so it was not read; --labels-key {fit[0]} takes it",))
    if fit:
        return Labels(fit[0])
    if named and not rivals and named[0] in STATED:
        return Labels(named[0])  # refused with its own words when it is held against the images
    unfit = f"holds no integer for each of {count} images and was not read as labels"
    return Labels(None, tuple(f"{listed({name: arrays[name]})} {unfit}" for name in named))


def present(path: Path, arrays: Arrays, key: str, option: str) -> str:
    if key not in arrays:
        raise InputError(f"{path}: {option} {key}: there is no such array; it holds {listed(arrays)}")
    return key


def listed(arrays: Arrays) -> str:
    """The arrays as text: `real uint8 (50, 32, 32, 3), seeds int64 (50,)`."""
    words = [f"{name} {array.dtype} {array.shape}" for name, array in arrays.items()]
    return ", ".join(words[:LISTED]) + (f" and {len(words) - LISTED} more" if len(words) > LISTED else "") if words else "nothing"
