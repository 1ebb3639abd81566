"""From the specification of a run to its alignments."""

from torch import nn

from sra.alignment.attention import AttentionAlignment
from sra.alignment.base import Alignment
from sra.alignment.contrastive import ContrastiveAlignment
from sra.alignment.dispersive import DispersiveAlignment
from sra.alignment.layersync import LayerSyncAlignment
from sra.alignment.repa import RepaAlignment
from sra.alignment.sra import SraAlignment
from sra.alignment.sra2 import Sra2Alignment
from sra.alignment.summary import SummaryAlignment
from sra.alignment.two_times import TwoTimesAlignment
from sra.models.initial import initial_weights
from sra.spec.methods.attention import AttentionOptions
from sra.spec.methods.base import MethodOptions
from sra.spec.methods.contrastive import ContrastiveOptions
from sra.spec.methods.dispersive import DispersiveOptions
from sra.spec.methods.layersync import LayerSyncOptions
from sra.spec.methods.repa import IrepaOptions, RepaOptions
from sra.spec.methods.sra import SraOptions
from sra.spec.methods.sra2 import Sra2Options
from sra.spec.methods.summary import SummaryOptions
from sra.spec.methods.two_times import DualTimesOptions, SelfFlowOptions
from sra.spec.run import RunSpec

# A method that is made of others needs no entry.
ALIGNMENTS: dict[type[MethodOptions], type[Alignment]] = {
    SraOptions: SraAlignment,
    RepaOptions: RepaAlignment,
    IrepaOptions: RepaAlignment,
    LayerSyncOptions: LayerSyncAlignment,
    DispersiveOptions: DispersiveAlignment,
    Sra2Options: Sra2Alignment,
    ContrastiveOptions: ContrastiveAlignment,
    AttentionOptions: AttentionAlignment,
    DualTimesOptions: TwoTimesAlignment,
    SelfFlowOptions: TwoTimesAlignment,
    SummaryOptions: SummaryAlignment,
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
