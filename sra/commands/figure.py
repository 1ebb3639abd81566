"""Draw one figure from the scores and samples that exist: SVG, PNG and its data."""

from sra.commands.options import Preset, SamplingSeedList, SeedList, ShownWeights
from sra.content.catalogue import shown_catalogue
from sra.reporting.rendering import render_figure


def figure(figure: str, preset: Preset, weights: ShownWeights = "trained", seeds: SeedList = None, sampling_seeds: SamplingSeedList = None) -> None:
    render_figure(shown_catalogue(preset, weights, seeds, sampling_seeds), figure)
