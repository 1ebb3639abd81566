"""Oracles: torch's own layers given the same weights, and closed forms."""

import math

import pytest
import torch
from torch import nn

from sra.models.blocks import Attention, Block, Mlp, PatchEmbedding, TimestepEmbedding, sincos_positions


def test_patch_embedding_equals_the_convolution_whose_weights_it_holds():
    torch.manual_seed(0)
    embedding = PatchEmbedding(channels=3, patch=2, width=16)
    latents = torch.randn(2, 3, 6, 6)
    torch.testing.assert_close(embedding(latents), embedding.proj(latents).flatten(2).transpose(1, 2))


def test_attention_equals_torch_multihead_attention():
    torch.manual_seed(0)
    ours, theirs = Attention(32, heads=4), nn.MultiheadAttention(32, num_heads=4, batch_first=True)
    theirs.in_proj_weight.data, theirs.in_proj_bias.data = ours.qkv.weight.data, ours.qkv.bias.data
    theirs.out_proj.load_state_dict(ours.proj.state_dict())
    x = torch.randn(2, 9, 32)
    torch.testing.assert_close(ours(x)[0], theirs(x, x, x, need_weights=False)[0])


def test_mlp_uses_the_tanh_form_of_gelu():
    torch.manual_seed(0)
    mlp, x = Mlp(8).double(), 3 * torch.randn(2, 5, 8, dtype=torch.float64)
    hidden = x @ mlp.fc1.weight.T + mlp.fc1.bias
    gelu = hidden / 2 * (1 + torch.tanh((2 / math.pi) ** 0.5 * (hidden + 0.044715 * hidden**3)))
    torch.testing.assert_close(mlp(x), gelu @ mlp.fc2.weight.T + mlp.fc2.bias)
    assert hidden.shape[2] == 32


def test_a_block_moves_only_through_its_gates():
    torch.manual_seed(0)
    block, x, condition = Block(16, heads=2), torch.randn(2, 5, 16), torch.randn(2, 16)
    moved = block(x, condition)
    gates = block.adaLN_modulation[1]
    for gate in (2, 5):  # shift, scale, gate of attention, then of the MLP
        nn.init.zeros_(gates.weight[16 * gate : 16 * (gate + 1)].detach())
        nn.init.zeros_(gates.bias[16 * gate : 16 * (gate + 1)].detach())
    assert not torch.allclose(moved, x)
    torch.testing.assert_close(block(x, condition), x, rtol=0, atol=0)


def test_waves_of_time_are_cosines_then_sines_of_falling_rates():
    waves = TimestepEmbedding.waves(torch.tensor([0.5, 999.0]))
    assert waves.shape == (2, 256)
    for k in (0, 1, 64, 127):
        rate = 10000 ** (-k / 128)
        assert waves[0, k] == pytest.approx(math.cos(0.5 * rate), abs=1e-6)
        assert waves[1, 128 + k] == pytest.approx(math.sin(999 * rate), abs=1e-4)


def test_time_stays_float32_under_autocast():
    embedding = TimestepEmbedding(8)
    near, nearer = torch.tensor([0.5]), torch.tensor([0.5004])  # one number in bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        assert embedding(near).dtype == torch.float32
        assert not torch.equal(embedding(near), embedding(nearer))
        torch.testing.assert_close(embedding.waves(near), embedding.waves(near.double()))


def test_positions_encode_the_column_then_the_row():
    positions = sincos_positions(width=8, side=3)
    assert positions.shape == (9, 8)
    row, column = 2, 1
    slow = 10000**-0.5
    expected = [f(p * rate) for p in (column, row) for f in (math.sin, math.cos) for rate in (1, slow)]
    assert positions[3 * row + column].tolist() == pytest.approx(expected, abs=1e-6)
    assert len(positions.unique(dim=0)) == 9
