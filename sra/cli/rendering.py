"""The commands that draw tables, figures and the page, and judge the claims."""

import typer

from sra.cli.launch import stage
from sra.cli.options import Preset, SamplingSeedList, SeedList, Weights, shown_registry

commands = typer.Typer()


@commands.command()
def table(table: str, preset: Preset, weights: Weights = "trained", seeds: SeedList = None, sampling_seeds: SamplingSeedList = None) -> None:
    """Render one table from the scores that exist: JSON, CSV, HTML, TeX and Markdown.

    Example: sra table table_1 --preset digits
    """
    stage("render", "render_table")(shown_registry(preset, weights, seeds, sampling_seeds), table)


@commands.command()
def figure(figure: str, preset: Preset, weights: Weights = "trained", seeds: SeedList = None, sampling_seeds: SamplingSeedList = None) -> None:
    """Draw one figure from the scores and samples that exist: SVG, PNG and its data."""
    stage("render", "render_figure")(shown_registry(preset, weights, seeds, sampling_seeds), figure)


@commands.command()
def claims(preset: Preset, weights: Weights = "trained", seeds: SeedList = None, sampling_seeds: SamplingSeedList = None) -> None:
    """Judge the paper's claims by the scores that exist: JSON, CSV and Markdown.

    Example: sra claims --preset digits
    """
    stage("render", "render_claims")(shown_registry(preset, weights, seeds, sampling_seeds))


@commands.command()
def report(preset: Preset, weights: Weights = "trained", seeds: SeedList = None, sampling_seeds: SamplingSeedList = None) -> None:
    """Render the self-contained page from the claims, tables and figures that exist."""
    stage("render", "render_report")(shown_registry(preset, weights, seeds, sampling_seeds))


@commands.command()
def refresh(preset: Preset, weights: Weights = "trained", seeds: SeedList = None, sampling_seeds: SamplingSeedList = None) -> None:
    """Render every table, figure, the claims and the report from the scores that exist; nothing is trained or sampled."""
    stage("render", "refresh")(shown_registry(preset, weights, seeds, sampling_seeds))
