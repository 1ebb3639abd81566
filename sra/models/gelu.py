"""A linear layer with the tanh form of GELU behind it, as every MLP of the models begins."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def linear_gelu(layer: nn.Linear, x: Tensor) -> Tensor:
    """GELU(x W^T + b), (..., out) for x (..., in).

    In float32 on a CPU, without gradients, by oneDNN's kernel for both, which torch's compiler calls too: the two of torch's own take about
    twice as long in narrow layers, and 1.1 times as long in SiT-B/2's.
    """
    by_torch = torch.is_grad_enabled() or x.device.type != "cpu" or torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling()
    if by_torch or x.dtype != torch.float32 or not torch.backends.mkldnn.is_available():
        return F.gelu(layer(x), approximate="tanh")
    return torch.ops.mkldnn._linear_pointwise(x, layer.weight, layer.bias, "gelu", [], "tanh")
