"""Features for probes: those that the model computes, at the paper's times, without a class."""

import pytest
import torch

from sra.analysis.features import block_features, image_noise
from sra.diffusion.ddpm import Ddpm
from sra.diffusion.flow import Flow
from sra.models.build import build_model
from sra.spec.run import ModelSpec
from sra.spec.scale import Latent

LATENTS = torch.randn((3, 4, 8, 8), generator=torch.Generator().manual_seed(0))
NOISE = torch.randn((3, 4, 8, 8), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def model():
    spec = ModelSpec(name="SiT-B/2", depth=4, width=16, heads=2, patch=2, latent=Latent(channels=4, size=8), classes=10, learns_variance=False)
    network = build_model(spec, seed=0)
    for parameter in network.parameters():  # adaLN-zero would leave every block the identity
        torch.nn.init.normal_(parameter, std=0.1)
    return network.eval()


@pytest.mark.parametrize(("process", "time", "timestep"), [(Flow(), 0.3, 0.3), (Ddpm(1000), 0.7, 700), (Ddpm(1000), 0.1, 100)])
def test_they_are_the_models_own_at_the_papers_time_and_without_a_class(model, process, time, timestep):
    found = block_features(model, process, LATENTS, NOISE, time, [1, 3])
    t = torch.full((3,), timestep)
    expected = model(process.noisy(LATENTS, NOISE, t), t, torch.full((3,), 10), taps=(1, 3))[1]
    assert set(found) == {1, 3}
    for block in found:
        assert found[block].shape == (3, 16, 16)
        assert torch.allclose(found[block], expected[block], atol=1e-6)
    told = model(process.noisy(LATENTS, NOISE, t), t, torch.tensor([1, 2, 3]), taps=(3,))[1][3]
    assert not torch.allclose(found[3], told, atol=1e-3)


def test_later_blocks_do_not_run(model):
    for block in model.blocks[2:]:
        block.register_forward_hook(lambda *_: pytest.fail("nothing reads it"))
    block_features(model, Flow(), LATENTS, NOISE, 0.1, [2])


def test_noise_belongs_to_an_image():
    whole = image_noise(0, "probe noise", range(5), (2, 3))
    assert torch.equal(whole[2:4], image_noise(0, "probe noise", [2, 3], (2, 3)))
    assert not torch.equal(whole, image_noise(0, "probe posterior", range(5), (2, 3)))
    assert not torch.equal(whole, image_noise(1, "probe noise", range(5), (2, 3)))
    assert len({tuple(image.flatten().tolist()) for image in whole}) == 5
