"""Oracle: torch's own layer and GELU in float64."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sra.models.gelu import linear_gelu

EXTREMES = (-100.0, -12.0, -1e-20, 0.0, 1e-20, 12.0, 100.0)
SHAPES = [(7, 16, 48), (5, 48), (2, 3, 5, 48), (685, 48)]


def layer_and_input(shape):
    torch.manual_seed(0)
    layer, x = nn.Linear(shape[-1], 4 * shape[-1]), 3 * torch.randn(shape)
    x.view(-1)[: len(EXTREMES)] = torch.tensor(EXTREMES)
    return layer, x


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_are_those_of_torch_with_and_without_gradients(shape):
    layer, x = layer_and_input(shape)
    expected = F.gelu(F.linear(x.double(), layer.weight.double(), layer.bias.double()), approximate="tanh")
    for grad in (torch.enable_grad(), torch.no_grad(), torch.inference_mode()):
        with grad:
            torch.testing.assert_close(linear_gelu(layer, x).double(), expected, rtol=1e-5, atol=5e-6, check_dtype=False)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradients_are_those_of_torch(shape):
    layer, x = layer_and_input(shape)
    towards = torch.randn(*shape[:-1], 4 * shape[-1])
    tensors = [x.requires_grad_(), layer.weight, layer.bias]
    ours = torch.autograd.grad(linear_gelu(layer, x), tensors, towards)
    doubled = [tensor.detach().double().requires_grad_() for tensor in tensors]
    theirs = torch.autograd.grad(F.gelu(F.linear(*doubled), approximate="tanh"), doubled, towards.double())
    for found, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=2e-5 * float(expected.abs().max()))


def test_only_asked_gradients_are_computed():
    layer, x = layer_and_input((4, 48))
    layer.requires_grad_(False)
    layer.bias.requires_grad_(True)
    linear_gelu(layer, x).sum().backward()
    assert layer.weight.grad is None
    assert layer.bias.grad is not None
    assert x.grad is None


def test_other_formats_go_the_way_of_torch():
    layer, x = layer_and_input((4, 48))
    assert linear_gelu(layer.double(), x.double()).dtype == torch.float64
    layer.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert linear_gelu(layer, x).dtype == torch.bfloat16
