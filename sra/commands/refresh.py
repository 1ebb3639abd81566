"""Render every table, figure, the claims and the report from the scores that exist; nothing is trained or sampled."""

from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from sra.commands.options import Preset, SamplingSeedList, SeedList, ShownWeights
from sra.content.catalogue import shown_catalogue
from sra.core.errors import InputError
from sra.deposit.facts import write_appendix
from sra.deposit.lines import write_registry
from sra.reporting.rendering import render_everything
from sra.spec.layout import RESULTS


def refresh(
    preset: Preset,
    weights: ShownWeights = "trained",
    seeds: SeedList = None,
    sampling_seeds: SamplingSeedList = None,
    results: Annotated[str, typer.Option(help="folder of all results; results/reference: those that a checkout has")] = str(RESULTS),
) -> None:
    place = PurePosixPath(results)
    if place != RESULTS and (place.is_absolute() or ".." in place.parts or not (Path.cwd() / place / preset).is_dir()):
        raise InputError(f"--results {results}: expected a folder in this one that holds {preset}, such as {RESULTS} or {RESULTS}/reference")
    catalogue = shown_catalogue(preset, weights, seeds, sampling_seeds, place)
    render_everything(catalogue)
    write_registry(catalogue)
    write_appendix(catalogue)
