"""Weights from a safetensors file into a network of that very layout: every tensor of it, none beside it, no memory that nobody wrote."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sra.core.errors import InputError
from sra.core.wrappers import unwrapped


def read_tensors(file: Path, remedy: str) -> dict[str, Tensor]:
    """The tensors of a file by the network's own names. remedy: what the person is told to do when it cannot be read."""
    try:
        return unwrapped(load_file(file), file)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file}: cannot be loaded ({(str(error).splitlines() or [type(error).__name__])[0]}); {remedy}") from None


def filled(network: nn.Module, tensors: dict[str, Tensor], where: object, remedy: str) -> nn.Module:
    """A network of the meta device with these tensors in float32 as its own.

    Raises InputError naming the first that is missing, unexpected or of another shape.
    """
    expected = {name: tensor.shape for name, tensor in network.state_dict().items()}
    missing, unexpected = [name for name in expected if name not in tensors], [name for name in tensors if name not in expected]
    if missing or unexpected:
        odd = f"lacks {missing[0]}" if missing else f"holds {unexpected[0]}, which the network has not"
        counts = f"{len(missing)} of {len(expected)} tensors missing, {len(unexpected)} unexpected"
        raise InputError(f"{where}: {odd} ({counts}); {remedy}")
    for name, shape in expected.items():
        if tensors[name].shape != shape:
            raise InputError(f"{where}: {name} is {tuple(tensors[name].shape)}, expected {tuple(shape)} by its config.json; {remedy}")
        if not tensors[name].is_floating_point():
            raise InputError(f"{where}: {name} is {tensors[name].dtype}, expected floating point numbers; {remedy}")
    # Copies: what is read stays a map of the file, whose places in memory suit no kernel.
    network.load_state_dict({name: tensors[name].to(torch.float32, copy=True) for name in expected}, assign=True)
    return network
