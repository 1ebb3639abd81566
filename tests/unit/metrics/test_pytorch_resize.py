"""The extractor behind pytorch-fid's resize, against clean-fid's `legacy_pytorch` mode on one file of random weights."""

import shutil

import numpy as np
import pytest
import torch
from random_networks import save_random_inception
from torch.nn import functional as F

from sra.core.errors import InputError
from sra.metrics.extractors import with_resize
from sra.metrics.frechet import FeatureStatistics, frechet_distance
from sra.metrics.inception import InceptionExtractor, network_input
from sra.metrics.judges import Judges
from sra.metrics.reference import Reference
from sra.metrics.samples import SampleSet
from sra.metrics.secondary import check_secondary
from sra.metrics.small_extractor import SmallExtractor, SmallNetwork
from sra.metrics.suite import Settings, extract, score

pytestmark = pytest.mark.filterwarnings("ignore:.*weights:UserWarning")  # torchvision's, of how clean-fid calls it


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Ours, and clean-fid's function of images (B, H, W, 3) uint8 on the same weights. The file has 95 MB, so it goes at once."""
    from cleanfid import features, inception_pytorch, resize

    folder = tmp_path_factory.mktemp("inception")
    sha256 = save_random_inception(folder / "weights.pth")
    with pytest.MonkeyPatch.context() as patch:
        stored = torch.load(folder / "weights.pth", weights_only=True)
        patch.setattr(inception_pytorch, "load_state_dict_from_url", lambda *_, **__: stored)
        network = features.build_feature_extractor("legacy_pytorch", torch.device("cpu"), use_dataparallel=False)
    ours = InceptionExtractor.load(folder / "weights.pth", sha256=sha256)
    shutil.rmtree(folder)
    resized = resize.build_resizer("legacy_pytorch")

    def clean_fid(images):
        pixels = np.stack([resized(image) for image in images]).transpose(0, 3, 1, 2)
        with torch.no_grad():
            return network(torch.from_numpy(pixels))

    return ours, clean_fid


@pytest.fixture(scope="module")
def images():
    """(5, 40, 64, 3): wider than high, which shows a swapped axis."""
    return blocks(0, 5)


def blocks(seed, count):
    """Blocks of 8 x 8 pixels of one colour: every edge moves with the resize."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 5, 8, 3), dtype=np.uint8)
    return coarse.repeat(8, 1).repeat(8, 2)


@pytest.fixture(scope="module")
def expected(networks, images):
    return networks[1](images)


def test_features_are_those_of_clean_fids_legacy_pytorch(networks, images, expected):
    ours, _ = networks
    found = with_resize(ours, "pytorch").features(images)
    scale = expected.abs().max()
    assert (found.pooled - expected).abs().max() < 2e-5 * scale
    assert (ours.features(images).pooled - expected).abs().max() > 3e-3 * scale  # tensorflow's resize sees other pixels
    assert found.spatial.shape == (5, 2023)
    assert ours.resize == "tensorflow"  # untouched
    assert with_resize(ours, "pytorch").network is ours.network
    assert with_resize(ours, "tensorflow") is ours


def test_pixels_lie_at_half_pixel_centres():
    """One row 0, 255 to 299 pixels: output i samples the input at (i + 1/2) 2 / 299 - 1/2, no further than the outer centres."""
    row = torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 2, 1).expand(1, 2, 2, 3)
    place = ((torch.arange(299) + 0.5) * 2 / 299 - 0.5).clamp(0, 1)
    found = network_input(row, "pytorch")
    assert torch.allclose(found, (2 * place - 1).expand(1, 3, 299, 299), atol=1e-5)


def test_the_input_keeps_the_channels_last_layout(images):
    pixels = torch.from_numpy(images)
    found = network_input(pixels, "pytorch")
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(found, 2 * F.interpolate(pixels.permute(0, 3, 1, 2) / 255, (299, 299), mode="bilinear") - 1, atol=1e-6)


def test_the_score_is_the_distance_of_clean_fids_features(networks, images, expected):
    ours, clean_fid = networks
    real = blocks(1, 6)
    statistics = {resize: extract(real, with_resize(ours, resize), 5, "real") for resize in ("tensorflow", "pytorch")}
    reference = Reference(statistics["tensorflow"].pooled_statistics, None, real)
    judges = Judges(fid_pytorch=statistics["pytorch"].pooled_statistics)
    settings = Settings(5, few=True, skip=("sfid", "precision_recall"), secondary=("fid_pytorch",), batch=2)
    found = score(SampleSet(images), reference, ours, settings, judges=judges)
    expected = frechet_distance(FeatureStatistics.of(expected), FeatureStatistics.of(clean_fid(real)))
    assert found.metrics()["fid_pytorch"] == pytest.approx(expected, rel=1e-4)
    assert found.metrics()["fid"] != pytest.approx(expected, rel=1e-3)
    assert found.secondary["fid_pytorch"].about == {"real_images": 6, "resize": "pytorch"}


def test_an_extractor_of_one_size_has_no_resize(images):
    extractor = SmallExtractor(SmallNetwork(10))
    assert with_resize(extractor, "tensorflow") is extractor
    for refused in (lambda: with_resize(extractor, "pytorch"), lambda: check_secondary(("fid_pytorch",), SampleSet(images), None, extractor)):
        with pytest.raises(InputError, match="digits_cnn: takes 32 x 32 pixels as they are, so it has no pytorch resize") as caught:
            refused()
        assert "\n" not in str(caught.value)
