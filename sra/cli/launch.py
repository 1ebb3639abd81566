"""How a command reaches its stage: imported when it is called, so that `sra --help` needs no torch."""

import gc
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module


def stage(module: str, function: str) -> Callable:
    """The stage's function, imported only now.

    Importing torch and diffusers allocates millions of objects that live on; without collections in between it takes a quarter less.
    """
    gc.disable()
    before = signal.signal(signal.SIGINT, _leave)
    try:
        return getattr(import_module(f"sra.stages.{module}"), function)
    finally:
        signal.signal(signal.SIGINT, before)
        gc.freeze()
        gc.enable()


def _leave(number: int, frame) -> None:
    """Ctrl-C among imports, where nothing is being written: some libraries turn the exception of Ctrl-C into another."""
    print("stopped before it began; the same command starts it again", file=sys.stderr, flush=True)
    os._exit(128 + number)


def device_type(name: str) -> str:
    return stage("device", "choose_device")(name).type
