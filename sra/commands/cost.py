"""Say what tables, figures and studies would still take: runs, images, GPU-hours, wall time, disk, energy. Nothing is run.

Example: sra cost table_1 figure_4 --preset paper --gpus 8 --processes 8
Example: sra cost study_methods study_methods_pilot --preset fashion_cpu
"""

from typing import Annotated

import typer

from sra.commands.options import Preset, SamplingSeedList, SeedList, ShownWeights
from sra.content.catalogue import shown_catalogue
from sra.plan.cost import cost_of, json_of, text_of
from sra.plan.remaining import Remaining
from sra.plan.workflow import plan_of


def cost(
    items: Annotated[
        list[str] | None, typer.Argument(help="tables, figures, studies and their parts, such as study_methods; none for all tables and figures")
    ] = None,
    preset: Preset = "digits",
    weights: ShownWeights = "trained",
    seeds: SeedList = None,
    sampling_seeds: SamplingSeedList = None,
    gpus: Annotated[int, typer.Option(min=1, help="GPUs that work at a time; cores, where the device is a CPU")] = 1,
    processes: Annotated[int, typer.Option(min=1, envvar="SRA_PROCESSES", help="GPUs that train one run together")] = 1,
    device: Annotated[str | None, typer.Option(help="of config/throughput.tsv; default: as measured here, else a100 or cpu")] = None,
    json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
) -> None:
    """Raises InputError for an unknown preset, table, figure, study or device."""
    remaining = Remaining(plan_of(shown_catalogue(preset, weights, seeds, sampling_seeds)), processes)
    found = cost_of(remaining, items or [], gpus, device)
    print(json_of(found) if json else text_of(found))
