"""Files of weights that others wrote: their tensors, and what their training wrote of itself beside them. Nothing in a file is executed.

torch reads a pickle by a list of types that may be made. Command lines keep a few more, which hold values and run nothing: they are listed here,
paths and numpy's numbers by stand-ins, so that not even their own constructors see what a file holds.
"""

import argparse
import re
import shlex
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from sra.core.errors import InputError, unknown
from sra.core.kinds import kind_of
from sra.core.wrappers import unwrapped

WEIGHTS = ("ema", "model")  # what a training checkpoint holds: the average, which is evaluated, and the weights that were stepped
ARGS, STEPS = "args", "steps"
ZIP = b"PK\x03\x04"
FORMATS = ("torch checkpoint", "Python pickle", "safetensors file")  # kinds of files that hold weights
OURS = "sra"  # the key of safetensors' metadata under which this suite says what its files are
# What a pickle names from these runs programs or loads code; no training keeps it.
ATTACKS = ("os", "posix", "nt", "subprocess", "sys", "builtins", "commands", "importlib", "runpy", "shutil", "socket", "pty", "code", "ctypes")


@dataclass(frozen=True)
class LoadedCheckpoint:
    """What was read of a released file.

    tensors: a state dict under the network's own names.  taken: ema, model, or raw when the file is nothing else.
    args: the command line of its training, plain values by name; empty when the file has none.  steps: behind it, None when it does not say.
    """

    tensors: dict[str, Tensor]
    taken: str
    args: dict[str, Any] = field(default_factory=dict)
    steps: int | None = None


def read_released(path: Path, prefer: str = "ema") -> LoadedCheckpoint:
    """Read a released file. prefer: which weights to take of a training checkpoint.

    Raises InputError naming the global of a pickle that asks for more than values.
    """
    path = Path(path)
    if prefer not in WEIGHTS:
        raise unknown("kind of weights", prefer, WEIGHTS)
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the file of weights in it, .pt or .safetensors")
    if not path.is_file():
        raise InputError(f"{path}: no such file; config/weights.tsv says where each released checkpoint comes from")
    content, taken, beside = _load(path, prefer), "raw", {}
    if isinstance(content, dict) and any(key in content for key in WEIGHTS):
        if prefer not in content:
            other = next(key for key in WEIGHTS if key in content)
            raise InputError(f"{path}: holds no {prefer!r} weights, only {other!r}; give --weights {other} if those are meant")
        content, taken, beside = content[prefer], prefer, content
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path}: holds {type(content).__name__}, expected a state dict or a dict with 'ema' or 'model'; give a released checkpoint")
    for key, value in content.items():
        if not isinstance(key, str):
            raise InputError(f"{path}: key {key!r} is {type(key).__name__}, expected a name; give a state dict or a dict with 'ema' or 'model'")
        if not isinstance(value, Tensor):
            raise InputError(f"{path}: {key!r} is {type(value).__name__}, expected a tensor; give a state dict or a dict with 'ema' or 'model'")
    steps = beside.get(STEPS)
    return LoadedCheckpoint(
        {name: value.detach() for name, value in unwrapped(content, path).items()},
        taken,
        _plain(beside.get(ARGS)),
        steps if isinstance(steps, int) and steps > 0 else None,
    )


def _load(path: Path, prefer: str) -> Any:
    """The content of a .safetensors or torch file, tensors on the CPU, mapped from disk where the format allows."""
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, framework="pt") as file:
                if OURS in (file.metadata() or {}):
                    raise InputError(f"{path}: was written by sra convert, so it is converted already; draw from it by sra sample --weights {path}")
            return load_file(path)
        except SafetensorError as error:
            raise _unreadable(path, f"not a readable safetensors file ({error}); download it again") from None
    with path.open("rb") as file:
        is_zip = file.read(len(ZIP)) == ZIP  # torch's format since 1.6, the only one that can be mapped
    try:
        with torch.serialization.safe_globals([argparse.Namespace, *STAND_INS]):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except Exception as error:  # a damaged pickle can fail in any way
        found = re.search(r"GLOBAL (\S+)", str(error))
        if found:
            raise InputError(f"{path}: its pickle asks for {found[1]}, {_advice_on(found[1], path, prefer)}") from None
        what = f"not a readable torch checkpoint ({type(error).__name__}); it is truncated or something else, download it again"
        raise _unreadable(path, what) from None


def _unreadable(path: Path, otherwise: str) -> InputError:
    """The error for a file that cannot be read; where its first bytes show that it is no checkpoint, it says what it is and what to do."""
    kind = kind_of(path)
    if kind.name in (*FORMATS, "unknown", "zip archive", "broken zip archive"):  # damaged, cut short, or under the suffix of the other format
        return InputError(f"{path}: {otherwise}")
    return InputError(f"{path}: no checkpoint (its content: {kind.name}); {kind.advice or 'give the file of weights, .pt or .safetensors'}")


def _advice_on(type_name: str, path: Path, prefer: str) -> str:
    """What to do about a type of a pickle that is not on the list."""
    if "." not in type_name or type_name.partition(".")[0] in ATTACKS:
        return "which runs code and which no checkpoint needs; nothing was run, do not use this file"
    copy = f"{path.stem}_{prefer}.pt"
    program = f"import torch; torch.save({{'{prefer}': torch.load({str(path)!r}, 'cpu', weights_only=False)['{prefer}']}}, {copy!r})"
    quoted = f'"{program}"' if not set(program) & set('"$`\\!') else shlex.quote(program)
    what = "which is no plain value; nothing was run. If you trust its makers with your machine, save the weights alone and give those"
    return f"{what}: python -c {quoted}"


class _NumpyType:
    """Stands for numpy.dtype: the letter and size of a number, as f8, and its byte order."""

    def __init__(self, code: str, *_: object):
        self.code, self.order = str(code), "<"

    def __setstate__(self, state: tuple) -> None:
        self.order = ">" if state[1] == ">" else "<"


def _scalar(kind: _NumpyType, content: bytes) -> float | int | bool | str:
    """Stands for numpy's constructor of scalars. What is neither a number nor a text is named by its kind."""
    if kind.code.startswith("U"):
        return content.decode("utf-32-be" if kind.order == ">" else "utf-32-le")
    return struct.unpack(kind.order + NUMPY_CODES[kind.code], content)[0] if kind.code in NUMPY_CODES else f"numpy {kind.code}"


# Letters of numpy and of struct.
NUMPY_CODES = {"b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q", "f2": "e", "f4": "f", "f8": "d"}
STAND_INS = (
    (_scalar, "numpy.core.multiarray.scalar"),
    (_scalar, "numpy._core.multiarray.scalar"),
    (_NumpyType, "numpy.dtype"),
    *((PurePosixPath, f"{module}.{name}") for module in ("pathlib", "pathlib._local") for name in ("Path", "PosixPath", "PurePosixPath", "PurePath")),
    *((PureWindowsPath, f"{module}.{name}") for module in ("pathlib", "pathlib._local") for name in ("WindowsPath", "PureWindowsPath")),
)


def _plain(args: object) -> dict[str, Any]:
    """A Namespace or dict of a command line as values that JSON has; empty for what is neither."""
    named = vars(args) if isinstance(args, argparse.Namespace) else args
    return {str(name): _value(value) for name, value in named.items()} if isinstance(named, Mapping) else {}


def _value(value: object) -> Any:
    if isinstance(value, (list, tuple)):
        return [_value(one) for one in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
