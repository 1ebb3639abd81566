"""What every family of transformers does alike; oracles are hooks on the blocks and the network itself, run another way."""

import pytest
import torch

from sra.core.errors import InputError
from sra.models.blocks import unpatchify
from sra.models.build import build_model
from sra.spec.run import ModelSpec
from sra.spec.scale import Latent, Text

TEXT = Text(tokens=7, width=12)
FAMILIES = {
    "SiT": {"name": "SiT-B/2", "classes": 10, "learns_variance": False},
    "DiT": {"name": "DiT-B/2", "classes": 10, "learns_variance": True},
    "MMDiT": {"name": "MMDiT/2", "classes": None, "text": TEXT, "learns_variance": False},
}


def spec(family, **changes):
    numbers = {"depth": 4, "width": 32, "heads": 4, "patch": 2, "latent": Latent(channels=4, size=8)}
    return ModelSpec(**numbers | FAMILIES[family] | changes)


def trained(family):
    """A model with every weight moved off its start, where DiT's blocks are identities."""
    model, generator = build_model(spec(family), seed=0), torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model


def inputs(family):
    generator = torch.Generator().manual_seed(0)
    latents, time = torch.randn(3, 4, 8, 8, generator=generator), torch.rand(3, generator=generator)
    condition = torch.randn(3, TEXT.tokens, TEXT.width, generator=generator) if family == "MMDiT" else torch.tensor([0, 9, 10])
    return latents, time, condition


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


def test_features_are_what_leaves_a_block_and_no_later_block_runs(family):
    model, runs, seen = trained(family), [], {}

    def note(number, out):
        runs.append(number)
        seen[number] = out[0] if isinstance(out, tuple) else out

    for number, block in enumerate(model.blocks, start=1):
        block.register_forward_hook(lambda _, __, out, number=number: note(number, out))
    model.final_layer.register_forward_hook(lambda *_: runs.append("final"))
    _, taps = model(*inputs(family), taps=(1, 2, 3, 4))
    assert runs == [1, 2, 3, 4, "final"]
    assert all(torch.equal(taps[number], seen[number]) for number in range(1, 5))
    assert (taps[2] - taps[3]).abs().max() > 1e-3
    for until in (1, 3, 4):
        runs.clear()
        assert torch.equal(model.features(*inputs(family), until=until), taps[until])
        assert runs == list(range(1, until + 1))
    runs.clear()
    found = model.tapped(*inputs(family), taps=(3, 1))
    assert runs == [1, 2, 3]
    assert set(found) == {1, 3}
    assert all(torch.equal(found[number], taps[number]) for number in found)


def test_taps_do_not_change_the_output(family):
    model = trained(family)
    plain, none = model(*inputs(family))
    tapped, some = model(*inputs(family), taps=(2,))
    assert torch.equal(plain, tapped)
    assert (set(none), set(some)) == (set(), {2})


def test_embeddings_made_in_advance_give_the_same_output(family):
    model, (latents, _, condition) = trained(family), inputs(family)
    time = torch.tensor([0.3])
    found = model.predict(latents, model.t_embedder(time), model.embed_condition(condition))
    torch.testing.assert_close(found, model(latents, time.expand(3), condition)[0])


def test_recomputed_blocks_give_the_same_gradients(family):
    found = []
    for recompute in (False, True):
        model, runs = trained(family), []
        model.recompute_blocks = recompute
        model.blocks[3].register_forward_pre_hook(lambda *_, runs=runs: runs.append(1))
        output, features = model(*inputs(family), taps=(2,))
        (output.square().mean() + features[2].square().mean()).backward()
        assert len(runs) == (2 if recompute else 1)
        found.append({name: parameter.grad for name, parameter in model.named_parameters()})
    for name, gradient in found[0].items():
        assert torch.equal(gradient, found[1][name]), name


def test_same_seed_same_weights_and_the_global_state_is_left_alone(family):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = build_model(spec(family), seed=3)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(6)
    second, other = build_model(spec(family), seed=3).state_dict(), build_model(spec(family), seed=4).state_dict()
    for name, value in first.state_dict().items():
        assert torch.equal(value, second[name]), name
    assert not torch.equal(first.x_embedder.proj.weight, other["x_embedder.proj.weight"])


def test_output_patches_go_back_where_they_came_from():
    numbers = torch.arange(3 * 16 * 16, dtype=torch.float32).reshape(3, 16, 16)  # token, then pixel (row, column, channel)
    row, column, channel = 5, 2, 3
    token, pixel = (row // 2) * 4 + column // 2, (row % 2) * 8 + (column % 2) * 4 + channel
    assert unpatchify(numbers, patch=2)[1, channel, row, column] == numbers[1, token, pixel]
    assert unpatchify(numbers, patch=2).shape == (3, 4, 8, 8)


def test_refuses_blocks_and_widths_that_do_not_exist(family):
    model = build_model(spec(family), seed=0)
    with pytest.raises(ValueError, match="block 5 does not exist in a model of 4 blocks"):
        model(*inputs(family), taps=(5,))
    with pytest.raises(ValueError, match="block 0"):
        model.features(*inputs(family), until=0)
    with pytest.raises(InputError, match=f"{FAMILIES[family]['name']}: width 30 must be a multiple of 4"):
        build_model(spec(family, width=30, heads=3), seed=0)
