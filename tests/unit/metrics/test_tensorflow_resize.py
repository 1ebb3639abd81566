"""The resize: by hand, bit for bit as torch-fidelity's, and not as anybody else's."""

import pytest
import torch
from torch.nn import functional as F

from sra.metrics.tensorflow_resize import tensorflow_resize


def random_images(height, width, count=2):
    return torch.randint(0, 256, (count, height, width, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(height + width))


def column(values):
    """An image (1, H, 1, 1) of one column."""
    return torch.tensor(values, dtype=torch.uint8).view(1, -1, 1, 1)


@pytest.mark.parametrize("size", [(256, 256), (512, 512), (64, 64), (32, 32), (200, 300), (299, 299), (1, 7)], ids=str)
def test_every_bit_is_torch_fidelitys(size):
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    images = random_images(*size)
    theirs = interpolate_bilinear_2d_like_tensorflow1x(images.permute(0, 3, 1, 2).float(), size=(299, 299), align_corners=False)
    ours = tensorflow_resize(images, 299)
    assert ours.shape == (2, 299, 299, 3)
    assert ours.dtype == torch.float32
    assert torch.equal(ours.permute(0, 3, 1, 2), theirs)


@pytest.mark.parametrize("size", [256, 512, 64])
def test_it_is_not_the_resize_of_later_libraries(size):
    images = random_images(size, size)
    modern = F.interpolate(images.permute(0, 3, 1, 2).float(), size=(299, 299), mode="bilinear", align_corners=False).permute(0, 2, 3, 1)
    assert (tensorflow_resize(images, 299) - modern).abs().mean() > 1


def test_two_pixels_become_four_by_hand():
    # Output pixels 0 ... 3 sample the input at 0, 0.5, 1 and 1.5; behind the last pixel the image goes on unchanged.
    corner = torch.tensor([[10, 20], [110, 220]], dtype=torch.uint8).view(1, 2, 2, 1)
    expected = [[10, 15, 20, 20], [60, 90, 120, 120], [110, 165, 220, 220], [110, 165, 220, 220]]
    assert tensorflow_resize(corner, 4)[0, :, :, 0].tolist() == expected


def test_a_ramp_stays_a_ramp_from_its_first_pixel_on():
    ramp = tensorflow_resize(column([0, 40, 80, 120, 160, 200, 240, 250]).expand(1, 8, 8, 1), 32)[0, :, 0, 0]
    assert ramp[:24].tolist() == [10.0 * i for i in range(24)]


def test_shrinking_skips_pixels():
    assert tensorflow_resize(column([0, 50, 100, 150, 200, 250]).expand(1, 6, 6, 1), 3)[0, :, 0, 0].tolist() == [0, 100, 200]


def test_the_same_size_is_the_same_image():
    images = random_images(299, 299)
    assert torch.equal(tensorflow_resize(images, 299), images.float())
