"""Write the artifact appendix from the results and the configuration: results/<preset>/appendix.md."""

from sra.commands.options import Preset, SamplingSeedList, SeedList, ShownWeights
from sra.content.catalogue import shown_catalogue
from sra.deposit.facts import write_appendix


def appendix(preset: Preset, weights: ShownWeights = "trained", seeds: SeedList = None, sampling_seeds: SamplingSeedList = None) -> None:
    write_appendix(shown_catalogue(preset, weights, seeds, sampling_seeds))
