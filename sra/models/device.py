"""The device a stage runs on."""

import os
import subprocess
import sys

import torch

from sra.core.errors import InputError, unknown
from sra.core.leases import lease

DEVICES = ("auto", "cpu", "cuda")
LOCAL_RANK = "LOCAL_RANK"  # torchrun: which of this machine's processes this is, and so which GPU it takes
LEASE = "SRA_LEASE_GPUS"  # set by the workflow where its jobs take GPUs for themselves
VISIBLE = "CUDA_VISIBLE_DEVICES"


def choose_device(name: str, processes: int = 1) -> torch.device:
    """`auto`: the GPU when there is one, else the CPU. Raises InputError for `cuda` on a machine without one.

    Where jobs take GPUs for themselves this one takes as many as it will have processes, before CUDA starts, and sees no others.
    """
    if name not in DEVICES:
        raise unknown("device", name, DEVICES)
    if name != "cpu" and os.environ.pop(LEASE, None) and LOCAL_RANK not in os.environ:
        _take_gpus(processes)
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device cuda: this machine has no usable GPU; set device: cpu or auto in config/config.yaml")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and LOCAL_RANK in os.environ:
        torch.cuda.set_device(int(os.environ[LOCAL_RANK]))
    return torch.device(name)


def _take_gpus(count: int) -> None:
    if gpus := visible_gpus():
        taken = lease("gpus", gpus, count, waits=lambda all_of_them: print(_waiting(count, all_of_them), file=sys.stderr, flush=True))
        os.environ[VISIBLE] = ",".join(taken)


def _waiting(count: int, gpus: int) -> str:
    return f"waiting for {'a GPU' if count == 1 else f'{count} GPUs'}: other jobs of this workflow have them ({gpus} here)"


def visible_gpus() -> list[str]:
    """Names that no other GPU has, of those that this process may use; none where NVIDIA's driver is not there.

    A number in CUDA_VISIBLE_DEVICES counts as nvidia-smi does.
    """
    try:
        listed = subprocess.run(["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"], capture_output=True, text=True)
    except FileNotFoundError:
        return []
    gpus = listed.stdout.split() if listed.returncode == 0 else []
    allowed = os.environ.get(VISIBLE)
    if allowed is None:
        return gpus
    names = [name.strip() for name in allowed.split(",") if name.strip()]
    return [gpus[int(name)] if name.isdigit() and int(name) < len(gpus) else name for name in names]
