"""Draw one figure from the scores and samples that exist: SVG, PNG and its data."""

from sra.commands.options import Preset, SamplingSeedList, SeedList, ShownWeights
from sra.content.catalogue import shown_catalogue
from sra.content.names import ids_of
from sra.reporting.rendering import render_figure


def figure(figure: str, preset: Preset, weights: ShownWeights = "trained", seeds: SeedList = None, sampling_seeds: SamplingSeedList = None) -> None:
    catalogue = shown_catalogue(preset, weights, seeds, sampling_seeds)
    for name in ids_of(figure, catalogue, "figure"):
        render_figure(catalogue, name)
