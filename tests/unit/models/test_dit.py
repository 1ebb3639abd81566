"""Oracles: published and closed-form parameter counts, and what the network must be at its start."""

import pytest
import torch

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


def test_every_input_matters_and_samples_do_not_mix():
    model = awake(build_model(spec(), seed=0))
    x, t, labels = inputs()
    output, _ = model(x, t, labels)
    for changed in ((x.flip(2), t, labels), (x, t / 2, labels), (x, t, torch.tensor([model.spec.classes, 9, 10]))):
        other, _ = model(*changed)
        assert not torch.allclose(other[0], output[0])
    torch.testing.assert_close(model(x[:1], t[:1], labels[:1])[0], output[:1])


def test_initial_scales_are_those_of_dit():
    state = build_model(spec(width=128, classes=100), seed=0).state_dict()
    xavier = (2 / (128 + 512)) ** 0.5
    assert state["blocks.0.mlp.fc1.weight"].std().item() == pytest.approx(xavier, rel=0.02)
    assert state["x_embedder.proj.weight"].std().item() == pytest.approx((2 / (16 + 128)) ** 0.5, rel=0.05)
    for name in ("y_embedder.embedding_table.weight", "t_embedder.mlp.0.weight", "t_embedder.mlp.2.weight"):
        assert state[name].std().item() == pytest.approx(0.02, rel=0.02), name
    assert not any(value.any() for name, value in state.items() if name.endswith("bias"))


def test_refuses_classes_that_do_not_exist():
    model = build_model(spec(), seed=0)
    with pytest.raises(IndexError):
        model(*inputs()[:2], torch.tensor([0, 1, model.spec.classes + 1]))
