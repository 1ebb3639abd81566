"""Show how far each run, table and figure is: steps, rate, time left, age of the newest state, failures. Nothing is run.

Example: sra status --preset paper --watch 10
"""

import shutil
import sys
import time
from typing import Annotated

import typer

from sra.commands.options import Preset, SamplingSeedList, SeedList, ShownWeights
from sra.content.catalogue import shown_catalogue
from sra.core.errors import InputError
from sra.reporting.read.runs import status_of
from sra.reporting.status import cut, text_of


def status(
    preset: Preset = "digits",
    weights: ShownWeights = "trained",
    seeds: SeedList = None,
    sampling_seeds: SamplingSeedList = None,
    json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
    watch: Annotated[float | None, typer.Option(min=0.1, help="draw again every so many seconds, until Ctrl-C")] = None,
) -> None:
    """Watching shows as much as the terminal holds. Raises InputError where there is none."""
    catalogue = shown_catalogue(preset, weights, seeds, sampling_seeds)
    if watch is None:
        document = status_of(catalogue)
        print(document.model_dump_json(indent=2) if json else text_of(document), flush=True)
        return
    if json or not sys.stdout.isatty():
        raise InputError("sra status: --watch draws on a terminal; leave it out for --json, a pipe or a log")
    try:
        while True:
            text = cut(text_of(status_of(catalogue)), shutil.get_terminal_size().lines - 1)
            print(f"\033[H\033[2J{text}", flush=True)
            time.sleep(watch)
    except KeyboardInterrupt:
        return
