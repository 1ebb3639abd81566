"""Oracles: scikit-learn's own arrays, captions written by hand, counts in closed form, bytes compared twice."""

import io
import zipfile
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from sra.core.errors import InputError
from sra.core.files import read_json
from sra.data.captions import CaptionedSplit, annotation_path, read_captions, write_caption_index
from sra.data.digits import held_out_numbers, upsampled
from sra.data.scenes import COLOURS, WORDINGS, DigitInColour, Scene, colour_of, digit_of_half, drawn, halves, scene_of_caption, write_scenes

COUNTS = {"train": 6400, "val": 1600}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("scenes")
    write_scenes(path, 0)
    return path


@pytest.fixture(scope="module")
def shown(folder):
    """{split: (images (N, 32, 32, 3), captions of each)}, through the reader of MS-COCO."""
    write_caption_index(folder, folder / "index.json", 32, COUNTS)
    splits = {split: CaptionedSplit(folder / "index.json", split) for split in COUNTS}
    return {split: (next(read.batches(range(len(read)), len(read))), read.captions) for split, read in splits.items()}


@pytest.mark.parametrize(
    ("caption", "scene"),
    [
        ("a red three left of a blue five", Scene(DigitInColour(3, "red"), DigitInColour(5, "blue"))),
        ("a blue five right of a red three", Scene(DigitInColour(3, "red"), DigitInColour(5, "blue"))),
        ("a green zero on the left and a green zero on the right", Scene(DigitInColour(0, "green"), DigitInColour(0, "green"))),
        ("on the left six in blue, on the right seven in yellow", Scene(DigitInColour(6, "blue"), DigitInColour(7, "yellow"))),
        ("two digits, the left one is a red eight, the right one is a green one", Scene(DigitInColour(8, "red"), DigitInColour(1, "green"))),
    ],
)
def test_a_caption_says_what_it_says(caption, scene):
    assert scene_of_caption(caption) == scene
    assert caption in scene.captions


@pytest.mark.parametrize(
    "caption",
    ["", "a red three", "a red three left of a pink five", "a red three left of a blue ten", "a red three left of a blue five and a red one"],
)
def test_what_describes_no_scene_is_refused(caption):
    with pytest.raises(InputError, match="describes no scene of two digits"):
        scene_of_caption(caption)


@pytest.mark.parametrize("split", ["train", "val"])
def test_all_captions_of_a_scene_differ_and_say_the_same(shown, split):
    _, captions = shown[split]
    for five in captions:
        scene = scene_of_caption(five[0])
        assert len(set(five)) == len(WORDINGS) == 5
        assert five == scene.captions
        assert {scene_of_caption(caption) for caption in five} == {scene}


def test_every_pair_of_coloured_digits_is_shown_equally_often(shown):
    for split, times in (("train", 4), ("val", 1)):
        pairs = Counter(scene_of_caption(captions[0]) for captions in shown[split][1])
        assert len(pairs) == (10 * len(COLOURS)) ** 2 == 1600
        assert set(pairs.values()) == {times}


def test_scenes_are_in_no_order(shown):
    digits = [scene_of_caption(captions[0]).left.digit for captions in shown["train"][1]]
    assert len(set(digits[:50])) == 10
    same = sum(a == b for a, b in pairwise(digits))
    assert abs(same - 640) < 5 * 24  # a tenth of 6,399 neighbours, standard deviation 24


def test_the_same_bytes_for_the_same_seed(folder, tmp_path):
    write_scenes(tmp_path / "again", 0)
    write_scenes(tmp_path / "other", 1)
    for name in ("train2014.zip", "val2014.zip", "annotations/captions_train2014.json", "annotations/captions_val2014.json"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
        assert (tmp_path / "other" / name).read_bytes() != (folder / name).read_bytes()


def test_the_files_are_those_of_coco(folder):
    ids = []
    for split in COUNTS:
        content = read_json(annotation_path(folder, split))
        ids.append(({image["id"] for image in content["images"]}, {caption["id"] for caption in content["annotations"]}))
        assert set(content["images"][0]) == {"id", "file_name", "width", "height"}
        assert [len(image.captions) for image in read_captions(annotation_path(folder, split))] == [5] * COUNTS[split]
        assert content["images"][0]["file_name"] == f"COCO_{split}2014_{content['images'][0]['id']:012d}.png"
        with zipfile.ZipFile(folder / f"{split}2014.zip") as archive:
            assert archive.namelist() == [f"{split}2014/{image['file_name']}" for image in content["images"]]
            image = Image.open(io.BytesIO(archive.read(archive.namelist()[0])))
            assert (image.format, image.mode, image.size) == ("PNG", "RGB", (32, 32))
    assert not ids[0][0] & ids[1][0]
    assert not ids[0][1] & ids[1][1]


@pytest.mark.parametrize("split", ["train", "val"])
def test_each_half_shows_a_digit_of_the_split_in_the_colour_of_the_caption(shown, split):
    """Redrawn from every digit of the named class in the split's own part: one of them gives these very pixels."""
    source = load_digits()
    held_out = held_out_numbers(source.target.tolist())
    mine = [number for number in range(1797) if (number in held_out) == (split == "val")]
    drawings = {DigitInColour(digit, colour): set() for digit in range(10) for colour in COLOURS}
    for said, known in drawings.items():
        for number in mine:
            if source.target[number] == said.digit:
                left, right = halves(drawn(Scene(said, said), source.images[number], source.images[number]))
                assert np.array_equal(left, right)
                known.add(left.tobytes())
    images, captions = shown[split]
    used = set()
    for image, texts in zip(images, captions, strict=True):
        scene = scene_of_caption(texts[0])
        for half, said in zip(halves(image), (scene.left, scene.right), strict=True):
            assert half.tobytes() in drawings[said]
            used.add((said, half.tobytes()))
    # Places for two and a quarter of each drawing: by chance alone a ninth of them stays unused.
    assert len(used) > 0.85 * sum(map(len, drawings.values()))


@pytest.mark.parametrize("split", ["train", "val"])
def test_the_colour_rule_reads_every_real_scene(shown, split):
    images, captions = shown[split]
    scenes = [scene_of_caption(texts[0]) for texts in captions]
    read = [tuple(map(colour_of, halves(image))) for image in images]
    assert read == [(scene.left.colour, scene.right.colour) for scene in scenes]


def test_the_colour_rule_bears_the_noise_of_a_young_model(shown):
    """Half as bright, 20 levels of noise in every channel: nearly all right; what is all dark has no colour."""
    images, captions = shown["val"]
    noise = np.random.default_rng(0).normal(0, 20, images.shape)
    noisy = np.clip(images / 2 + noise, 0, 255).astype(np.uint8)
    left = [colour_of(halves(image)[0]) for image in noisy]
    right = sum(name == scene_of_caption(texts[0]).left.colour for name, texts in zip(left, captions, strict=True))
    assert right > 0.98 * len(images)
    assert colour_of(np.full((32, 16, 3), 63, dtype=np.uint8)) is None


@pytest.mark.parametrize(
    ("colour", "name"),
    [((255, 0, 0), "red"), ((0, 128, 0), "green"), ((0, 0, 200), "blue"), ((200, 200, 0), "yellow"), ((255, 200, 30), "yellow")],
)
def test_colours_near_a_named_one_get_its_name(colour, name):
    half = np.zeros((32, 16, 3), dtype=np.uint8)
    half[10:14, 5:8] = colour
    assert colour_of(half) == name


def test_a_dull_background_does_not_colour_the_digit():
    """Sixteen times as many pixels as the digit has, less than half as bright."""
    half = np.full((32, 16, 3), (90, 20, 0), dtype=np.uint8)
    half[10:18, 5:9] = (60, 100, 255)
    assert colour_of(half) == "blue"


def test_named_colours_are_far_apart():
    values = np.array(list(COLOURS.values()), dtype=float)
    distances = np.linalg.norm(values[:, None] - values, axis=2)
    assert distances[~np.eye(len(values), dtype=bool)].min() > 200
    assert (values.max(axis=1) == 255).all()


def test_a_scene_is_black_around_two_digits():
    """Of full ink, each digit is a square of 14 x 14 of its colour, one pixel from the middle."""
    scene = drawn(Scene(DigitInColour(1, "red"), DigitInColour(2, "blue")), np.full((8, 8), 16), np.full((8, 8), 8))
    expected = np.zeros((32, 32, 3), dtype=np.uint8)
    expected[9:23, 1:15] = (255, 40, 40)
    expected[9:23, 17:31] = (30, 50, 128)  # half of (60, 100, 255)
    assert np.array_equal(scene, expected)


@pytest.mark.parametrize("colour", list(COLOURS))
def test_a_digit_is_given_back_to_the_classifier_as_it_was(colour):
    """As the archive of single digits shows it, but for what two resizings blur."""
    source = load_digits().images[:200]
    scenes = [drawn(Scene(DigitInColour(0, colour), DigitInColour(0, colour)), grey, grey) for grey in source]
    given = np.array([digit_of_half(halves(scene)[1]) for scene in scenes], dtype=float)
    single = np.array([upsampled(grey) for grey in source], dtype=float)
    assert given.shape == single.shape
    assert np.abs(given - single).mean() < 6
