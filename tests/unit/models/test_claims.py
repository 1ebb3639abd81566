"""What tensors cannot tell of a checkpoint is read from its arguments or asked of the person, and is never guessed."""

import pytest
import torch
from released_files import FILES, SAID, TINY, head, inputs, loaded, network, willisma

from sra.core.errors import InputError
from sra.models.claims import Claims
from sra.models.official import convert_tensors

# Defaults of each train.py, those options that say whose it is or what it trains.
ARGS = {
    "dit": {"model": "DiT-B/2", "image_size": 64, "num_classes": 10, "global_batch_size": 256, "vae": "ema"},
    "sit": {
        **{"model": "SiT-B/2", "image_size": 64, "num_classes": 10, "path_type": "Linear", "prediction": "velocity", "loss_weight": None},
        **{"train_eps": 1e-5, "sample_eps": 1e-3, "vae": "ema"},
    },
    "repa": {
        **{"model": "SiT-B/2", "resolution": 64, "num_classes": 10, "path_type": "linear", "prediction": "v", "qk_norm": False},
        **{"enc_type": "dinov2-vit-b", "proj_coeff": 0.5, "encoder_depth": 8, "weighting": "uniform", "cfg_prob": 0.1},
    },
    "sra": {
        **{"model": "SiT-B/2", "resolution": 64, "num_classes": 10, "path_type": "linear", "prediction": "v", "qk_norm": False},
        **{"block_out_s": 4, "block_out_t": 8, "loss_type": "cos", "weighting": "uniform", "cfg_prob": 0.1},
    },
    "sra, DiT": {"model": "DiT-B/2", "resolution": 64, "num_classes": 10, "block_out_s": 4, "block_out_t": 8, "loss_type": "sml1", "qk_norm": False},
}
ARGS["sit, 4 channels"] = ARGS["sit"]
ARGS["sra, DTS + AS"] = ARGS["sra"] | {"attention_separation": True, "dual_time_scheduling": True, "mask_ratio": [0.25], "use_alignment_loss": False}


def tensors_of(file: str) -> dict:
    """Without any head for DTS + AS, whose network has one only where its loss is on."""
    return network().state_dict() if file == "sra, DTS + AS" else FILES[file]()


def convert(file: str, family: str | None = None, tensors: dict | None = None, **claims):
    args = {"args": ARGS[file]} if "args" not in claims else {}
    return convert_tensors(tensors or tensors_of(file), family or file.split(",")[0], "x.pt", sizes=TINY, claims=Claims(**args, **claims))


@pytest.mark.parametrize("file", ARGS)
def test_arguments_of_each_trainer_tell_classes_and_family(file):
    result = convert(file)
    assert (result.model.classes, result.null_class) == (10, True)
    assert result.network_args.items() <= ARGS[file].items()
    assert result.network_args["num_classes"] == 10
    x, t, labels = inputs((0, 1, 10, 500, 999)) if result.model.learns_variance else inputs()
    theirs = willisma(2 if file == "sit" else 1) if file.startswith("sit") else network(2 if result.model.learns_variance else 1)
    expected = -theirs(x, 1 - t, labels)[0][:, :4] if file.startswith("sit") else theirs(x, t, labels)[0]
    torch.testing.assert_close(loaded(result)(x, t, labels)[0], expected, rtol=0, atol=2e-6 * expected.abs().max().item())


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("sit", {"prediction": "noise"}, r"was trained with prediction noise, by its args; only the velocity can be sampled here"),
        ("sit", {"prediction": "score"}, r"was trained with prediction score"),
        ("sit", {"path_type": "GVP"}, r"was trained with path_type GVP, by its args; only the straight \(linear\) path"),
        ("sit", {"path_type": "VP"}, r"was trained with path_type VP"),
        ("repa", {"path_type": "cosine"}, r"was trained with path_type cosine"),
        ("sra", {"path_type": "cos"}, r"was trained with path_type cos,"),
        ("repa", {"prediction": "x"}, r"was trained with prediction x"),
        ("repa", {"qk_norm": True}, r"was trained with qk_norm"),
        ("repa", {"model": "SiT-XL/2"}, r"its args say model SiT-XL/2, its tensors are SiT-B/2"),
        ("sra", {"resolution": 512}, r"its args say resolution 512, its tensors are for 64 pixels"),
        ("dit", {"image_size": 256}, r"its args say image_size 256, its tensors are for 64 pixels"),
        ("dit", {"num_classes": 1000}, r"its label table has 11 rows, 1000 classes have 1001 with the null class"),
    ],
)
def test_what_cannot_be_sampled_or_contradicts_the_tensors_is_refused(file, changes, message):
    with pytest.raises(InputError, match=f"^x.pt: {message}") as refusal:
        convert(file, args=ARGS[file] | changes)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("file", "given", "message"),
    [
        ("sra, DTS + AS", "sit", r"its args are those of vvvvvjdy/SRA; give --from sra"),
        ("sra", "sit", r"unexpected key ap_head"),
        ("sit, 4 channels", "repa", r"its args are those of willisma/SiT; give --from sit"),
        ("sit, 4 channels", "sra", r"its args are those of willisma/SiT; give --from sit"),
        ("dit", "sit", r"has trained variance channels"),
    ],
)
def test_the_other_direction_of_time_is_refused_where_arguments_tell(file, given, message):
    with pytest.raises(InputError, match=message):
        convert(file, given)


def test_a_stripped_file_of_repa_says_whose_it_is_by_its_arguments():
    stripped = network().state_dict()
    with pytest.raises(InputError, match="its args are those of sihyun-yu/REPA; give --from repa"):
        convert("repa", "sit", stripped)
    result = convert("repa", tensors=stripped)
    assert all(torch.equal(result.tensors[name], stripped[name]) for name in result.tensors)
    assert result.notes == [
        "no projectors.*: that its conventions are those of sihyun-yu/REPA, time 0 for data, is taken from its args, sihyun-yu/REPA's"
    ]


@pytest.mark.parametrize("given", ["repa", "sra"])
def test_without_head_and_arguments_the_persons_word_is_taken_and_said(given):
    stripped = network().state_dict()
    result = convert("repa", given, stripped, args={}, classes=10)
    assert all(torch.equal(result.tensors[name], stripped[name]) for name in result.tensors)
    assert f"is taken from --from {given}" in result.notes[0]


def test_nothing_turns_time_round_in_silence():
    stripped = network().state_dict()
    with pytest.raises(
        InputError, match=r"whose time runs the other way; .*give --from repa or --from sra, or --from sit --time-of-data 1"
    ) as refusal:
        convert("repa", "sit", stripped, args={}, classes=10)
    assert "\n" not in str(refusal.value)
    turned = convert("repa", "sit", stripped, args={}, classes=10, time_of_data=1)
    assert any("t -> 1 - t" in note for note in turned.notes)
    for given, time in (("repa", 1), ("sra", 1), ("sit", 0)):
        with pytest.raises(InputError, match=rf"--from {given} counts time from data at {1 - time}, --time-of-data says {time}"):
            convert("repa", given, stripped, args={}, classes=10, time_of_data=time)


def test_dit_of_sra_without_head_is_dit_by_name_and_word():
    stripped = network(outputs=2).state_dict()
    result = convert("sra, DiT", "sra", stripped, args={}, classes=10)
    assert result.model.name == "DiT-B/2"
    assert "no ap_head.*" in result.notes[0]


def test_arguments_of_another_repository_of_the_same_conventions_are_noted():
    result = convert("sra", "repa", network().state_dict() | head("projectors.0.0"))
    assert result.notes == ["its args are those of vvvvvjdy/SRA, whose conventions are the same"]


def table_of(rows: int) -> dict:
    tensors = FILES["dit"]()
    return tensors | {"y_embedder.embedding_table.weight": torch.ones(rows, 32)}


@pytest.mark.parametrize(
    ("rows", "claims", "classes", "null"),
    [
        (1001, {"args": {}}, 1000, True),
        (1000, {"args": {"num_classes": 1000}}, 1000, False),
        (1000, {"args": {"num_classes": 999}}, 999, True),
        (1000, {"args": {}, "classes": 1000}, 1000, False),
        (1000, {"args": {}, "classes": 999}, 999, True),
        (1001, {"args": {}, "classes": 1001}, 1001, False),
        (11, {"args": {"num_classes": 10}, "classes": 10}, 10, True),
    ],
)
def test_no_class_is_lost(rows, claims, classes, null):
    result = convert("dit", tensors=table_of(rows), **claims)
    assert (result.model.classes, result.null_class) == (classes, null)
    table = result.tensors["y_embedder.embedding_table.weight"]
    assert torch.equal(table[:classes], torch.ones(classes, 32))
    assert torch.equal(table[classes:], torch.full((1, 32), float(null)))
    assert any("no null class" in note for note in result.notes) is not null
    loaded(result)


@pytest.mark.parametrize(
    ("rows", "claims", "message"),
    [
        (1000, {"args": {}}, r"has 1000 rows and nothing says .*; give --classes 999 if it is, or --classes 1000 if the file has none"),
        (11, {"args": {}}, r"give --classes 10 if it is, or --classes 11"),
        (1000, {"args": {}, "classes": 10}, r"has 1000 rows, 10 classes have 11 with the null class"),
        (11, {"args": {"num_classes": 10}, "classes": 11}, r"its args say num_classes 10, 11 were asked for"),
        (1, {"args": {}, "classes": 1}, r"its label table has 1 row,"),
    ],
)
def test_a_table_that_could_be_read_in_two_ways_is_asked_about(rows, claims, message):
    with pytest.raises(InputError, match=f"^x.pt: .*{message}"):
        convert("dit", tensors=table_of(rows), **claims)


def test_what_the_tensors_say_needs_no_arguments():
    assert convert("dit", args={}, classes=SAID.classes).network_args == {}
