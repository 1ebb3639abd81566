"""Every format of a checkpoint gives the same weights and what stands beside them; nothing in a file is executed."""

import argparse
import collections
import os
import subprocess
import sys
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sra.core.errors import InputError
from sra.models.checkpoints import read_released


def state_dict() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"x_embedder.proj.weight": (6, 4, 2, 2), "x_embedder.proj.bias": (6,), "blocks.0.attn.qkv.weight": (18, 6), "pos_embed": (1, 4, 6)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


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
        (lambda path, weights: save(path, {f"_orig_mod.module.{key}" if "bias" in key else key: value for key, value in weights.items()}), "raw"),
        (lambda path, weights: save(path, weights, _use_new_zipfile_serialization=False), "raw"),
        (lambda path, weights: save_file(weights, path.with_suffix(".safetensors")) or path.with_suffix(".safetensors"), "raw"),
        (lambda path, weights: save(path, {key: torch.nn.Parameter(value) for key, value in weights.items()}), "raw"),
        (lambda path, weights: save(path, {key: value.T.contiguous().T if value.ndim == 2 else value for key, value in weights.items()}), "raw"),
    ],
    ids=["raw", "training", "module", "ema of module", "a mixture", "before torch 1.6", "safetensors", "parameters", "transposed in memory"],
)
def test_every_format_gives_the_same_weights(tmp_path, write, taken):
    weights = state_dict()
    checkpoint = read_released(write(tmp_path / "released.pt", weights))
    assert checkpoint.taken == taken
    assert set(checkpoint.tensors) == set(weights)
    assert all(torch.equal(checkpoint.tensors[key], weights[key]) for key in weights)
    assert not any(tensor.requires_grad for tensor in checkpoint.tensors.values())


def test_model_weights_are_taken_only_when_asked_for(tmp_path):
    path = save(tmp_path / "both.pt", training_checkpoint({"a": torch.zeros(2)}))
    checkpoint = read_released(path, prefer="model")
    assert (checkpoint.taken, checkpoint.tensors["a"].tolist()) == ("model", [1, 1])
    only = save(tmp_path / "only.pt", {"model": {"a": torch.zeros(2)}, "steps": 4})
    with pytest.raises(InputError, match=r"holds no 'ema' weights, only 'model'; give --weights model"):
        read_released(only)
    with pytest.raises(InputError, match="did you mean 'ema'"):
        read_released(path, prefer="emma")


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
        (
            lambda path: path.write_text("<!DOCTYPE html><title>404</title>"),
            "no checkpoint .its content: web page.; a download page was saved instead of the file; fetch the file",
        ),
        (lambda path: path.write_bytes(b""), "no checkpoint .its content: empty file.; it was never written or its download broke off; fetch it"),
        (lambda path: np.savez(path.open("wb"), np.zeros(3)), "no checkpoint .its content: npz file.; give the file of weights"),
        (lambda path: save(path, [torch.zeros(2)]), r"holds list, expected a state dict"),
        (lambda path: save(path, {}), r"holds dict, expected a state dict"),
        (lambda path: save(path, {"ema": 3}), r"holds int, expected a state dict"),
        (lambda path: save(path, {"state_dict": {"a": torch.zeros(2)}}), r"'state_dict' is dict, expected a tensor"),
        (lambda path: save(path, {0: torch.zeros(2)}), r"key 0 is int, expected a name"),
        (lambda path: path.unlink(), "no such file; config/weights.tsv says where"),
        (lambda path: path.unlink() or path.mkdir(), "is a folder; give the file of weights in it"),
    ],
    ids=["truncated", "half", "a web page", "empty", "arrays", "list", "empty dict", "ema is a number", "nested", "numbered", "missing", "folder"],
)
def test_a_file_that_is_no_checkpoint_is_refused_in_one_line(tmp_path, content, message):
    path = save(tmp_path / "file.pt", state_dict())
    content(path)
    with pytest.raises(InputError, match=message) as refusal:
        read_released(path)
    assert str(refusal.value).startswith(str(path))
    assert "\n" not in str(refusal.value)


def test_a_damaged_safetensors_file_is_refused(tmp_path):
    path = tmp_path / "file.safetensors"
    save_file(state_dict(), path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="not a readable safetensors file"):
        read_released(path)


PLAIN = {
    "model": "SiT-XL/2",
    "num_classes": np.int64(1000),
    "learning_rate": np.float64(1e-4),
    "half": np.float16(0.5),
    "big_endian": np.array([1.5], dtype=">f4")[0],
    "qk_norm": np.bool_(False),
    "name": np.str_("α"),
    "output_dir": Path("exps") / "a",
    "data_dir": PureWindowsPath("C:\\data"),
    "logging_dir": PurePosixPath("/logs"),
    "mask_ratio": [0.5, (0.25, 0.25)],
    "ckpt": None,
    "extra": collections.OrderedDict(a=1),
}
AS_JSON = {
    **{"model": "SiT-XL/2", "num_classes": 1000, "learning_rate": 1e-4, "half": 0.5, "big_endian": 1.5, "qk_norm": False, "name": "α"},
    **{"output_dir": "exps/a", "data_dir": "C:\\data", "logging_dir": "/logs", "mask_ratio": [0.5, [0.25, 0.25]], "ckpt": None},
    "extra": "OrderedDict({'a': 1})" if str(collections.OrderedDict(a=1)).startswith("OrderedDict({") else "OrderedDict([('a', 1)])",
}


@pytest.mark.parametrize("kept", [lambda args: argparse.Namespace(**args), dict], ids=["Namespace", "dict"])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
def test_a_command_line_is_read_as_plain_values(tmp_path, kept, zipped):
    content = {"ema": state_dict(), "args": kept(PLAIN), "steps": 400_000}
    checkpoint = read_released(save(tmp_path / "a.pt", content, _use_new_zipfile_serialization=zipped))
    assert (checkpoint.args, checkpoint.steps) == (AS_JSON, 400_000)
    assert {type(value) for value in checkpoint.args.values()} <= {str, int, float, bool, list, type(None)}


def test_numpys_old_name_of_its_constructor_is_known_too(tmp_path):
    path = save(tmp_path / "a.pt", {"ema": state_dict(), "args": argparse.Namespace(lr=np.float64(3))}, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert read_released(path).args == {"lr": 3.0}


@pytest.mark.parametrize(("args", "steps"), [(3, "many"), (None, None), ([1], -1), ("--model", 0)])
def test_what_says_nothing_is_nothing(tmp_path, args, steps):
    checkpoint = read_released(save(tmp_path / "a.pt", {"ema": state_dict(), "args": args, "steps": steps}))
    assert (checkpoint.args, checkpoint.steps) == ({}, None)


@pytest.mark.parametrize("value", [collections.defaultdict(int), np.arange(3), torch.nn.Linear(1, 1)], ids=["defaultdict", "array", "module"])
def test_what_is_no_plain_value_says_how_to_save_the_weights_alone(tmp_path, value):
    path = save(tmp_path / "it's a run.pt", {"ema": state_dict(), "args": argparse.Namespace(a=value)})
    with pytest.raises(InputError, match=r"its pickle asks for \S+, which is no plain value; nothing was run\. .*: python -c ") as refusal:
        read_released(path)
    command = str(refusal.value).partition("python -c ")[2]
    subprocess.run(f"{sys.executable} -c {command}", shell=True, cwd=tmp_path, check=True)
    alone = read_released(tmp_path / "it's a run_ema.pt")
    assert (alone.taken, alone.args) == ("ema", {})
    assert all(torch.equal(alone.tensors[name], tensor) for name, tensor in state_dict().items())


def test_a_file_of_ours_is_not_converted_twice(tmp_path):
    save_file(state_dict(), tmp_path / "ours.safetensors", {"sra": "{}"})
    with pytest.raises(InputError, match="is converted already; draw from it by sra sample --weights"):
        read_released(tmp_path / "ours.safetensors")
