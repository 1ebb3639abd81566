"""Oracles: parameter counts in closed form and the definition written out."""

import pytest
import torch

from sra.models.heads import ProjectionHead, Projector, initialization_of
from sra.models.initial import initial_weights
from sra.spec.run import model_named
from sra.spec.scale import Latent, Text


@pytest.mark.parametrize(("width", "count"), [(384, 590_976), (768, 2_361_600), (1024, 4_197_376), (1152, 5_311_872)])
def test_head_counts(width, count):
    with torch.device("meta"):
        assert sum(p.numel() for p in ProjectionHead(width).parameters()) == count


def test_head_is_two_linear_maps_around_a_silu():
    head, x = ProjectionHead(8, torch.Generator().manual_seed(0)), torch.randn(2, 3, 8)
    hidden = x @ head.linear1.weight.T
    torch.testing.assert_close(head(x), (hidden * hidden.sigmoid()) @ head.linear2.weight.T)
    assert not head.linear1.bias.any()
    assert head.linear1.weight.abs().max() <= (6 / (8 + 16)) ** 0.5


def test_projector_ends_at_the_encoder_width():
    projector = Projector(8, 32, 5)
    assert projector(torch.randn(2, 3, 8)).shape == (2, 3, 5)
    assert sum(p.numel() for p in projector.parameters()) == (8 * 32 + 32) + (32 * 32 + 32) + (32 * 5 + 5)


def test_purposes_and_seeds_have_weights_of_their_own():
    def first_weight(seed, purpose):
        with initial_weights(seed, purpose) as generator:
            return ProjectionHead(4, generator).linear1.weight

    assert torch.equal(first_weight(0, "a"), first_weight(0, "a"))
    assert not torch.equal(first_weight(0, "a"), first_weight(0, "b"))
    assert not torch.equal(first_weight(0, "a"), first_weight(1, "a"))


def test_projector_depth_is_an_option():
    assert sum(p.numel() for p in Projector(8, 32, 5, layers=1).parameters()) == 8 * 5 + 5
    assert [type(layer).__name__ for layer in Projector(8, 32, 5, layers=2)] == ["Linear", "SiLU", "Linear"]


def spread(layer):
    """Largest weight and largest bias; of a uniform distribution, almost its bound."""
    return layer.weight.abs().max().item(), layer.bias.abs().max().item()


@pytest.mark.parametrize(("name", "text"), [("SiT-B/2", None), ("DiT-B/2", None), ("MMDiT/2", Text(tokens=77, width=768))])
def test_heads_start_by_the_rule_of_their_model(name, text):
    """Xavier: 6 / (inputs + outputs) under the root, no bias. torch: 1 / inputs under the root, biases too."""
    initialize = initialization_of(model_named(name, Latent(channels=4, size=32), 1000, text=text))
    generator = torch.Generator().manual_seed(0)
    head, projector = ProjectionHead(64, generator, initialize), Projector(64, 256, 32, generator, initialize=initialize)
    for layer, inputs, outputs in ((head.linear1, 64, 128), (head.linear2, 128, 64), (projector[0], 64, 256), (projector[4], 256, 32)):
        bound, bias = (inputs**-0.5, inputs**-0.5) if text else ((6 / (inputs + outputs)) ** 0.5, 0)
        assert spread(layer) == (pytest.approx(bound, rel=0.01), pytest.approx(bias, rel=0.3))


def test_torchs_own_rule_is_that_of_a_new_layer():
    initialize = initialization_of(model_named("MMDiT/2", Latent(channels=4, size=32), 1000, text=Text(tokens=77, width=768)))
    theirs, ours = torch.nn.Linear(400, 300), Projector(400, 300, 300, torch.Generator().manual_seed(1), initialize=initialize)[0]
    assert spread(ours) == pytest.approx(spread(theirs), rel=0.05)
    assert ours.weight.std().item() == pytest.approx(theirs.weight.std().item(), rel=0.02)
