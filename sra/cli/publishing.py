"""The commands that hand results on: the registry of numbers, the artifact appendix, the archive."""

from pathlib import Path
from typing import Annotated

import typer

from sra.cli.launch import stage
from sra.cli.options import Preset, SamplingSeedList, SeedList, Weights, shown_registry

commands = typer.Typer()


@commands.command()
def registry(preset: Preset, weights: Weights = "trained", seeds: SeedList = None, sampling_seeds: SamplingSeedList = None) -> None:
    """List every number that the rendered tables and figures show, with the files behind it: results/<preset>/registry.tsv."""
    stage("write_registry", "write_registry")(shown_registry(preset, weights, seeds, sampling_seeds))


@commands.command()
def appendix(preset: Preset, weights: Weights = "trained", seeds: SeedList = None, sampling_seeds: SamplingSeedList = None) -> None:
    """Write the artifact appendix from the results and the configuration: results/<preset>/appendix.md."""
    stage("write_appendix", "write_appendix")(shown_registry(preset, weights, seeds, sampling_seeds))


@commands.command()
def archive(
    preset: Preset,
    weights: Weights = "trained",
    seeds: SeedList = None,
    sampling_seeds: SamplingSeedList = None,
    output: Annotated[
        Path | None, typer.Option(dir_okay=False, help="zip to write; default: results/<preset>/sra-repro-<preset>-<commit>.zip")
    ] = None,
) -> None:
    """Pack configuration, workflow, receipts, scores, tables, figures and report as one zip with RO-Crate metadata. No weights, no samples.

    Example: sra archive --preset digits
    """
    print(stage("archive", "archive")(shown_registry(preset, weights, seeds, sampling_seeds), output))
