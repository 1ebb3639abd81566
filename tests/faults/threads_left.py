"""Runs `python -m sra` with the arguments given, as torchrun does, and says which threads of the exchange between processes outlive it."""

import runpy
from pathlib import Path

if __name__ == "__main__":
    try:
        runpy.run_module("sra", run_name="__main__", alter_sys=True)
    finally:
        names = [comm.read_text().strip() for comm in Path("/proc/self/task").glob("*/comm")]
        print("threads left:", [name for name in names if "gloo" in name], flush=True)
