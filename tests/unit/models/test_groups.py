"""Tokens in groups with a time each: equal to a modulation for every token and to a dense mask, and to the plain network where nothing differs."""

import pytest
import torch
import torch.nn.functional as F

from sra.models.blocks import Block, modulate
from sra.models.build import build_model
from sra.models.groups import TokenGroups
from sra.spec.run import ModelSpec
from sra.spec.scale import Latent

SIZES = (4, 12)


@pytest.fixture
def model():
    spec = ModelSpec(name="SiT-B/2", depth=3, width=32, heads=4, patch=2, latent=Latent(channels=4, size=8), classes=10, learns_variance=False)
    return awake(build_model(spec, seed=0))


def awake(module):
    generator = torch.Generator().manual_seed(1)
    for parameter in module.parameters():
        parameter.data.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return module


def random_groups(batch=3, separated=False):
    rank = torch.rand(batch, sum(SIZES), generator=torch.Generator().manual_seed(2)).argsort(dim=1).argsort(dim=1)
    return TokenGroups((rank >= SIZES[0]).long(), SIZES, separated)


def inputs(batch=3):
    generator = torch.Generator().manual_seed(3)
    return torch.randn(batch, 4, 8, 8, generator=generator), torch.tensor([1, 10, 3])[:batch]


def dense(block: Block, x, condition, groups: TokenGroups):
    """A block with a modulation of every token and attention under a boolean mask."""
    by_token = condition.gather(1, groups.of.unsqueeze(2).expand(-1, -1, condition.shape[2]))
    shifts = block.adaLN_modulation(by_token).chunk(6, dim=2)
    mask = (groups.of.unsqueeze(2) == groups.of.unsqueeze(1)).unsqueeze(1) if groups.separated else None
    heads = block.attn.split(block.norm1(x) * (1 + shifts[1]) + shifts[0])
    x = x + shifts[2] * block.attn.merge(F.scaled_dot_product_attention(*heads, attn_mask=mask))
    return x + shifts[5] * block.mlp(block.norm2(x) * (1 + shifts[4]) + shifts[3])


@pytest.mark.parametrize("separated", [False, True])
def test_a_block_equals_one_with_a_modulation_of_every_token_and_a_dense_mask(separated):
    block, groups = awake(Block(32, 4)), random_groups(separated=separated)
    x, condition = torch.randn(3, 16, 32), torch.randn(3, 2, 32)
    found = groups.restored(block(groups.sorted(x), condition, groups))
    torch.testing.assert_close(found, dense(block, x, condition, groups))


def test_separated_attention_by_hand():
    """Three tokens of groups 0, 1, 0 with equal logits and the values 1, 2, 4."""
    groups = TokenGroups(torch.tensor([[0, 1, 0]]), (2, 1), separated=True)
    values = groups.sorted(torch.tensor([[[1.0], [2.0], [4.0]]])).unsqueeze(1)
    equal = torch.zeros(1, 1, 3, 1)
    assert groups.restored(groups.attended(equal, equal, values).squeeze(1)).flatten().tolist() == [2.5, 2, 2.5]


def test_sorting_and_putting_back():
    groups, tokens = random_groups(), torch.randn(3, 16, 5)
    assert torch.equal(groups.restored(groups.sorted(tokens)), tokens)
    sorted_groups = groups.sorted(groups.of.unsqueeze(2).float()).squeeze(2)
    assert torch.equal(sorted_groups, torch.tensor([0.0] * 4 + [1.0] * 12).expand(3, -1))


def test_equal_times_are_the_plain_network(model):
    x, labels = inputs()
    time = torch.tensor([0.2, 0.5, 0.9])
    plain, features = model(x, time, labels, taps=(2,))
    grouped = model.run(x, time[:, None].expand(-1, 2), labels, taps=(2,), groups=random_groups())
    torch.testing.assert_close(grouped.output, plain, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(grouped.features[2], features[2], rtol=1e-5, atol=1e-6)


def test_with_separation_no_group_sees_the_other(model):
    """What changes in one group's pixels changes its own output alone."""
    x, labels = inputs()
    groups, times = random_groups(separated=True), torch.tensor([[0.1, 0.8]]).expand(3, -1)
    pixels = groups.of.view(3, 1, 4, 4).repeat_interleave(2, 2).repeat_interleave(2, 3).bool()
    first = model.run(x, times, labels, groups=groups).output
    second = model.run(torch.where(pixels, x + 1, x), times, labels, groups=groups).output
    assert torch.equal(first[~pixels.expand_as(first)], second[~pixels.expand_as(first)])
    assert not torch.allclose(first[pixels.expand_as(first)], second[pixels.expand_as(first)])


def test_gradients_are_those_of_the_dense_form():
    block, groups = awake(Block(32, 4)), random_groups(separated=True)
    x, condition = torch.randn(3, 16, 32), torch.randn(3, 2, 32)
    gradients = []
    for form in (lambda: groups.restored(block(groups.sorted(x), condition, groups)), lambda: dense(block, x, condition, groups)):
        block.zero_grad()
        form().square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in block.parameters()])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_logits_are_those_of_the_attention():
    block, x, condition = awake(Block(32, 4)), torch.randn(3, 16, 32), torch.randn(3, 32)
    after, logits = block(x, condition, logits_of=3)
    assert torch.equal(after, block(x, condition))
    shift, scale = block.adaLN_modulation(condition).chunk(6, dim=1)[:2]
    query, key, value = block.attn.split(modulate(block.norm1(x), shift, scale))
    found = logits.softmax(dim=3) @ value[:, :3]
    torch.testing.assert_close(found, F.scaled_dot_product_attention(query, key, value)[:, :3])


def test_a_model_gives_the_logits_of_the_blocks_that_are_asked_for(model):
    x, labels = inputs()
    found = model.run(x, torch.full((3,), 0.4), labels, attention_taps=(1, 3), heads=2)
    assert {block: tuple(logits.shape) for block, logits in found.attention.items()} == {1: (3, 2, 16, 16), 3: (3, 2, 16, 16)}
    model.recompute_blocks = True
    again = model.run(x, torch.full((3,), 0.4), labels, attention_taps=(1, 3), heads=2)
    assert torch.equal(found.attention[3], again.attention[3])


def test_the_extra_token_reaches_the_image_and_back():
    spec = ModelSpec(
        name="SiT-B/2", depth=2, width=32, heads=4, patch=2, latent=Latent(channels=4, size=8), classes=10, learns_variance=False, summary_width=6
    )
    x, labels = inputs()
    fresh = build_model(spec, seed=0).run(x, torch.full((3,), 0.4), labels, summary=torch.randn(3, 6))
    assert not fresh.summary.any()  # starts as zero, like the image's output
    model, summary = awake(build_model(spec, seed=0)), torch.randn(3, 6)
    found = model.run(x, torch.full((3,), 0.4), labels, taps=(1,), summary=summary)
    assert (found.output.shape, found.summary.shape, found.features[1].shape) == ((3, 4, 8, 8), (3, 6), (3, 17, 32))
    other = model.run(x, torch.full((3,), 0.4), labels, summary=summary + 1)
    assert not torch.allclose(found.output, other.output)
    other = model.run(x + 1, torch.full((3,), 0.4), labels, summary=summary)
    assert not torch.allclose(found.summary, other.summary)
    both = model.predict_both(x, model.t_embedder(torch.tensor([0.4])), model.embed_condition(labels), summary)
    torch.testing.assert_close(both[0], found.output)
    torch.testing.assert_close(both[1], found.summary)
