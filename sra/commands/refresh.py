"""Render every table, figure, the claims and the report from the scores that exist; nothing is trained or sampled."""

from sra.commands.options import Preset, SamplingSeedList, SeedList, ShownWeights
from sra.content.catalogue import shown_catalogue
from sra.deposit.facts import write_appendix
from sra.deposit.lines import write_registry
from sra.reporting.rendering import render_everything


def refresh(preset: Preset, weights: ShownWeights = "trained", seeds: SeedList = None, sampling_seeds: SamplingSeedList = None) -> None:
    catalogue = shown_catalogue(preset, weights, seeds, sampling_seeds)
    render_everything(catalogue)
    write_registry(catalogue)
    write_appendix(catalogue)
