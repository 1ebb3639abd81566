"""Judge the paper's claims by the scores that exist: JSON, CSV and Markdown.

Example: sra claims --preset digits
"""

from sra.commands.options import Preset, SamplingSeedList, SeedList, ShownWeights
from sra.content.catalogue import shown_catalogue
from sra.reporting.rendering import render_claims


def claims(preset: Preset, weights: ShownWeights = "trained", seeds: SeedList = None, sampling_seeds: SamplingSeedList = None) -> None:
    render_claims(shown_catalogue(preset, weights, seeds, sampling_seeds))
