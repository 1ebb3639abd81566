"""Scenes of two handwritten digits with captions: the laptop's stand-in for MS-COCO, written as COCO is downloaded.

A scene is 32 x 32 pixels, black, with a coloured digit in each half: "a red three left of a blue five". The digits are scikit-learn's real
ones, split as in `sra.data.digits`: training digits make training scenes, held-out digits make validation scenes.

What a caption says is all that varies but the handwriting: each digit is centred in its half, and every pair of coloured digits is shown
equally often (10 digits and 4 colours make 1,600 pairs; 4 scenes of each to train on, 1 to validate on). A small model can then learn the
four things that a caption names one by one, and must still combine them: one that ignores captions has the right digits once in 100 times.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

from sra.core.errors import InputError
from sra.core.files import write_json
from sra.core.seeds import derive_seed
from sra.data.captions import FOLDERS, annotation_path
from sra.data.digits import INK, enlarged, held_out_numbers
from sra.data.made import write_pngs

SCENE_SIZE = 32  # pixels
HALF = SCENE_SIZE // 2
DIGIT_SIZE = 14  # so that two digits never touch: a margin of one pixel on each side of a half
TOP, MARGIN = (SCENE_SIZE - DIGIT_SIZE) // 2, (HALF - DIGIT_SIZE) // 2
CLASSIFIER_SIZE = 32  # pixels; the archive of single digits
SCENES_OF_A_PAIR = {"train": 4, "val": 1}
# One channel at its largest in each, so that this channel is the ink, and all are legible on black.
COLOURS = {"red": (255, 40, 40), "green": (40, 255, 40), "blue": (60, 100, 255), "yellow": (255, 240, 0)}
DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WORDINGS = (
    "a {left_colour} {left_digit} left of a {right_colour} {right_digit}",
    "a {right_colour} {right_digit} right of a {left_colour} {left_digit}",
    "a {left_colour} {left_digit} on the left and a {right_colour} {right_digit} on the right",
    "on the left {left_digit} in {left_colour}, on the right {right_digit} in {right_colour}",
    "two digits, the left one is a {left_colour} {left_digit}, the right one is a {right_colour} {right_digit}",
)
_BLANKS = {
    f"{side}_{what}": f"(?P<{side}_{what}>{'|'.join(words)})"
    for side in ("left", "right")
    for what, words in (("digit", DIGIT_NAMES), ("colour", COLOURS))
}
_READINGS = [re.compile(wording.format(**_BLANKS)) for wording in WORDINGS]
LEGIBLE = 64  # of 255: a half that is darker everywhere shows no digit


@dataclass(frozen=True)
class DigitInColour:
    """digit: 0 to 9.  colour: a name in `COLOURS`."""

    digit: int
    colour: str


@dataclass(frozen=True)
class Scene:
    """What a scene shows, and each of its captions says."""

    left: DigitInColour
    right: DigitInColour

    @property
    def captions(self) -> list[str]:
        """The captions of the scene, one in each wording."""
        words = {f"{side}_digit": DIGIT_NAMES[shown.digit] for side, shown in (("left", self.left), ("right", self.right))}
        return [wording.format(**words, left_colour=self.left.colour, right_colour=self.right.colour) for wording in WORDINGS]


def scene_of_caption(caption: str) -> Scene:
    """The scene that a caption in any of the wordings describes."""
    for reading in _READINGS:
        if found := reading.fullmatch(caption.strip()):
            return Scene(*(DigitInColour(DIGIT_NAMES.index(found[f"{side}_digit"]), found[f"{side}_colour"]) for side in ("left", "right")))
    raise InputError(f"caption {caption!r} describes no scene of two digits; expected for example 'a red three left of a blue five'")


def colour_of(half: np.ndarray) -> str | None:
    """The named colour nearest to that of the bright pixels of an image (H, W, 3) uint8, or None where nothing is legible.

    Bright are the pixels whose largest channel is at least half as large as any in the image. Their mean is scaled to a largest channel of
    255, which makes thin ink and thick ink equal, and compared in RGB.
    """
    brightness = half.max(axis=2)
    if brightness.max() < LEGIBLE:
        return None
    mean = half[brightness >= brightness.max() / 2].mean(axis=0)
    distances = {name: float(np.square(mean * (255 / mean.max()) - colour).sum()) for name, colour in COLOURS.items()}
    return min(distances, key=distances.get)


def halves(scene: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Left and right half (H, W / 2, 3) of a scene (H, W, 3)."""
    middle = scene.shape[1] // 2
    return scene[:, :middle], scene[:, middle:]


def digit_of_half(half: np.ndarray) -> np.ndarray:
    """The digit's place in half a scene (32, 16, 3) uint8, as a grey image (32, 32, 3) uint8 that a classifier of single digits reads."""
    ink = half[TOP : TOP + DIGIT_SIZE, MARGIN : MARGIN + DIGIT_SIZE].max(axis=2)
    grey = Image.fromarray(ink).resize((CLASSIFIER_SIZE, CLASSIFIER_SIZE), Image.Resampling.BICUBIC)
    return np.repeat(np.asarray(grey)[..., None], 3, axis=2)


def write_scenes(folder: Path, seed: int) -> None:
    """Write `train2014.zip`, `val2014.zip` (PNGs) and `annotations/captions_*.json` into `folder`. Equal bytes for equal seeds."""
    first_id = 1
    for split, images_folder in FOLDERS.items():
        made = list(_scenes(split, seed))
        names = [f"COCO_{images_folder}_{first_id + number:012d}.png" for number in range(len(made))]
        write_pngs(scenes_path(folder, split), zip((f"{images_folder}/{name}" for name in names), (pixels for _, pixels in made), strict=True))
        write_json(annotation_path(folder, split), _annotations(names, [scene for scene, _ in made], first_id))
        first_id += len(made)


def scenes_path(folder: Path, split: str) -> Path:
    return Path(folder) / f"{FOLDERS[split]}.zip"


def drawn(scene: Scene, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The scene (32, 32, 3) uint8 with two digits (8, 8), values 0 to 16: ink times colour, rounded once."""
    canvas = np.zeros((SCENE_SIZE, SCENE_SIZE, 3), dtype=np.uint8)
    for start, shown, digit in ((MARGIN, scene.left, left), (HALF + MARGIN, scene.right, right)):
        coloured = _ink(digit)[..., None] * np.array(COLOURS[shown.colour])
        canvas[TOP : TOP + DIGIT_SIZE, start : start + DIGIT_SIZE] = np.rint(coloured)
    return canvas


def _ink(grey: np.ndarray) -> np.ndarray:
    """One digit (8, 8), values 0 to 16 -> (14, 14), values 0 to 1. Bicubic; its overshoot is clipped."""
    return np.clip(enlarged(grey, DIGIT_SIZE) / INK, 0, 1)


def _scenes(split: str, seed: int) -> Iterator[tuple[Scene, np.ndarray]]:
    """Every pair of coloured digits equally often, in random order, each with handwriting drawn from the split."""
    from sklearn.datasets import load_digits  # seconds to import, needed here alone

    source = load_digits()
    held_out = held_out_numbers(source.target.tolist())
    numbers = [number for number in range(len(source.target)) if (number in held_out) == (split == "val")]
    by_class = [[number for number in numbers if source.target[number] == digit] for digit in range(10)]
    coloured = [DigitInColour(digit, colour) for digit in range(10) for colour in COLOURS]
    scenes = [Scene(left, right) for left, right in product(coloured, coloured)] * SCENES_OF_A_PAIR[split]
    random = np.random.Generator(np.random.PCG64(derive_seed(seed, "scenes", split)))
    for place in random.permutation(len(scenes)):
        scene = scenes[place]
        left, right = (source.images[random.choice(by_class[shown.digit])] for shown in (scene.left, scene.right))
        yield scene, drawn(scene, left, right)


def _annotations(names: list[str], scenes: list[Scene], first_id: int) -> dict:
    """COCO's caption annotations; ids of images and of captions are unique over both splits, as there."""
    size = {"width": SCENE_SIZE, "height": SCENE_SIZE}
    captions = [(first_id + number, caption) for number, scene in enumerate(scenes) for caption in scene.captions]
    first_caption = (first_id - 1) * len(WORDINGS) + 1
    return {
        "info": {"description": "scenes of two handwritten digits of scikit-learn (UCI), with captions"},
        "images": [{"id": first_id + number, "file_name": name, **size} for number, name in enumerate(names)],
        "annotations": [{"id": first_caption + number, "image_id": image, "caption": caption} for number, (image, caption) in enumerate(captions)],
    }
