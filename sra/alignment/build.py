"""From the specification of a run to its alignments."""

from torch import nn

from sra.alignment.base import Alignment
from sra.alignment.repa import RepaAlignment
from sra.alignment.sra import SraAlignment
from sra.models.initial import initial_weights
from sra.spec.methods.base import MethodOptions
from sra.spec.methods.repa import RepaOptions
from sra.spec.methods.sra import SraOptions
from sra.spec.run import RunSpec

# A method that is made of others needs no entry.
ALIGNMENTS: dict[type[MethodOptions], type[Alignment]] = {
    SraOptions: SraAlignment,
    RepaOptions: RepaAlignment,
}


def build_alignments(run: RunSpec, encoder_width: int | None, seed: int) -> nn.ModuleDict:
    """New alignments on the CPU by method name, the same for the same seed; none for the baseline.

    encoder_width: the encoder's feature width, None where there is none.
    """
    built = nn.ModuleDict()
    for options in run.alignment.parts:
        with initial_weights(seed, f"alignment {options.method}") as generator:
            built[options.method] = ALIGNMENTS[type(options)].of_run(options, run, encoder_width, generator)
    return built
