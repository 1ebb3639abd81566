"""Measure a stage beside its peers, on this machine; needs a checkout of the repository. Without a name: what there is.

Example: sra bench train --quick
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from sra.core.errors import InputError, unknown

CONTEXT_SETTINGS = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
FOLDER = Path("tests/benchmarks")
NAMES = {
    "train": "training steps: the straight loop of the paper's equations, diffusers' DiT and SD3 transformers",
    "sample": "sampling with and without guidance: diffusers' DiT and SD3 transformers",
    "latents": "images through an autoencoder: one image at a time",
    "features": "images through the FID Inception network: torch-fidelity",
    "score": "Fréchet distance, precision and recall: torch-fidelity, torchmetrics, clean-fid, scipy",
    "memory": "what scoring 50,000 images takes of it at its peak",
    "store": "random rows of latents and images: one file each",
    "chain": "where the time of a whole build went, after make run",
    "dag": "planning the presets and 2,000 runs, starting a command: Snakemake on bare rules, importing torch",
}


def bench(context: typer.Context, name: Annotated[str | None, typer.Argument(help="one of the benchmarks")] = None) -> None:
    """The benchmarks of this checkout are scripts beside the tests; the options are theirs."""
    if name in (None, "--help"):
        print("sra bench NAME [OPTIONS]; sra bench NAME --help says which\n")
        print("\n".join(f"  {each:10s}{what}" for each, what in NAMES.items()))
        return
    if name not in NAMES:
        raise unknown("benchmark", name, tuple(NAMES))
    script = FOLDER / f"bench_{name}.py"
    if not script.is_file():
        raise InputError(f"{script}: not found; benchmarks belong to the repository, so run this in a checkout of it")
    # In this process's place: Ctrl-C and the exit code are the benchmark's.
    os.execv(sys.executable, [sys.executable, str(script), *context.args])
