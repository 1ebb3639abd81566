"""Real scenes agree with their captions; swapped, recoloured or dark ones do not, each in its own share; an independent reader reads the digits."""

import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from sra.core.errors import InputError
from sra.data.captions import annotation_path, read_captions
from sra.data.digits import upsampled
from sra.data.scenes import DigitInColour, Scene, scene_of_caption, scenes_path, write_scenes
from sra.metrics.caption_accuracy import caption_accuracy
from sra.metrics.extractors import Features
from sra.metrics.frechet import FeatureStatistics
from sra.metrics.reference import Reference
from sra.metrics.samples import SampleSet
from sra.metrics.secondary import check_secondary
from sra.metrics.small_extractor import SmallExtractor, SmallNetwork
from sra.metrics.suite import Settings, score


class NearestDigit:
    """The class of the nearest of scikit-learn's digits. Its features stand for nothing."""

    name = "nearest_digit"
    image_size = 32

    def __init__(self):
        digits = load_digits()
        self.known = torch.from_numpy(np.stack([upsampled(image)[..., 0] for image in digits.images])).float().flatten(1)
        self.classes = torch.from_numpy(digits.target)

    def features(self, images):
        seen = torch.from_numpy(images[..., 0]).float().flatten(1)
        nearest = torch.cdist(seen, self.known).argmin(1)
        logits = torch.nn.functional.one_hot(self.classes[nearest], 10).float()
        return Features(logits[:, :4] + seen[:, 500:504], logits[:, :3] + seen[:, 600:603], logits, self.classes[nearest])


@pytest.fixture(scope="module")
def reader():
    return NearestDigit()


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Every validation scene (1600, 32, 32, 3), and one of its captions, in all wordings by turns."""
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, 0)
    described = read_captions(annotation_path(folder, "val"))
    with zipfile.ZipFile(scenes_path(folder, "val")) as archive:
        images = [np.asarray(Image.open(archive.open(f"val2014/{image.file_name}"))) for image in described]
    return np.stack(images), [image.captions[number % 5] for number, image in enumerate(described)]


def accuracy(reader, images, captions, batch=64):
    return caption_accuracy(images, captions, lambda digits: reader.features(digits).predicted, batch)


def test_every_real_scene_is_what_its_caption_says(reader, shown):
    found = accuracy(reader, *shown)
    assert (found.everything, found.digits, found.colours) == (1, 1, 1)


def test_swapped_halves_are_right_only_where_both_halves_say_the_same(reader, shown):
    images, captions = shown
    found = accuracy(reader, np.roll(images, 16, axis=2), captions)
    # Of 40 x 40 pairs, 40 are of one coloured digit twice, 160 of one digit and 400 of one colour.
    assert (found.everything, found.digits, found.colours) == pytest.approx((40 / 1600, 160 / 1600, 400 / 1600))


def test_a_wrong_colour_is_no_wrong_digit(reader, shown):
    images, captions = shown
    pure = [number for number, caption in enumerate(captions) if "yellow" not in caption]
    turned = images[pure][..., [2, 0, 1]]  # red to green, green to blue, blue to red
    found = accuracy(reader, turned, [captions[number] for number in pure])
    assert (found.everything, found.digits, found.colours) == (0, 1, 0)


def test_a_wrong_digit_is_no_wrong_colour(reader, shown):
    """Captions of the next digits in the same colours."""
    images, captions = shown
    scenes = [scene_of_caption(caption) for caption in captions]
    sides = [[DigitInColour((side.digit + 1) % 10, side.colour) for side in (scene.left, scene.right)] for scene in scenes]
    found = accuracy(reader, images, [Scene(*both).captions[number % 5] for number, both in enumerate(sides)])
    assert (found.everything, found.digits, found.colours) == (0, 0, 1)


def test_one_half_is_not_enough(reader, shown):
    """The right half of another scene: the share of pairs, not of digits."""
    images, captions = shown
    mixed = images.copy()
    mixed[:, :, 16:] = np.roll(images, 1, axis=0)[:, :, 16:]
    rights = [scene_of_caption(caption).right for caption in captions]
    before = [rights[-1], *rights[:-1]]
    found = accuracy(reader, mixed, captions)
    assert found.everything == np.mean([a == b for a, b in zip(rights, before, strict=True)])
    assert found.digits == np.mean([a.digit == b.digit for a, b in zip(rights, before, strict=True)])
    assert found.colours == np.mean([a.colour == b.colour for a, b in zip(rights, before, strict=True)])
    assert 0.05 < found.digits < 0.2 < found.colours < 0.3


def test_what_cannot_be_read_shows_nothing(reader, shown):
    images, captions = shown
    found = accuracy(reader, images // 8, captions)
    assert (found.everything, found.digits, found.colours) == (0, 0, 0)


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_batches_change_nothing(reader, shown, batch):
    images, captions = shown[0][:40], [*shown[1][:20], *shown[1][:20]]
    assert accuracy(reader, images, captions, batch) == accuracy(reader, images, captions)


def test_the_suite_scores_it_with_its_own_extractor(reader, shown):
    images, captions = shown[0][:200], [*shown[1][:150], *shown[1][150:200][::-1]]
    real = FeatureStatistics.of(torch.randn(50, 4)), FeatureStatistics.of(torch.randn(50, 3))
    found = score(SampleSet(images, captions=captions), Reference(*real, images[:50] // 2), reader, Settings(200, secondary=("caption_accuracy",)))
    expected = accuracy(reader, images, captions)
    assert 0.75 <= expected.everything < 0.8
    assert found.metrics()["caption_accuracy"] == expected.everything
    assert found.secondary["caption_accuracy"].about == {"digits": expected.digits, "colours": expected.colours, "pairs": 200}


def check(extractor, images, captions):
    check_secondary(("caption_accuracy",), SampleSet(images, captions=captions), None, extractor)


def test_captions_of_no_scene_are_refused_by_the_first(reader, shown):
    images, captions = shown[0][:5], [*shown[1][:3], "a photo of a dog", "two zebras"]
    with pytest.raises(
        InputError, match=r"^samples: image 3: caption 'a photo of a dog' describes no scene .*; leave out caption_accuracy$"
    ) as caught:
        check(reader, images, captions)
    assert "\n" not in str(caught.value)
    check(reader, images, shown[1][:5])


def test_what_reads_no_digits_is_refused(reader, shown, patches):
    images, captions = shown[0][:5], shown[1][:5]
    with pytest.raises(InputError, match="caption_accuracy: extractor patches takes no digits of 32 x 32 pixels; leave it out"):
        check(patches, images, captions)
    with pytest.raises(InputError, match="caption_accuracy: extractor digits_cnn does not tell 10 digits apart"):
        check(SmallExtractor(SmallNetwork(9)), images, captions)
    check(SmallExtractor(SmallNetwork(10)), images, captions)
    with pytest.raises(InputError, match=r"caption_accuracy: images are \(16, 32\) pixels, scenes 32 x 32"):
        check(reader, images[:, :16], captions)
    with pytest.raises(InputError, match="caption_accuracy: needs the captions that the samples were drawn from; give --captions"):
        check(reader, images, None)

    class Silent(NearestDigit):
        def features(self, images):
            found = super().features(images)
            return Features(found.pooled, found.spatial, found.logits, None)

    with pytest.raises(InputError, match="extractor nearest_digit does not tell 10 digits apart"):
        check(Silent(), images, captions)
