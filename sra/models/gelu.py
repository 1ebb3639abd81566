"""A linear layer with the tanh form of GELU behind it, as every MLP of the models begins.

On a CPU in float32 torch spends as long on this GELU as on the products of a narrow layer, and first writes the bias to the whole output. Here
teachers and samplers take oneDNN's kernel for both, and training adds the bias where it is read and takes the tanh from a sigmoid:
(1 + tanh u) / 2 = sigmoid(2 u), whose kernel takes a third of the time. Everywhere else both are torch's own.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

# GELU(x) = x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3) (Hendrycks & Gimpel 2016, arXiv 1606.08415, section 2).
SLOPE = 2 * math.sqrt(2 / math.pi)
CUBIC = 0.044715 * SLOPE
IN_CACHE = 1 << 17  # values, half a megabyte: what passes over them several times finds them there


def linear_gelu(layer: nn.Linear, x: Tensor) -> Tensor:
    """GELU(x W^T + b), (..., out) for x (..., in)."""
    by_torch = x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling()
    if by_torch or not torch.backends.mkldnn.is_available():
        return F.gelu(layer(x), approximate="tanh")
    if torch.is_grad_enabled():
        return LinearGelu.apply(x, layer.weight, layer.bias)
    # What torch's compiler calls for the two.
    return torch.ops.mkldnn._linear_pointwise(x, layer.weight, layer.bias, "gelu", [], "tanh")


class LinearGelu(torch.autograd.Function):
    """Keeps what autograd would: the input, and what goes into GELU."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        hidden = torch.mm(x.flatten(0, -2), weight.T)
        output = torch.empty_like(hidden)
        rows, slope = max(1, IN_CACHE // hidden.shape[1]), hidden.new_full((), SLOPE)
        for before, after in zip(hidden.split(rows), output.split(rows), strict=True):
            before.add_(bias)
            torch.addcmul(slope, before, before, value=CUBIC, out=after).mul_(before).sigmoid_().mul_(before)
        ctx.save_for_backward(x, weight, hidden)
        return output.unflatten(0, x.shape[:-1])

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight, hidden = ctx.saved_tensors
        for_x, for_weight, for_bias = ctx.needs_input_grad
        inner = torch.ops.aten.gelu_backward(gradient.flatten(0, -2), hidden, approximate="tanh")
        return (
            torch.mm(inner, weight).view(x.shape) if for_x else None,
            torch.mm(inner.T, x.flatten(0, -2)) if for_weight else None,
            inner.sum(0) if for_bias else None,
        )
