"""The command that shows how far the runs are."""

from typing import Annotated

import typer

from sra.cli.launch import stage
from sra.cli.options import Preset, SamplingSeedList, SeedList, Weights, shown_registry

commands = typer.Typer()


@commands.command()
def status(
    preset: Preset = "digits",
    weights: Weights = "trained",
    seeds: SeedList = None,
    sampling_seeds: SamplingSeedList = None,
    json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
    watch: Annotated[float | None, typer.Option(min=0.1, help="draw again every so many seconds, until Ctrl-C")] = None,
) -> None:
    """Show how far each run, table and figure is: steps, rate, time left, age of the newest state, failures. Nothing is run.

    Example: sra status --preset paper --watch 10
    """
    stage("status", "show_status")(shown_registry(preset, weights, seeds, sampling_seeds), json, watch)
