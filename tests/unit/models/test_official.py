"""Oracles: the network that a file came from, run in that file's own convention; and every way a file can be wrong."""

import argparse
import os

import pytest
import torch
from safetensors.torch import save_file

from sra.core.errors import InputError
from sra.models.build import build_model
from sra.models.dit import DiffusionTransformer
from sra.models.official import convert_tensors, read_released
from sra.spec.run import ModelSpec
from sra.spec.scale import Latent, Width

TINY = [("B", Width(depth=3, width=32, heads=4))]
FIRST_HALF = [0, 1, 2, 3]


def network(outputs: int = 1, size: int = 8, patch: int = 2, **changes) -> DiffusionTransformer:
    """A transformer with every weight away from its start; outputs 2 doubles the channels, as DiT and willisma/SiT do."""
    numbers = {"depth": 3, "width": 32, "heads": 4, "classes": 10} | changes
    spec = ModelSpec(name="theirs", patch=patch, latent=Latent(channels=4, size=size), learns_variance=outputs == 2, **numbers)
    model = build_model(spec, seed=0)
    generator = torch.Generator().manual_seed(7)
    for parameter in model.parameters():
        parameter.data.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model


def head(prefix: str) -> dict[str, torch.Tensor]:
    return {f"{prefix}.weight": torch.ones(4, 4), f"{prefix}.bias": torch.zeros(4)}


def willisma(outputs: int = 2) -> DiffusionTransformer:
    """As willisma/SiT leaves it: the second half of the output is never trained, so its biases are zero."""
    model = network(outputs)
    if outputs == 2:
        model.final_layer.linear.bias.data.unflatten(0, (4, 8))[:, 4:] = 0
    return model


FILES = {
    "dit": lambda: network(outputs=2).state_dict(),
    "sit": lambda: willisma().state_dict(),
    "sit, 4 channels": lambda: willisma(outputs=1).state_dict(),
    "repa": lambda: network().state_dict() | head("projectors.0.0"),
    "sra": lambda: network().state_dict() | head("ap_head.linear1"),
    "sra, DiT": lambda: network(outputs=2).state_dict() | head("ap_head.linear1"),
}


def family(file: str) -> str:
    return file.split(",")[0]


def converted(file: str, tensors: dict | None = None):
    return convert_tensors(tensors or FILES[file](), family(file), "x.pt", sizes=TINY)


def loaded(result) -> DiffusionTransformer:
    """Our network with the converted weights; names and shapes must be its own."""
    model = DiffusionTransformer(result.model)
    missing, unexpected = model.load_state_dict(result.tensors, strict=False)
    assert (missing, unexpected) == (["pos_embed"], [])
    assert all(tensor.dtype == torch.float32 and tensor.is_contiguous() for tensor in result.tensors.values())
    return model


def inputs(times=(0.0, 0.03, 0.5, 0.97, 1.0)):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(len(times), 4, 8, 8, generator=generator), torch.tensor(times), torch.tensor([0, 9, 10, 3, 10])


@pytest.mark.parametrize(("file", "times"), [("dit", (0, 1, 10, 500, 999)), ("sra, DiT", (0, 1, 10, 500, 999)), ("repa", None), ("sra", None)])
def test_dit_repa_and_sra_are_our_network_as_they_are(file, times):
    theirs = network(outputs=2 if times else 1)
    x, t, labels = inputs(times) if times else inputs()
    ours = loaded(converted(file))
    torch.testing.assert_close(ours(x, t, labels)[0], theirs(x, t, labels)[0], rtol=0, atol=0)
    assert ours.spec.name == ("DiT-B/2" if times else "SiT-B/2")
    assert ours.spec.learns_variance == bool(times)


@pytest.mark.parametrize("file", ["sit", "sit, 4 channels"])
def test_sit_runs_in_our_time_with_our_velocity(file):
    theirs = willisma(outputs=2 if file == "sit" else 1)
    ours = loaded(converted(file))
    x, t, labels = inputs()
    expected = -theirs(x, 1 - t, labels)[0][:, FIRST_HALF]
    torch.testing.assert_close(ours(x, t, labels)[0], expected, rtol=0, atol=2e-6 * expected.abs().max().item())
    assert ours.out_channels == 4
    assert not torch.allclose(ours(x, t, labels)[0], -theirs(x, t, labels)[0][:, FIRST_HALF], atol=1e-2)


def test_sit_keeps_its_second_layer_of_time_and_everything_between():
    result, source = converted("sit"), FILES["sit"]()
    changed = {name for name, tensor in result.tensors.items() if not torch.equal(tensor, source[name])}
    assert changed == {"t_embedder.mlp.0.weight", "final_layer.linear.weight", "final_layer.linear.bias"}
    assert len(result.notes) == 2
    assert "output channels 4 to 7" in list(result.dropped)[-1]


def test_report_of_what_was_dropped():
    assert set(converted("dit").dropped) == {"pos_embed"}
    assert set(converted("repa").dropped) == {"pos_embed", "projectors.*"}
    assert set(converted("sra").dropped) == {"pos_embed", "ap_head.*"}
    assert converted("sra").notes == []
    assert converted("sra").resolution == 64


def test_early_repa_files_count_their_decoder_blocks_anew():
    source = FILES["repa"]()
    early = {}
    for key, value in source.items():
        number = int(key.split(".")[1]) if key.startswith("blocks.") else 0
        early[key.replace(f"blocks.{number}.", f"decoder_blocks.{number - 1}.") if number else key] = value
    assert "decoder_blocks.1.attn.qkv.weight" in early
    result = converted("repa", early)
    assert all(torch.equal(result.tensors[key], source[key]) for key in result.tensors)
    assert result.model.depth == 3
    with pytest.raises(InputError, match=r"1 blocks of width 32 with patch 2 is no known size"):
        converted("sit", {key: value for key, value in early.items() if not key.startswith("projectors.")})


def test_size_resolution_and_classes_are_read_off_the_shapes():
    tensors = network(size=16, patch=8, depth=5, width=48, heads=6, classes=3).state_dict() | head("ap_head.linear2")
    sizes = [("XL", Width(depth=5, width=32, heads=2)), ("L", Width(depth=5, width=48, heads=6)), ("S", Width(depth=3, width=48, heads=3))]
    model = convert_tensors(tensors, "sra", sizes=sizes).model
    assert (model.name, model.heads, model.classes, model.latent.size) == ("SiT-L/8", 6, 3, 16)


def test_the_papers_sizes_are_the_default():
    tensors = network(outputs=2, size=16, patch=8, depth=12, width=384, heads=6).state_dict()
    assert convert_tensors(tensors, "dit").model.name == "DiT-S/8"


def save(path, content, **options):
    torch.save(content, path, **options)
    return path


def training_checkpoint(weights: dict) -> dict:
    """What the four train.py write: the stepped weights differ from the averaged ones."""
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))])
    args = argparse.Namespace(model="DiT-B/2", lr=1e-4, ckpt=None, betas=(0.9, 0.999))
    model = {key: value + 1 for key, value in weights.items()}
    return {"model": model, "ema": weights, "opt": optimizer.state_dict(), "args": args, "epoch": 3, "steps": 1000}


@pytest.mark.parametrize(
    ("write", "taken"),
    [
        (lambda path, weights: save(path, weights), "raw"),
        (lambda path, weights: save(path, training_checkpoint(weights)), "ema"),
        (lambda path, weights: save(path, {f"module.{key}": value for key, value in weights.items()}), "raw"),
        (lambda path, weights: save(path, {"ema": {f"module.{key}": value for key, value in weights.items()}}), "ema"),
        (lambda path, weights: save(path, weights, _use_new_zipfile_serialization=False), "raw"),
        (lambda path, weights: save_file(weights, path.with_suffix(".safetensors")) or path.with_suffix(".safetensors"), "raw"),
        (lambda path, weights: save(path, {key: torch.nn.Parameter(value) for key, value in weights.items()}), "raw"),
        (lambda path, weights: save(path, {key: value.T.contiguous().T if value.ndim == 2 else value for key, value in weights.items()}), "raw"),
    ],
    ids=["raw", "training", "module", "ema of module", "before torch 1.6", "safetensors", "parameters", "transposed in memory"],
)
def test_every_format_gives_the_same_weights(tmp_path, write, taken):
    weights = FILES["dit"]()
    tensors, found = read_released(write(tmp_path / "released.pt", weights))
    assert found == taken
    result = convert_tensors(tensors, "dit", taken=found, sizes=TINY)
    loaded(result)
    assert result.taken == taken
    assert all(torch.equal(result.tensors[key], weights[key]) for key in result.tensors)


def test_model_weights_are_taken_only_when_asked_for(tmp_path):
    path = save(tmp_path / "both.pt", training_checkpoint({"a": torch.zeros(2)}))
    tensors, taken = read_released(path, prefer="model")
    assert (taken, tensors["a"].tolist()) == ("model", [1, 1])
    only = save(tmp_path / "only.pt", {"model": {"a": torch.zeros(2)}, "steps": 4})
    with pytest.raises(InputError, match=r"holds no 'ema' weights, only 'model'; give --weights model"):
        read_released(only)
    with pytest.raises(InputError, match="did you mean 'ema'"):
        read_released(path, prefer="emma")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_float32(dtype):
    source = {key: value.to(dtype) for key, value in FILES["sit"]().items()}
    result = converted("sit", source)
    theirs = willisma()
    theirs.load_state_dict({key: value.float() for key, value in source.items() if key != "pos_embed"}, strict=False)
    x, t, labels = inputs()
    expected = -theirs(x, 1 - t, labels)[0][:, FIRST_HALF]
    torch.testing.assert_close(loaded(result)(x, t, labels)[0], expected, rtol=0, atol=2e-6 * expected.abs().max().item())
    assert result.dtype == str(dtype).removeprefix("torch.")


def without(key):
    return lambda tensors: {name: value for name, value in tensors.items() if name != key}


def with_(key, change):
    return lambda tensors: {**tensors, key: change(tensors[key].clone()) if key in tensors else change(None)}


def poke(value):
    """Put one bad number into a tensor."""

    def change(tensor):
        tensor.view(-1)[3] = value
        return tensor

    return change


FC1 = "blocks.1.mlp.fc1.weight"


@pytest.mark.parametrize(
    ("file", "family", "change", "message"),
    [
        ("dit", "sit", dict, r"final_layer.linear.bias has trained variance channels.*give --from dit"),
        ("sit", "dit", dict, r"variance channels at exactly zero.*give --from sit"),
        ("dit", "repa", lambda t: t | head("projectors.0.0"), r"gives 8 output channels, a file of sihyun-yu/REPA has 4"),
        ("repa", "dit", dict, r"gives 4 output channels, a file of facebookresearch/DiT has 8"),
        ("sra", "repa", dict, r"has no projectors\.\*, which every file of sihyun-yu/REPA has"),
        ("sra, DiT", "dit", dict, r"unexpected key ap_head.linear1.weight; DiT-B/2 has none of that name, give --from sra"),
        ("repa", "sit", dict, r"unexpected key projectors.0.0.weight; .*give --from repa"),
        ("sit", "sra", lambda t: t | head("ap_head.linear1"), r"variance channels at exactly zero"),
        ("dit", "dti", dict, r"unknown family 'dti'; did you mean 'dit'\?"),
        ("dit", "dit", without("t_embedder.mlp.2.bias"), r"key t_embedder.mlp.2.bias is missing; DiT-B/2 has it"),
        ("dit", "dit", without("pos_embed"), "key pos_embed is missing"),
        ("dit", "dit", with_("blocks.0.attn.q_norm.weight", lambda _: torch.ones(8)), "unexpected key blocks.0.attn.q_norm.weight"),
        ("dit", "dit", with_("blocks.7.attn.qkv.weight", lambda _: torch.ones(8)), r"8 blocks of width 32 with patch 2 is no known size \(B 3 x 32;"),
        ("dit", "dit", with_(FC1, lambda t: t[:-1]), rf"{FC1} has shape 127 x 32, DiT-B/2 has 128 x 32"),
        ("dit", "dit", with_("x_embedder.proj.weight", lambda t: t[0]), r"x_embedder.proj.weight has shape 4 x 2 x 2, expected 4 dimensions"),
        ("dit", "dit", with_("y_embedder.embedding_table.weight", lambda t: t[:1]), r"0 classes, expected a square of tokens and a class"),
        ("dit", "dit", with_("pos_embed", lambda t: t[:, :15]), r"15 tokens and 10 classes, expected a square"),
        ("dit", "dit", with_(FC1, poke(torch.nan)), rf"{FC1} holds NaN or infinity"),
        ("dit", "dit", with_(FC1, poke(-torch.inf)), rf"{FC1} holds NaN or infinity"),
        ("dit", "dit", with_(FC1, torch.Tensor.double), rf"{FC1} is torch.float64, expected float32"),
        ("dit", "dit", with_("pos_embed", poke(0.5)), r"pos_embed differs by .* from the sine-cosine table of DiT-B/2"),
        ("dit", "dit", with_("pos_embed", lambda t: t.unflatten(1, (4, 4)).transpose(1, 2).flatten(1, 2)), "pos_embed differs"),
    ],
)
def test_what_does_not_match_is_refused_by_file_and_key(file, family, change, message):
    with pytest.raises(InputError, match=message) as refusal:
        convert_tensors(change(FILES[file]()), family, "x.pt", sizes=TINY)
    text = str(refusal.value)
    assert "\n" not in text
    assert text.startswith(("x.pt: ", "unknown family"))


def test_positions_that_differ_by_rounding_are_noted():
    exact, rounded = FILES["dit"](), FILES["dit"]()
    rounded["pos_embed"] = rounded["pos_embed"] + 3e-6
    assert converted("dit", exact).notes == []
    assert "pos_embed differs from ours by up to 3.0e-06" in converted("dit", rounded).notes[0]


class Attack:
    """Unpickling it would run a command."""

    def __init__(self, command: str):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
def test_a_pickle_that_runs_code_is_refused_by_the_name_of_what_it_calls(tmp_path, zipped):
    mark = tmp_path / "mark"
    path = save(tmp_path / "bad.pt", {"ema": {"a": torch.zeros(2)}, "args": Attack(f"touch {mark}")}, _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match=r"bad.pt: its pickle asks for \w+\.system.*nothing was run") as refusal:
        read_released(path)
    assert "\n" not in str(refusal.value)
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists()  # the attack was real


def test_a_namespace_is_allowed_only_while_reading(tmp_path):
    path = save(tmp_path / "args.pt", training_checkpoint({"a": torch.zeros(2)}))
    read_released(path)
    with pytest.raises(Exception, match=r"argparse\.Namespace"):
        torch.load(path, weights_only=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "not a readable torch checkpoint"),
        (lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]), "not a readable torch checkpoint"),
        (lambda path: path.write_text("<!DOCTYPE html><title>404</title>"), "not a readable torch checkpoint"),
        (lambda path: path.write_bytes(b""), "not a readable torch checkpoint"),
        (lambda path: save(path, [torch.zeros(2)]), r"holds list, expected a state dict"),
        (lambda path: save(path, {}), r"holds dict, expected a state dict"),
        (lambda path: save(path, {"ema": 3}), r"holds int, expected a state dict"),
        (lambda path: save(path, {"state_dict": {"a": torch.zeros(2)}}), r"'state_dict' is dict, expected a tensor"),
        (lambda path: save(path, {0: torch.zeros(2)}), r"key 0 is int, expected a name"),
        (lambda path: path.unlink(), "no such file; config/weights.tsv says where"),
        (lambda path: path.unlink() or path.mkdir(), "no such file"),
    ],
    ids=["truncated", "half", "a web page", "empty", "list", "empty dict", "ema is a number", "nested", "numbered", "missing", "folder"],
)
def test_a_file_that_is_no_checkpoint_is_refused_in_one_line(tmp_path, content, message):
    path = save(tmp_path / "file.pt", FILES["dit"]())
    content(path)
    with pytest.raises(InputError, match=message) as refusal:
        read_released(path)
    assert str(refusal.value).startswith(str(path))
    assert "\n" not in str(refusal.value)


def test_a_damaged_safetensors_file_is_refused(tmp_path):
    path = tmp_path / "file.safetensors"
    save_file(FILES["dit"](), path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="not a readable safetensors file"):
        read_released(path)
