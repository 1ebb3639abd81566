"""One vector an image: the class token after the final norm, of the image as FD-DINOv2's sources prepare it."""

import numpy as np
import pytest
import timm
import torch
from timm.models import save_for_hf
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as transforms

from sra.core.errors import InputError
from sra.encoders.global_features import GlobalFeatures
from sra.encoders.vision import VisionEncoder


def network(**changes):
    torch.manual_seed(0)
    sizes = {"img_size": 56, "patch_size": 14, "embed_dim": 32, "depth": 2, "num_heads": 2, "num_classes": 0, "init_values": 1.0}
    model = timm.create_model("vit_tiny_patch16_224", **(sizes | changes)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.fixture
def folder(tmp_path):
    save_for_hf(network(), tmp_path / "encoder", safe_serialization=True)
    return tmp_path / "encoder"


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 256, 256, 3), dtype=np.uint8)


def test_the_vector_is_the_normed_class_token_of_the_prepared_image(folder, images):
    found = GlobalFeatures.load(folder).features(images)
    assert (found.shape, found.dtype) == ((3, 32), torch.float32)
    # By hand: torchvision's resize and normalisation, timm's own pooling of the class token.
    model = network(img_size=224)
    loaded = timm.create_model(f"local-dir:{folder}", pretrained=True, img_size=224)
    model.load_state_dict(loaded.state_dict())
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    pixels = transforms.resize(pixels, [224, 224], InterpolationMode.BICUBIC, antialias=True)
    pixels = transforms.normalize(pixels, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    with torch.no_grad():
        expected = model(pixels)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert (found[0] - found[1]).abs().max() > 1e-3


def test_the_size_of_the_images_does_not_matter_to_the_network(folder, images):
    features = GlobalFeatures.load(folder)
    small = np.ascontiguousarray(images[:, ::8, ::8])
    assert features.features(small).shape == (3, 32)


def test_the_hash_is_of_the_weights_as_they_came(folder, tmp_path):
    first = GlobalFeatures.load(folder).sha256
    assert first == VisionEncoder.load(folder).sha256()
    other = network()
    torch.nn.init.zeros_(other.norm.bias)
    save_for_hf(other, tmp_path / "other", safe_serialization=True)
    assert GlobalFeatures.load(tmp_path / "other").sha256 != first


def test_a_network_without_class_token_is_refused(tmp_path):
    save_for_hf(network(class_token=False, global_pool="avg"), tmp_path / "bare", safe_serialization=True)
    with pytest.raises(InputError, match="has no class token"):
        GlobalFeatures.load(tmp_path / "bare")


def test_other_than_bytes_are_refused(folder, images):
    with pytest.raises(ValueError, match="expected uint8"):
        GlobalFeatures.load(folder).features(images / np.float32(255))
