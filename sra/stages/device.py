"""The device a stage runs on."""

import torch

from sra.core.errors import InputError


def choose_device(name: str) -> torch.device:
    """`auto`: the GPU when there is one, else the CPU. Raises InputError for `cuda` on a machine without one."""
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device cuda: this machine has no usable GPU; set device: cpu or auto in config/config.yaml")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
