"""The two uint8 rules against tables written out by hand, and the way back."""

import pytest
import torch

from sra.encoders.pixels import from_uint8, to_uint8

# x:                         -2, -1, -0.999, -0.996, 0, 0.001, 0.004, 0.999, 1, 2
VALUES = torch.tensor([-2.0, -1.0, -0.999, -0.996, 0.0, 0.001, 0.004, 0.999, 1.0, 2.0])
TABLE = {
    "floor": [0, 0, 0, 0, 127, 127, 128, 254, 255, 255],  # 255 (x + 1) / 2
    "round": [0, 0, 0, 1, 128, 128, 128, 255, 255, 255],  # 127.5 x + 128
}


def as_image(values):
    return values.view(1, 1, 1, -1).expand(1, 3, 1, -1)


@pytest.mark.parametrize("rule", TABLE)
def test_levels_by_rule(rule):
    images = to_uint8(as_image(VALUES), rule)
    assert images.dtype == torch.uint8
    assert images.shape == (1, 1, 10, 3)
    assert images[0, 0, :, 0].tolist() == TABLE[rule]


def test_round_is_the_nearest_level_and_floor_the_one_below():
    values = torch.linspace(-1, 1, 10_001, dtype=torch.float64)
    exact = 255 * (values + 1) / 2
    floor, rounded = (to_uint8(as_image(values), rule)[0, 0, :, 0].double() for rule in ("floor", "round"))
    assert ((exact - rounded).abs() <= 0.5 + 1e-9).all()
    assert ((floor <= exact + 1e-9) & (exact < floor + 1 + 1e-9)).all()
    assert 0.4 < (floor != rounded).double().mean() < 0.6


def test_every_byte_survives_the_round_trip_by_rounding():
    images = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).expand(-1, -1, -1, 3)
    assert torch.equal(to_uint8(from_uint8(images), "round"), images)


def test_bytes_span_minus_one_to_one_channels_first():
    images = torch.tensor([0, 255, 51], dtype=torch.uint8).view(1, 1, 1, 3).expand(2, 4, 5, 3)
    pixels = from_uint8(images)
    assert pixels.shape == (2, 3, 4, 5)
    assert pixels[0, :, 0, 0].tolist() == pytest.approx([-1, 1, -0.6])


@pytest.mark.parametrize(
    "images",
    [torch.zeros(1, 4, 4, 3), torch.zeros(1, 4, 4, 3, dtype=torch.int64), torch.zeros(4, 4, 3, dtype=torch.uint8), torch.zeros(1, 3, 4, 4).byte()],
    ids=["float", "int64", "one image", "channels first"],
)
def test_only_batches_of_bytes_are_taken(images):
    with pytest.raises(ValueError, match=r"expected uint8 images \(B, H, W, 3\), got"):
        from_uint8(images)


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="use floor or round"):
        to_uint8(torch.zeros(1, 3, 1, 1), "nearest")
