"""Choose what a study tunes from its trials: each method's weight, the baseline's learning rate, each row's guidance.

Example: sra choose methods --preset fashion_cpu
"""

from typing import Annotated

import typer

from sra.commands.options import Preset, SeedList
from sra.content.catalogue import shown_catalogue
from sra.reporting.rendering import write_choices


def choose(study: Annotated[str, typer.Argument(help="one of config/studies")], preset: Preset, seeds: SeedList = None) -> None:
    choices = write_choices(shown_catalogue(preset, seeds=seeds), study)
    print("\n".join(f"{sweep.label}: {sweep.words}" for sweep in choices.sweeps))
