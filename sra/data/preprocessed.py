"""What the preprocessing of REPA and SRA leaves, read as it is: a folder or zip of images, one of moments, a `dataset.json` in each.

    images/00000/img00000000.png            cropped images, all of one size
    vae-sd/00000/img-mean-std-00000000.npy  (2C, h, w) float32: means, then standard deviations, of the unscaled latent's posterior
    */dataset.json                          {"labels": [["00000/img00000000.png", 6], ...]}

Images are numbered in the order of the paths that they were converted from, so a number is also a row among the sorted paths of the images
themselves. Source: preprocessing/dataset_tools.py and encoders.py of sihyun-yu/REPA 67f7145, taken over in vvvvvjdy/SRA 1723f85.
"""

import io
import re

import numpy as np

from sra.core.errors import InputError
from sra.core.files import sha256_of_json
from sra.core.npz import NO_HEADER
from sra.data.archives import Images
from sra.data.images import ImageSplit
from sra.data.labels import AGAIN, LABELS, labels_of

LAYOUT = "REPA preprocessing"
MOMENTS = re.compile(r"\d{5}/img-mean-std-(?P<number>\d{8})\.npy")
IMAGE = re.compile(r"\d{5}/img(?P<number>\d{8})\.png")


class Moments:
    """The moments of the images of a split, by row.

    Raises InputError where their number, names or labels are not those of the images; each array is checked as it is read.
    """

    def __init__(self, source: Images, images: ImageSplit):
        self.source = source
        names = sorted(name for name in source.files if name.endswith(".npy"))
        other = next((name for name in names if not MOMENTS.fullmatch(name)), None)
        if other is not None or not names:
            shown = f"member {other!r} is" if other else "its files are"
            raise InputError(f"{source.path}: {shown} not named as 00000/img-mean-std-00000000.npy; give the folder vae-sd of {LAYOUT}")
        if len(names) != len(images):
            raise InputError(
                f"{source.path}: holds moments of {len(names)} images, {images.index} lists {len(images)}; give those of one preprocessing"
            )
        by_number = {int(MOMENTS.fullmatch(name)["number"]): name for name in names}
        self.names = [by_number.get(number, "") for number in _numbers(images)]
        lost = next((path for path, name in zip(images.paths, self.names, strict=True) if not name), None)
        if lost:
            raise InputError(f"{source.path}: has no moments of image {lost!r}; {AGAIN}")
        labels = labels_of(source, names, "array")
        for row, name in enumerate(self.names):
            if labels[name] != images.labels[row]:
                said = f"{source.path}/{LABELS}: {name!r} has label {labels[name]}, its image {images.paths[row]!r} has {images.labels[row]}"
                raise InputError(f"{said}; give the moments and the images of one preprocessing")

    def named(self, row: int) -> str:
        """The file of a row, as a message names it."""
        return f"{self.source.path}: {self.names[row]!r}"

    def read(self, row: int) -> tuple[np.ndarray, bytes]:
        """Means, then standard deviations: (2C, h, w) as stored; and the file's content."""
        name = self.names[row]
        where, content = self.named(row), self.source.read(name)
        try:
            array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
        except NO_HEADER as error:
            raise InputError(f"{where} is not a whole .npy array ({error}); {AGAIN}") from None
        if array.ndim != 3 or len(array) % 2 or array.dtype not in (np.float32, np.float16):
            raise InputError(f"{where} holds {array.dtype} {array.shape}, expected float32 (2C, h, w): means, then standard deviations; {AGAIN}")
        if not np.isfinite(array).all():
            raise InputError(f"{where} has values that are not finite; {AGAIN}")
        smallest = array[len(array) // 2 :].min()
        if smallest < 0:
            reason = f"the second half of its channels reaches {smallest:.3g}, as log variances or a latent drawn do, and no standard deviation"
            raise InputError(f"{where}: {reason}; {AGAIN}")
        return array, content


def _numbers(images: ImageSplit) -> list[int]:
    """The number of each image: that in its name, or its place in the order of all paths."""
    named = [IMAGE.fullmatch(path) for path in images.paths]
    if all(named):
        return [int(name["number"]) for name in named]
    place = {path: number for number, path in enumerate(sorted(images.paths))}
    return [place[path] for path in images.paths]


def foreign_fact(facts: list[dict]) -> dict:
    """What a store says of shards that were taken over; nothing of those that were made here. Raises InputError for a mixture.

    facts: of all shards' receipts, in any order.
    """
    foreign = [shard["foreign"] for shard in sorted(facts, key=lambda shard: shard["first_row"]) if "foreign" in shard]
    if foreign and len(foreign) != len(facts):
        raise InputError(f"latents: {len(foreign)} of {len(facts)} shards are of {foreign[0]['layout']}, the others made here; make all in one way")
    return {"foreign": {"layout": foreign[0]["layout"], "sha256": sha256_of_json([shard["sha256"] for shard in foreign])}} if foreign else {}
