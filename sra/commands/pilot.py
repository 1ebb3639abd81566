"""Say what the first seeds of a study tell: how noisy a training is, what pairing by seed gains, and how many seeds see which effect.

Example: snakemake --cores 2 study_methods_pilot --config preset=fashion_cpu; sra pilot methods --preset fashion_cpu
"""

from typing import Annotated

import typer

from sra.commands.options import Preset, SeedList
from sra.content.catalogue import shown_catalogue
from sra.core.errors import InputError
from sra.reporting.read.studies import decide
from sra.reporting.rendering import study_files
from sra.study.build import build_study


def pilot(study: Annotated[str, typer.Argument(help="one of config/studies")], preset: Preset, seeds: SeedList = None) -> None:
    """Raises InputError while fewer than two seeds of the baseline are scored."""
    catalogue = shown_catalogue(preset, seeds=seeds)
    files = study_files(catalogue, study)
    document = build_study(files.given())
    if document.pilot is None:
        raise InputError(
            f"study {study}: fewer than two seeds of {document.baseline} are scored at {document.milestone}; "
            f"run snakemake --cores all study_{study}_pilot --config preset={preset}"
        )
    rates = [f"{sweep.label}, learning rate: {sweep.words}." for sweep in decide(files).sweeps if sweep.what == "rate"]
    print("\n".join([*document.pilot.sentences, document.informative_words, *rates]))
