"""Names under every wrapper, in every order and mixture, are the network's own."""

import re
from itertools import permutations

import pytest
import torch
from torch import nn

from sra.core.errors import InputError
from sra.core.wrappers import ANYWHERE, own_name, unwrapped


def test_prefixes_come_off_in_every_order_and_number():
    for count in range(4):
        for order in permutations(["module.", "module.", "_orig_mod.", "_orig_mod.", "_fsdp_wrapped_module."], count):
            assert own_name("".join(order) + "blocks.0.attn.qkv.bias") == "blocks.0.attn.qkv.bias"


def test_a_mixture_of_wrapped_and_plain_keys_is_taken_key_by_key():
    given = {"module._orig_mod.a.weight": 1, "a.bias": 2, "_orig_mod.module.b": 3, "module.c": 4}
    assert unwrapped(given, "x.pt") == {"a.weight": 1, "a.bias": 2, "b": 3, "c": 4}


@pytest.mark.parametrize("inner", ANYWHERE)
def test_blocks_that_are_wrapped_one_by_one(inner):
    assert own_name(f"module.blocks.3.{inner}.mlp.fc1.weight") == "blocks.3.mlp.fc1.weight"


def test_the_names_are_those_that_torch_gives():
    network = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    network[2] = torch.compile(network[2], backend="eager")
    wrapped = nn.DataParallel(torch.compile(nn.DataParallel(network), backend="eager"))
    assert list(unwrapped(wrapped.state_dict(), "x.pt")) == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_a_part_of_the_network_that_is_called_module_stays():
    assert own_name("encoder.module.weight") == "encoder.module.weight"
    assert own_name("module") == "module"


@pytest.mark.parametrize("other", ["module.a", "_orig_mod.a", "module._orig_mod.a"])
def test_two_keys_of_one_name_are_refused(other):
    with pytest.raises(InputError, match=f"^{re.escape(f'x.pt: a and {other} are both a')}, and may differ; keep one"):
        unwrapped({"a": 1, "b": 2, other: 1}, "x.pt")
