"""Oracles: parameter counts in closed form and the definition written out."""

import pytest
import torch

from sra.models.heads import ProjectionHead, Projector
from sra.models.initial import initial_weights


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
