"""Render one table from the scores that exist: JSON, CSV, HTML, TeX and Markdown.

Example: sra table table_1 --preset digits
"""

from sra.commands.options import Preset, SamplingSeedList, SeedList, ShownWeights
from sra.content.catalogue import shown_catalogue
from sra.content.names import ids_of
from sra.reporting.rendering import render_table


def table(table: str, preset: Preset, weights: ShownWeights = "trained", seeds: SeedList = None, sampling_seeds: SamplingSeedList = None) -> None:
    catalogue = shown_catalogue(preset, weights, seeds, sampling_seeds)
    for name in ids_of(table, catalogue, "table"):
        render_table(catalogue, name)
