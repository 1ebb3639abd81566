"""The wrapper against timm's own calls, on small transformers with random or briefly trained weights."""

import pytest
import timm
import torch
from timm.models import save_for_hf
from torch.nn import functional as F

from sra.core.errors import InputError
from sra.encoders.vision import WEIGHTS, VisionEncoder
from sra.encoders.vision_training import EncoderTraining, accuracy, train_encoder

MEAN, STD = (0.1, 0.5, 0.9), (0.2, 0.3, 0.4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A transformer with a class token and four registers, of which `tokens` must give none."""
    torch.manual_seed(0)
    network = timm.create_model(
        "vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=12, depth=2, num_heads=2, num_classes=3, reg_tokens=4,
        pretrained_cfg_overlay={"mean": MEAN, "std": STD},
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("vit")
    save_for_hf(network, folder, safe_serialization=True)
    return folder


@pytest.fixture(scope="module")
def images():
    return torch.randint(256, (2, 32, 32, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def test_tokens_are_the_normalised_patches_of_the_normalised_image(folder, images):
    network = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    pixels = images.permute(0, 3, 1, 2) / 255
    pixels = torch.stack([(pixels[:, channel] - MEAN[channel]) / STD[channel] for channel in range(3)], dim=1)
    last = network.get_intermediate_layers(pixels, n=1, norm=True)[0]
    tokens = VisionEncoder.load(folder).tokens(images)
    assert tokens.shape == (2, 16, 12)
    assert torch.allclose(tokens, last, atol=1e-5)
    # Layer norm with its initial affine leaves unit vectors times the root of the width.
    assert torch.allclose(tokens.square().mean(-1), torch.ones(2, 16), atol=1e-3)


def test_other_sizes_are_resized_to_the_encoders_own(folder):
    large = torch.randint(256, (1, 64, 64, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    encoder = VisionEncoder.load(folder)
    shape = (1, 3, 1, 1)
    pixels = (large.permute(0, 3, 1, 2) / 255 - torch.tensor(MEAN).view(shape)) / torch.tensor(STD).view(shape)
    expected = encoder.network.forward_features(F.interpolate(pixels, (32, 32), mode="bicubic"))[:, 5:]
    assert torch.allclose(encoder.tokens(large), expected, atol=1e-5)


def test_a_grid_sets_the_number_of_tokens(folder, images):
    encoder = VisionEncoder.load(folder, grid=2)
    assert encoder.input_size == 16
    assert encoder.tokens(images).shape == (2, 4, 12)
    assert torch.equal(VisionEncoder.load(folder, grid=4).tokens(images), VisionEncoder.load(folder).tokens(images))


def test_float_images_are_refused(folder, images):
    with pytest.raises(ValueError, match="expected uint8 images"):
        VisionEncoder.load(folder).tokens(images / 255)


def test_nothing_in_it_trains(folder, images):
    encoder = VisionEncoder.load(folder)
    assert not encoder.network.training
    assert not encoder.tokens(images).requires_grad


def test_what_is_missing_is_named(folder, tmp_path):
    with pytest.raises(InputError, match=r"no such folder or file; fetch config\.json and model\.safetensors of a timm model"):
        VisionEncoder.load(tmp_path / "none")
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"model\.safetensors is missing; fetch"):
        VisionEncoder.load(tmp_path)
    with pytest.raises(InputError, match="cannot be loaded"):
        VisionEncoder.load("vit_of_no_such_name")


def test_truncated_weights_are_refused_in_one_line(folder, tmp_path):
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    (tmp_path / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-100])
    with pytest.raises(InputError, match="cannot be loaded") as caught:
        VisionEncoder.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_training_learns_and_repeats_byte_for_byte(tmp_path):
    # Two classes of noise: dark and bright.
    labels = torch.arange(64) % 2
    images = torch.randint(100, (64, 32, 32, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    images[labels == 1] += 120
    training = EncoderTraining(epochs=10, batch=16)
    encoder = train_encoder(images, labels, tmp_path / "a", seed=0, training=training)
    train_encoder(images, labels, tmp_path / "b", seed=0, training=training)
    for file in ("config.json", WEIGHTS):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert accuracy(encoder, images, labels) == 1
    assert accuracy(encoder, images, 1 - labels) == 0
    assert encoder.tokens(images).shape == (64, 16, 64)
