"""The command that says what the work would take."""

from typing import Annotated

import typer

from sra.cli.launch import stage
from sra.cli.options import Preset, SamplingSeedList, SeedList, Weights, shown_registry

commands = typer.Typer()


@commands.command()
def cost(
    items: Annotated[list[str] | None, typer.Argument(help="tables and figures; none for all of them")] = None,
    preset: Preset = "digits",
    weights: Weights = "trained",
    seeds: SeedList = None,
    sampling_seeds: SamplingSeedList = None,
    gpus: Annotated[int, typer.Option(min=1, help="GPUs that work at a time; cores, where the device is a CPU")] = 1,
    processes: Annotated[int, typer.Option(min=1, envvar="SRA_PROCESSES", help="GPUs that train one run together")] = 1,
    device: Annotated[str | None, typer.Option("--device", help="of config/throughput.tsv; default: as measured here, else a100 or cpu")] = None,
    json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
) -> None:
    """Say what tables and figures would still take: runs, images, GPU-hours, wall time, disk, energy. Nothing is run.

    Example: sra cost table_1 figure_4 --preset paper --gpus 8 --processes 8
    """
    found = stage("cost", "cost_of")(shown_registry(preset, weights, seeds, sampling_seeds), items or [], gpus, processes, device)
    stage("cost", "show_cost")(found, json)
