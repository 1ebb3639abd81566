"""Checkpoints in the layout of MoCo v3 and I-JEPA become the timm encoder that they are."""

import pytest
import timm
import torch
from safetensors.torch import load_file

from sra.commands.convert_encoder import convert_encoder
from sra.core.errors import InputError
from sra.encoders.repa_targets import family_of
from sra.encoders.vision import VisionEncoder

TINY = "vit_tiny_patch16_224"


@pytest.fixture(scope="module")
def network():
    """192 wide, 12 blocks: the smallest of timm whose name alone builds it."""
    torch.manual_seed(0)
    network = timm.create_model(TINY, num_classes=0).eval()
    for parameter in network.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    return network


def mocov3(network):
    """As moco-v3's main_moco.py saves it: under data parallel, both encoders, heads and predictor."""
    own = {f"module.base_encoder.{name}": tensor for name, tensor in network.state_dict().items()}
    others = {
        "module.base_encoder.head.0.weight": torch.zeros(4, 192),
        "module.momentum_encoder.cls_token": torch.zeros(1, 1, 192),
        "module.predictor.0.weight": torch.zeros(4, 4),
    }
    return {"epoch": 300, "arch": "vit_base", "state_dict": own | others, "optimizer": {"state": {}}}


@pytest.fixture
def converted(tmp_path):
    def convert(content, family, name=f"{TINY}.mocov3.safetensors"):
        torch.save(content, tmp_path / "checkpoint.pth.tar")
        convert_encoder(tmp_path / "checkpoint.pth.tar", family, tmp_path / name)
        return tmp_path / name

    return convert


def test_mocov3_is_its_base_encoder(network, converted):
    file = converted(mocov3(network), "mocov3")
    assert set(load_file(file)) == set(network.state_dict())
    encoder = VisionEncoder.load(file, grid=4)
    assert encoder.preprocessing == family_of(TINY, "mocov3").preprocessing
    loaded = encoder.network.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in network.state_dict().items() if name != "pos_embed")


@pytest.mark.parametrize("prefix", ["", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_other_wrappers_than_data_parallel(network, converted, prefix):
    saved = mocov3(network)
    saved["state_dict"] = {prefix + name.removeprefix("module."): tensor for name, tensor in saved["state_dict"].items()}
    tensors = load_file(converted(saved, "mocov3"))
    assert set(tensors) == set(network.state_dict())


def test_layers_named_after_their_block_are_put_right(converted):
    """REPA's fix_mocov3_state_dict: 13 ends the first of a pair in block 13, 14 the second in block 14; other blocks are left alone."""
    wrong = ["blocks.13.norm13.weight", "blocks.13.mlp.fc13.bias", "blocks.14.norm14.weight", "blocks.14.mlp.fc14.weight", "blocks.13.norm2.bias"]
    right = ["blocks.13.norm1.weight", "blocks.13.mlp.fc1.bias", "blocks.14.norm2.weight", "blocks.14.mlp.fc2.weight", "blocks.13.norm2.bias"]
    names = ["pos_embed", *wrong]
    content = {"state_dict": {f"module.base_encoder.{name}": torch.full((2,), number) for number, name in enumerate(names)}}
    found = load_file(converted(content, "mocov3", "vit_large_patch16_224.mocov3.safetensors"))
    assert {name: int(tensor[0]) for name, tensor in found.items()} == {name: number for number, name in enumerate(["pos_embed", *right])}


def test_ijepa_is_its_context_encoder(converted):
    tensors = {f"module.{name}": torch.rand(2, 3) for name in ("pos_embed", "blocks.0.norm1.weight")}
    found = load_file(converted({"encoder": tensors, "target_encoder": {}, "epoch": 300}, "ijepa", "vit_huge_patch14_gap_224.in1k_ijepa.safetensors"))
    assert set(found) == {"pos_embed", "blocks.0.norm1.weight"}
    assert torch.equal(found["pos_embed"], tensors["module.pos_embed"])


@pytest.mark.parametrize(
    ("content", "family", "name", "says"),
    [
        ({"model": {}}, "mocov3", f"{TINY}.mocov3.safetensors", "holds no mocov3 encoder under 'state_dict'; check the file and --from"),
        ({"encoder": {"x": torch.zeros(1)}}, "ijepa", f"{TINY}.in1k_ijepa.safetensors", "holds no ijepa encoder under 'encoder'"),
        (None, "mocov3", f"{TINY}.safetensors", "name the file ARCHITECTURE.TAG.safetensors with mocov3 at the end of the tag"),
        (None, "mocov3", f"{TINY}.mae.safetensors", "name the file ARCHITECTURE.TAG.safetensors with mocov3"),
        (None, "mocov2", f"{TINY}.mocov2.safetensors", "unknown family 'mocov2'; did you mean 'mocov3'"),
    ],
)
def test_what_does_not_fit_is_refused(content, family, name, says, network, converted):
    with pytest.raises(InputError, match=says):
        converted(content or mocov3(network), family, name)


class Malicious:
    def __reduce__(self):
        return (print, ("executed",))


def test_a_pickle_that_would_execute_is_refused(converted, capsys):
    with pytest.raises(InputError, match="cannot be read without executing it") as caught:
        converted({"state_dict": Malicious()}, "mocov3")
    assert "\n" not in str(caught.value)
    assert "executed" not in capsys.readouterr().out
