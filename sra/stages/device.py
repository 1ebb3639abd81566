"""The device a stage runs on."""

import os

import torch

from sra.core.errors import InputError

LOCAL_RANK = "LOCAL_RANK"  # torchrun: which of this machine's processes this is, and so which GPU it takes


def choose_device(name: str) -> torch.device:
    """`auto`: the GPU when there is one, else the CPU. Raises InputError for `cuda` on a machine without one."""
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device cuda: this machine has no usable GPU; set device: cpu or auto in config/config.yaml")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and LOCAL_RANK in os.environ:
        torch.cuda.set_device(int(os.environ[LOCAL_RANK]))
    return torch.device(name)
