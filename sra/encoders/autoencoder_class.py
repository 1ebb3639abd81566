"""The class of the autoencoder, diffusers' own, without the seconds that importing all around it takes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from sra.core.errors import InputError

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

# diffusers imports what it finds of these; its autoencoder never uses them.
NEVER_USED = ("transformers", "scipy", "torchvision", "torch._dynamo")


def autoencoder_class() -> "type[AutoencoderKL]":
    """AutoencoderKL. Imported in half a second instead of two, by each job that encodes or decodes. Raises InputError where it is not installed."""
    try:
        with hidden(*NEVER_USED), never_compiled():
            from diffusers import AutoencoderKL
    except ModuleNotFoundError as error:
        if error.name != "diffusers":
            raise
        elsewhere = "where there is no network: pip install --no-deps --target vendor diffusers elsewhere, and PYTHONPATH=vendor here"
        raise InputError(f"diffusers is not installed, and its autoencoder is needed here; pip install diffusers ({elsewhere})") from None
    return AutoencoderKL


@contextmanager
def hidden(*packages: str) -> Iterator[None]:
    """Imports inside find none of these packages. Where diffusers is there already it has found them, and nothing is hidden."""
    if "diffusers" in sys.modules:
        yield
        return
    kept = {name: sys.modules[name] for name in packages if name in sys.modules}
    sys.modules.update(dict.fromkeys(packages))
    try:
        yield
    finally:
        for name in packages:
            del sys.modules[name]
        sys.modules.update(kept)


@contextmanager
def never_compiled() -> Iterator[None]:
    """torch.compiler.disable marks nothing: diffusers marks hooks that no autoencoder has, and the first mark imports the compiler."""
    disable = torch.compiler.disable
    torch.compiler.disable = lambda function=None, *options, **named: function or (lambda marked: marked)
    try:
        yield
    finally:
        torch.compiler.disable = disable
