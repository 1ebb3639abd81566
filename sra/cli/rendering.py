"""The commands that draw tables, figures and the page, and judge the claims."""

from pathlib import Path
from typing import Annotated

import typer

from sra.cli.launch import stage
from sra.cli.options import Preset
from sra.core.errors import unknown

commands = typer.Typer()

Weights = Annotated[str, typer.Option(help="trained, or released: only runs from released checkpoints are shown")]


@commands.command()
def table(table: str, preset: Preset, weights: Weights = "trained") -> None:
    """Render one table from the scores that exist: JSON, CSV, HTML, TeX and Markdown.

    Example: sra table table_1 --preset digits
    """
    stage("render", "render_table")(_registry(preset, weights), table)


@commands.command()
def figure(figure: str, preset: Preset, weights: Weights = "trained") -> None:
    """Draw one figure from the scores and samples that exist: SVG, PNG and its data."""
    stage("render", "render_figure")(_registry(preset, weights), figure)


@commands.command()
def claims(preset: Preset, weights: Weights = "trained") -> None:
    """Judge the paper's claims by the scores that exist: JSON, CSV and Markdown.

    Example: sra claims --preset digits
    """
    stage("render", "render_claims")(_registry(preset, weights))


@commands.command()
def report(preset: Preset, weights: Weights = "trained") -> None:
    """Render the self-contained page from the claims, tables and figures that exist."""
    stage("render", "render_report")(_registry(preset, weights))


@commands.command()
def refresh(preset: Preset, weights: Weights = "trained") -> None:
    """Render every table, figure, the claims and the report from the scores that exist; nothing is trained or sampled."""
    stage("render", "refresh")(_registry(preset, weights))


def _registry(preset: str, weights: str):
    from sra.spec.registry import Registry

    if weights not in ("trained", "released"):
        raise unknown("weights", weights, ("trained", "released"))
    return Registry(Path.cwd(), preset, released=weights == "released")
