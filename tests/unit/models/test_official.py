"""Oracles: the network that a file came from, run in that file's own convention; and every way a file can be wrong."""

import pytest
import torch
from released_files import FILES, FIRST_HALF, SAID, TINY, head, inputs, loaded, network, willisma

from sra.core.errors import InputError
from sra.models.claims import Claims
from sra.models.official import convert_tensors
from sra.spec.scale import Width


def family(file: str) -> str:
    return file.split(",")[0]


WORD = {"sit, 4 channels": Claims(classes=10, time_of_data=1)}  # what its tensors cannot tell


def converted(file: str, tensors: dict | None = None):
    return convert_tensors(tensors or FILES[file](), family(file), "x.pt", sizes=TINY, claims=WORD.get(file, SAID))


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
    model = convert_tensors(tensors, "sra", sizes=sizes, claims=Claims(classes=3)).model
    assert (model.name, model.heads, model.classes, model.latent.size) == ("SiT-L/8", 6, 3, 16)


def test_the_papers_sizes_are_the_default():
    tensors = network(outputs=2, size=16, patch=8, depth=12, width=384, heads=6).state_dict()
    assert convert_tensors(tensors, "dit", claims=SAID).model.name == "DiT-S/8"


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
        ("sra", "repa", dict, r"unexpected key ap_head.linear1.weight; .*give --from sra"),
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
        ("dit", "dit", with_("y_embedder.embedding_table.weight", lambda t: t[:1]), r"its label table has 1 row, expected one for each class"),
        ("dit", "dit", with_("pos_embed", lambda t: t[:, :15]), r"15 tokens, expected a square"),
        ("dit", "dit", with_(FC1, poke(torch.nan)), rf"{FC1} holds NaN or infinity"),
        ("dit", "dit", with_(FC1, poke(-torch.inf)), rf"{FC1} holds NaN or infinity"),
        ("dit", "dit", with_(FC1, torch.Tensor.double), rf"{FC1} is torch.float64, expected float32"),
        ("dit", "dit", with_("pos_embed", poke(0.5)), r"pos_embed differs by .* from the sine-cosine table of DiT-B/2"),
        ("dit", "dit", with_("pos_embed", lambda t: t.unflatten(1, (4, 4)).transpose(1, 2).flatten(1, 2)), "pos_embed differs"),
    ],
)
def test_what_does_not_match_is_refused_by_file_and_key(file, family, change, message):
    with pytest.raises(InputError, match=message) as refusal:
        convert_tensors(change(FILES[file]()), family, "x.pt", sizes=TINY, claims=SAID)
    text = str(refusal.value)
    assert "\n" not in text
    assert text.startswith(("x.pt: ", "unknown family"))


def test_positions_that_differ_by_rounding_are_noted():
    exact, rounded = FILES["dit"](), FILES["dit"]()
    rounded["pos_embed"] = rounded["pos_embed"] + 3e-6
    assert converted("dit", exact).notes == []
    assert "pos_embed differs from ours by up to 3.0e-06" in converted("dit", rounded).notes[0]
