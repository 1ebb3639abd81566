"""List every number that the rendered tables and figures show, with the files behind it: results/<preset>/registry.tsv."""

from sra.commands.options import Preset, SamplingSeedList, SeedList, ShownWeights
from sra.content.catalogue import shown_catalogue
from sra.deposit.lines import write_registry


def registry(preset: Preset, weights: ShownWeights = "trained", seeds: SeedList = None, sampling_seeds: SamplingSeedList = None) -> None:
    write_registry(shown_catalogue(preset, weights, seeds, sampling_seeds))
