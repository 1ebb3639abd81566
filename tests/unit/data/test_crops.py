"""Oracles: closed forms of means, crops and Lanczos weights, and guided-diffusion's steps written out by hand for one size."""

import numpy as np
import pytest
from PIL import Image

from sra.data.crops import CROPS, adm_center_crop, lanczos_center_crop, to_rgb


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


@pytest.mark.parametrize("size", [256, 512])
def test_four_times_the_size_is_the_mean_of_the_means(size):
    """Of 4 x 4 pixels, each a multiple of 16: neither halving rounds. The margins, 40 and 41 pixels of the reduced image, are cut away."""
    pixels = np.asarray(noise(4 * size + 4 * 81, 4 * size)) // 16 * 16
    means = pixels.reshape(size, 4, size + 81, 4, 3).mean((1, 3))
    assert np.array_equal(np.asarray(adm_center_crop(Image.fromarray(pixels), size)), means[:, 40 : 40 + size])


@pytest.mark.parametrize("size", [256, 512])
def test_a_slope_keeps_its_values_under_the_bicubic_part(size):
    """From 1.5 times the size: bicubic interpolation of a straight line is that line, read at (y + 1/2) 1.5 - 1/2, away from the edges."""
    height = size * 3 // 2
    slope = np.arange(height) * 200 / height
    pixels = np.broadcast_to(np.round(slope).astype(np.uint8)[:, None, None], (height, height, 3))
    expected = ((np.arange(size) + 0.5) * 1.5 - 0.5) * 200 / height
    cropped = np.asarray(adm_center_crop(Image.fromarray(np.ascontiguousarray(pixels)), size)).astype(float)
    assert np.abs(cropped - expected[:, None, None])[8:-8].max() <= 1  # half a level for the input's rounding, half for the output's
    assert (cropped == cropped[:, :1, :1]).all()


@pytest.mark.parametrize("size", [256, 512])
@pytest.mark.parametrize("extra", [0, 1, 2, 101])
def test_the_long_side_is_cut_in_the_middle(size, extra):
    """Of the right height nothing is scaled; of an odd rest the larger part goes on the right, or at the bottom."""
    image = noise(size + extra, size)
    start = extra // 2
    assert np.array_equal(np.asarray(adm_center_crop(image, size)), np.asarray(image)[:, start : start + size])
    turned = Image.fromarray(np.asarray(image).transpose(1, 0, 2).copy())
    assert np.array_equal(np.asarray(adm_center_crop(turned, size)), np.asarray(turned)[start : start + size])


@pytest.mark.parametrize("crop", CROPS.values(), ids=CROPS)
@pytest.mark.parametrize("shape", [(500, 375), (375, 500), (33, 1000), (20, 10), (511, 513)])
def test_every_shape_ends_square(shape, crop):
    assert crop(noise(*shape), 32).size == (32, 32)


@pytest.mark.parametrize("crop", CROPS.values(), ids=CROPS)
def test_small_images_are_enlarged(crop):
    flat = Image.new("RGB", (10, 20), (12, 200, 77))
    assert (np.asarray(crop(flat, 32)) == (12, 200, 77)).all()


def lanczos_weights(before, after):
    """(after, before): of every pixel in every pixel, sinc(x) sinc(x / 3) at its distance x in the coarser of the two grids, sum 1."""
    step = before / after
    centres = (np.arange(after) + 0.5) * step
    distance = (np.arange(before) + 0.5 - centres[:, None]) / max(step, 1)
    weights = np.where(np.abs(distance) < 3, np.sinc(distance) * np.sinc(distance / 3), 0)
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("before", "after"), [(64, 32), (480, 256), (33, 32), (20, 32), (427, 256)])
def test_lanczos_is_its_weights(before, after):
    """Both directions one after the other; PIL rounds after each, so half a level may arrive twice, once scaled by up to 1.5."""
    image = noise(before, before)
    weights = lanczos_weights(before, after)
    across = np.clip(np.einsum("oi,yic->yoc", weights, np.asarray(image, dtype=float)), 0, 255)
    expected = np.clip(np.einsum("oi,ixc->oxc", weights, across), 0, 255)
    assert np.abs(np.asarray(lanczos_center_crop(image, after)) - expected).max() < 1.5


@pytest.mark.parametrize("size", [256, 32])
@pytest.mark.parametrize("extra", [0, 1, 2, 101])
def test_before_lanczos_the_middle_of_the_long_side_is_kept(size, extra):
    """Of the right height nothing is scaled; of an odd rest the larger part goes on the right, or at the bottom."""
    image = noise(size + extra, size)
    start = extra // 2
    assert np.array_equal(np.asarray(lanczos_center_crop(image, size)), np.asarray(image)[:, start : start + size])
    turned = Image.fromarray(np.asarray(image).transpose(1, 0, 2).copy())
    assert np.array_equal(np.asarray(lanczos_center_crop(turned, size)), np.asarray(turned)[start : start + size])


def test_what_is_cut_away_does_not_reach_the_lanczos_crop():
    """U-ViT cuts before it scales. ADM scales first, and its edges see a little of what is outside."""
    pixels = np.array(noise(150, 100))
    changed = pixels.copy()
    changed[:, :25], changed[:, 125:] = 255 - pixels[:, :25], 255 - pixels[:, 125:]
    before, after = (np.asarray(lanczos_center_crop(Image.fromarray(image), 64)) for image in (pixels, changed))
    assert np.array_equal(before, after)
    before, after = (np.asarray(adm_center_crop(Image.fromarray(image), 64)) for image in (pixels, changed))
    assert not np.array_equal(before, after)


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
