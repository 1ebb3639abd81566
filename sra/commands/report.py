"""Render the self-contained page from the claims, tables and figures that exist."""

from sra.commands.options import Preset, SamplingSeedList, SeedList, ShownWeights
from sra.content.catalogue import shown_catalogue
from sra.reporting.rendering import render_report


def report(preset: Preset, weights: ShownWeights = "trained", seeds: SeedList = None, sampling_seeds: SamplingSeedList = None) -> None:
    render_report(shown_catalogue(preset, weights, seeds, sampling_seeds))
