"""Oracles: published and closed-form parameter counts, and what the network must be at its start."""

import pytest
import torch

from sra.core.errors import InputError
from sra.models.blocks import unpatchify
from sra.models.build import build_model
from sra.models.dit import DiffusionTransformer
from sra.spec.run import ModelSpec
from sra.spec.scale import PAPER_SIZES, Latent


def spec(name="SiT-B/2", classes=10, size=8, learns_variance=False, **changes):
    numbers = {"depth": 4, "width": 32, "heads": 4, "patch": 2} | changes
    return ModelSpec(name=name, latent=Latent(channels=4, size=size), classes=classes, learns_variance=learns_variance, **numbers)


def awake(model):
    """The model with every weight moved off its start, where the blocks are identities."""
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model


def inputs(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, 4, 8, 8, generator=generator), torch.rand(3, generator=generator), torch.tensor([0, 9, 10])


@pytest.mark.parametrize(("size", "count"), [("S", 32_858_896), ("B", 130_303_504), ("L", 457_824_272), ("XL", 674_816_272)])
def test_parameter_counts_are_the_papers(size, count):
    numbers = PAPER_SIZES[size].model_dump()
    with torch.device("meta"):
        model = DiffusionTransformer(spec(name=f"SiT-{size}/2", classes=1000, size=32, **numbers))
    assert sum(p.numel() for p in model.parameters()) == count
    assert not model.pos_embed.requires_grad


def test_published_dit_xl_count_holds_the_fixed_positions_too():
    numbers = PAPER_SIZES["XL"].model_dump()
    with torch.device("meta"):
        model = DiffusionTransformer(spec(name="DiT-XL/2", classes=1000, size=32, learns_variance=True, **numbers))
    assert sum(p.numel() for p in model.parameters()) + model.pos_embed.numel() == 675_129_632


def test_state_dict_has_the_released_keys():
    keys = set(DiffusionTransformer(spec(depth=1)).state_dict())
    linear = {"x_embedder.proj", "t_embedder.mlp.0", "t_embedder.mlp.2", "final_layer.linear", "final_layer.adaLN_modulation.1"}
    linear |= {f"blocks.0.{layer}" for layer in ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2", "adaLN_modulation.1")}
    both = {f"{layer}.{part}" for layer in linear for part in ("weight", "bias")}
    assert keys == both | {"pos_embed", "y_embedder.embedding_table.weight"}


@pytest.mark.parametrize("learns_variance", [False, True], ids=["SiT", "DiT"])
def test_starts_as_zero_with_identity_blocks(learns_variance):
    model = build_model(spec(learns_variance=learns_variance), seed=0)
    output, features = model(*inputs(), taps=(1, 4))
    assert output.shape == (3, 8 if learns_variance else 4, 8, 8)
    assert not output.any()
    torch.testing.assert_close(features[1], features[4], rtol=0, atol=0)
    assert features[1].std() > 0.1


def test_features_equal_the_tap_and_run_no_later_block():
    model = awake(build_model(spec(), seed=0))
    _, taps = model(*inputs(), taps=(1, 2, 3, 4))
    runs = []
    for number, block in enumerate(model.blocks, start=1):
        block.register_forward_hook(lambda *_, number=number: runs.append(number))
    model.final_layer.register_forward_hook(lambda *_: runs.append("final"))
    for until in (1, 3):
        runs.clear()
        torch.testing.assert_close(model.features(*inputs(), until=until), taps[until], rtol=0, atol=0)
        assert runs == list(range(1, until + 1))
    assert not torch.allclose(taps[2], taps[3])


def test_taps_do_not_change_the_output():
    model = awake(build_model(spec(), seed=0))
    plain, none = model(*inputs())
    tapped, some = model(*inputs(), taps=(2,))
    torch.testing.assert_close(plain, tapped, rtol=0, atol=0)
    assert (set(none), set(some)) == (set(), {2})


def test_every_input_matters_and_samples_do_not_mix():
    model = awake(build_model(spec(), seed=0))
    x, t, labels = inputs()
    output, _ = model(x, t, labels)
    for changed in ((x.flip(2), t, labels), (x, t / 2, labels), (x, t, torch.tensor([model.spec.classes, 9, 10]))):
        other, _ = model(*changed)
        assert not torch.allclose(other[0], output[0])
    torch.testing.assert_close(model(x[:1], t[:1], labels[:1])[0], output[:1])


def test_output_patches_go_back_where_they_came_from():
    identity = torch.arange(3 * 16 * 16, dtype=torch.float32).reshape(3, 16, 16)  # token, then pixel (row, column, channel)
    output = unpatchify(identity, patch=2)
    row, column, channel = 5, 2, 3
    token, pixel = (row // 2) * 4 + column // 2, (row % 2) * 8 + (column % 2) * 4 + channel
    assert output[1, channel, row, column] == identity[1, token, pixel]


def test_same_seed_same_weights_and_the_global_state_is_left_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = build_model(spec(), seed=3)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(6)
    second, other = build_model(spec(), seed=3).state_dict(), build_model(spec(), seed=4).state_dict()
    for name, value in first.state_dict().items():
        assert torch.equal(value, second[name]), name
    assert not torch.equal(first.blocks[0].attn.qkv.weight, other["blocks.0.attn.qkv.weight"])


def test_initial_scales_are_those_of_dit():
    state = build_model(spec(width=128, classes=100), seed=0).state_dict()
    xavier = (2 / (128 + 512)) ** 0.5
    assert state["blocks.0.mlp.fc1.weight"].std().item() == pytest.approx(xavier, rel=0.02)
    assert state["x_embedder.proj.weight"].std().item() == pytest.approx((2 / (16 + 128)) ** 0.5, rel=0.05)
    for name in ("y_embedder.embedding_table.weight", "t_embedder.mlp.0.weight", "t_embedder.mlp.2.weight"):
        assert state[name].std().item() == pytest.approx(0.02, rel=0.02), name
    assert not any(value.any() for name, value in state.items() if name.endswith("bias"))


def test_refuses_blocks_and_widths_that_do_not_exist():
    model = build_model(spec(), seed=0)
    with pytest.raises(ValueError, match="block 5 does not exist in a model of 4 blocks"):
        model(*inputs(), taps=(5,))
    with pytest.raises(ValueError, match="block 0"):
        model.features(*inputs(), until=0)
    with pytest.raises(InputError, match="SiT-B/2: width 30 must be a multiple of 4"):
        DiffusionTransformer(spec(width=30, heads=3))
    with pytest.raises(IndexError):
        model(*inputs()[:2], torch.tensor([0, 1, model.spec.classes + 1]))
