"""Oracles: diffusers' SD3 block, our DiT block where the two must agree, closed forms, and what the definition lets move or not."""

import pytest
import torch
from torch import nn

from sra.core.errors import InputError
from sra.models.blocks import Block
from sra.models.build import build_model
from sra.models.mmdit import JointBlock, LastText, MultimodalDiffusionTransformer
from sra.spec.run import ModelSpec
from sra.spec.scale import Latent, Text

TEXT = Text(tokens=7, width=12)


def spec(size=8, text=TEXT, learns_variance=False, **changes):
    numbers = {"depth": 4, "width": 32, "heads": 4, "patch": 2} | changes
    return ModelSpec(name="MMDiT/2", latent=Latent(channels=4, size=size), classes=None, text=text, learns_variance=learns_variance, **numbers)


def model(seed=0, **changes):
    return build_model(spec(**changes), seed)


def inputs(seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = (3, 4, 8, 8), (3, TEXT.tokens, TEXT.width)
    latents, text = (torch.randn(shape, generator=generator) for shape in shapes)
    return latents, torch.rand(3, generator=generator), text


def streams(width=32):
    """Image (2, 9, D), text (2, 5, D) and condition (2, D)."""
    generator = torch.Generator().manual_seed(3)
    return tuple(torch.randn(shape, generator=generator) for shape in ((2, 9, width), (2, 5, width), (2, width)))


def differ(one, other):
    """By more than rounding, which `not allclose` would take for a difference."""
    return (one - other).abs().max() > 1e-4 * other.abs().max()


@pytest.mark.parametrize("last", [False, True])
def test_a_joint_block_equals_that_of_diffusers(last):
    """`JointTransformerBlock`, SD3's. In the last block its text has scale before shift."""
    from diffusers.models.attention import JointTransformerBlock  # takes seconds to import

    ours, theirs = JointBlock(32, heads=4, last=last), JointTransformerBlock(32, num_attention_heads=4, attention_head_dim=8, context_pre_only=last)

    def copy(layer, *parts):
        for part, weight, bias in zip(parts, layer.weight.chunk(len(parts)), layer.bias.chunk(len(parts)), strict=True):
            part.weight.data, part.bias.data = weight.data.clone(), bias.data.clone()

    copy(ours.image.attn.qkv, theirs.attn.to_q, theirs.attn.to_k, theirs.attn.to_v)
    copy(ours.text.attn.qkv, theirs.attn.add_q_proj, theirs.attn.add_k_proj, theirs.attn.add_v_proj)
    copy(ours.image.attn.proj, theirs.attn.to_out[0])
    halves = [(ours.image, theirs.norm1, theirs.ff)] + [(ours.text, theirs.norm1_context, theirs.ff_context)] * (not last)
    for half, norm, mlp in halves:
        copy(half.adaLN_modulation[1], norm.linear)
        copy(half.mlp.fc1, mlp.net[0].proj)
        copy(half.mlp.fc2, mlp.net[2])
    if last:
        modulation = ours.text.adaLN_modulation[1]
        theirs.norm1_context.linear.weight.data = torch.cat(modulation.weight.data.chunk(2)[::-1])
        theirs.norm1_context.linear.bias.data = torch.cat(modulation.bias.data.chunk(2)[::-1])
    else:
        copy(ours.text.attn.proj, theirs.attn.to_add_out)

    image, text, condition = streams()
    their_text, their_image = theirs(hidden_states=image, encoder_hidden_states=text, temb=condition)
    our_image, our_text = ours(image, text, condition)
    torch.testing.assert_close(our_image, their_image)
    if last:
        assert our_text is their_text is None
    else:
        torch.testing.assert_close(our_text, their_text)


def test_without_text_a_joint_block_is_a_dit_block():
    joint, alone = JointBlock(32, heads=4, last=False), Block(32, heads=4)
    alone.load_state_dict(joint.image.state_dict())
    image, text, condition = streams()
    torch.testing.assert_close(joint(image, text[:, :0], condition)[0], alone(image, condition))


def test_with_shared_weights_a_joint_block_is_a_dit_block_on_all_tokens():
    joint, alone = JointBlock(32, heads=4, last=False), Block(32, heads=4)
    for half in (joint.image, joint.text):
        half.load_state_dict(alone.state_dict())
    image, text, condition = streams()
    moved = alone(torch.cat([image, text], dim=1), condition)
    torch.testing.assert_close(torch.cat(joint(image, text, condition), dim=1), moved)


def test_parameter_count_of_the_published_size():
    """24 blocks of width D = 768: two halves of 18 D² + 15 D each, of the last block's text only queries, keys, values and a shift and scale."""
    with torch.device("meta"):
        network = MultimodalDiffusionTransformer(spec(size=32, depth=24, width=768, heads=24, text=Text(tokens=77, width=768)))
    d = 768
    halves, last_text = 47 * (18 * d * d + 15 * d), 5 * d * d + 5 * d
    embeddings = (16 * d + d) + (256 * d + d + d * d + d) + (d * d + d)  # patches, time, text
    output = (2 * d * d + 2 * d) + (16 * d + 16)
    assert sum(p.numel() for p in network.parameters()) == halves + last_text + embeddings + output == 505_070_608
    assert not network.pos_embed.requires_grad
    assert network.pos_embed.shape == (1, 256, 768)


def test_output_and_features_are_of_the_image():
    output, features = model()(*inputs(), taps=(1, 4))
    assert output.shape == (3, 4, 8, 8)
    assert output.std() > 0.01  # unlike a DiT it does not start at zero
    assert {number: tuple(tokens.shape) for number, tokens in features.items()} == {1: (3, 16, 32), 4: (3, 16, 32)}


def test_every_input_matters_and_samples_do_not_mix():
    network, (x, time, text) = model(), inputs()
    output, _ = network(x, time, text)
    for changed in ((x.flip(2), time, text), (x, time / 2, text), (x, time, -text)):
        assert differ(network(*changed)[0][0], output[0])
    # One token of a caption is enough, and in the first block already.
    one = text.clone()
    one[0, 6] *= -1
    assert differ(network.features(x, time, one, until=1)[0], network.features(x, time, text, until=1)[0])
    torch.testing.assert_close(network(x[:1], time[:1], text[:1])[0], output[:1])
    torch.testing.assert_close(network(x, time, one)[0][1:], output[1:])


def test_text_has_no_positions_and_the_image_has():
    network, (x, time, text) = model(), inputs()
    output, _ = network(x, time, text)
    torch.testing.assert_close(network(x, time, text[:, torch.tensor([3, 0, 6, 1, 5, 2, 4])])[0], output)
    torch.testing.assert_close(network(x, time, text.flip(1))[0], output)
    # Moved by one patch: without positions the output would move along.
    moved = network(x.roll(2, dims=2), time, text)[0]
    assert differ(moved.roll(-2, dims=2), output)
    network.pos_embed.zero_()
    torch.testing.assert_close(network(x.roll(2, dims=2), time, text)[0].roll(-2, dims=2), network(x, time, text)[0])


def test_time_alone_is_the_condition_and_counts_from_0_to_1():
    network, (x, time, text) = model(), inputs()
    conditions = []
    network.final_layer.register_forward_pre_hook(lambda _, both: conditions.append(both[1]))
    network(x, time, text)
    network(x, time, -text)
    assert torch.equal(*conditions)
    torch.testing.assert_close(conditions[0], network.t_embedder.mlp(network.t_embedder.waves(time)))


def test_padding_is_attended_to_and_captions_of_any_length_are_taken():
    network, (x, time, text) = model(), inputs()
    assert differ(network(x, time, text)[0], network(x, time, text[:, :6])[0])
    padded = torch.cat([text, torch.zeros(3, 2, TEXT.width)], dim=1)
    assert differ(network(x, time, text)[0], network(x, time, padded)[0])


def test_text_ends_in_the_last_block():
    network = model()
    assert [isinstance(block.text, LastText) for block in network.blocks] == [False, False, False, True]
    layers = {name.rpartition(".")[0] for name, _ in network.blocks[3].text.named_parameters()}
    assert layers == {"attn.qkv", "adaLN_modulation.1"}
    assert network.blocks[3](*streams())[1] is None
    assert network.blocks[2](*streams())[1].shape == (2, 5, 32)


def test_gradients_reach_every_weight_but_the_queries_that_nothing_reads():
    network = model()
    network(*inputs())[0].square().mean().backward()
    unread = {"blocks.3.text.attn.qkv.weight", "blocks.3.text.attn.qkv.bias"}
    for name, parameter in network.named_parameters():
        if name in unread:
            queries, keys, values = parameter.grad.chunk(3)
            assert not queries.any()
            assert keys.any()
            assert values.any()
        else:
            rows = parameter.grad.flatten(1) if parameter.ndim > 1 else parameter.grad[None]
            assert rows.any(dim=1).all(), name


def test_keys_biases_matter_by_their_difference_alone():
    network = model()
    output, keys = network(*inputs())[0], slice(32, 64)
    for block in network.blocks:
        block.image.attn.qkv.bias.data[keys] += 1
    assert differ(network(*inputs())[0], output)
    for block in network.blocks:
        block.text.attn.qkv.bias.data[keys] += 1
    torch.testing.assert_close(network(*inputs())[0], output)


def test_runs_in_bfloat16_products():
    network = model()
    expected, _ = network(*inputs())
    with torch.autocast("cpu", torch.bfloat16):
        output, features = network(*inputs(), taps=(4,))
    assert features[4].dtype == torch.float32  # the residual stream
    torch.testing.assert_close(output.float(), expected, rtol=0.1, atol=0.1 * expected.abs().max().item())


def test_initial_weights_are_distributed_as_torchs():
    torch.manual_seed(0)
    network = model(width=128)
    fresh = {"x_embedder.proj": nn.Conv2d(4, 128, 2), "text_embedder": nn.Linear(TEXT.width, 128), "blocks.2.text.mlp.fc2": nn.Linear(512, 128)}
    fresh |= {"blocks.1.image.adaLN_modulation.1": nn.Linear(128, 768), "final_layer.linear": nn.Linear(128, 16)}
    for name, theirs in fresh.items():
        ours = network.get_submodule(name)
        for part in ("weight", "bias"):
            one, other = getattr(ours, part), getattr(theirs, part)
            assert one.abs().max().item() == pytest.approx(other.abs().max().item(), rel=0.2), (name, part)
            assert one.std().item() == pytest.approx(other.std().item(), rel=0.4 if one.numel() < 100 else 0.1), (name, part)


def test_refusals():
    network, (x, time, text) = model(), inputs()
    with pytest.raises(
        InputError, match=r"^model MMDiT/2: text features are 3 x 7 x 11, expected batch x tokens x 12; encode the captions with the run's .*"
    ):
        network(x, time, text[..., 1:])
    with pytest.raises(InputError, match="text features are 3, expected"):
        network.features(x, time, torch.tensor([1, 2, 3]), until=1)
    with pytest.raises(InputError, match="predicts velocity alone"):
        model(learns_variance=True)
