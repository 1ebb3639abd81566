"""Oracles: closed forms of means and crops, and guided-diffusion's steps written out by hand for one size."""

import numpy as np
import pytest
from PIL import Image

from sra.data.crops import adm_center_crop, to_rgb


def noise(width, height, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_the_right_size_is_untouched():
    image = noise(32, 32)
    assert np.array_equal(np.asarray(adm_center_crop(image, 32)), np.asarray(image))


def test_a_wide_image_of_the_right_height_is_only_cropped():
    image = noise(51, 32)
    assert np.array_equal(np.asarray(adm_center_crop(image, 32)), np.asarray(image)[:, 9:41])


def test_twice_the_size_is_halved_by_means():
    pixels = np.asarray(noise(64, 64)) // 4 * 4  # multiples of four: no mean needs rounding
    means = pixels.reshape(32, 2, 32, 2, 3).mean((1, 3))
    assert np.array_equal(np.asarray(adm_center_crop(Image.fromarray(pixels), 32)), means)


def test_halving_repeats_until_the_short_side_is_below_twice_the_size():
    image = noise(160, 140)  # 160 x 140 -> 80 x 70 -> 40 x 35 -> bicubic to 37 x 32 -> crop
    halved = image.resize((80, 70), Image.Resampling.BOX).resize((40, 35), Image.Resampling.BOX)
    resized = halved.resize((37, 32), Image.Resampling.BICUBIC)
    assert np.array_equal(np.asarray(adm_center_crop(image, 32)), np.asarray(resized)[:, 2:34])


@pytest.mark.parametrize("shape", [(500, 375), (375, 500), (33, 1000), (20, 10), (511, 513)])
def test_every_shape_ends_square(shape):
    assert adm_center_crop(noise(*shape), 32).size == (32, 32)


def test_small_images_are_enlarged():
    flat = Image.new("RGB", (10, 20), (12, 200, 77))
    assert (np.asarray(adm_center_crop(flat, 32)) == (12, 200, 77)).all()


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("L", (2, 2), 90), (90, 90, 90)),
        (Image.new("1", (2, 2), 1), (255, 255, 255)),
        (Image.new("RGBA", (2, 2), (10, 20, 30, 0)), (10, 20, 30)),
        (Image.new("LA", (2, 2), (40, 0)), (40, 40, 40)),
        (Image.new("CMYK", (2, 2), (0, 255, 255, 0)), (255, 0, 0)),
        (Image.new("RGB", (2, 2), (255, 0, 0)).quantize(2), (255, 0, 0)),
    ],
    ids=["grey", "bits", "alpha", "grey and alpha", "cmyk", "palette"],
)
def test_every_8_bit_mode_has_one_rgb_form(image, expected):
    assert (np.asarray(to_rgb(image)) == expected).all()


def test_sixteen_bits_are_refused():
    with pytest.raises(ValueError, match="I;16"):
        to_rgb(Image.new("I;16", (2, 2)))
