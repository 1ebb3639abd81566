"""Every method that a run can name. A new one gets a file of options beside this, and its line here."""

from typing import Annotated, Union

from pydantic import Field

from sra.spec.methods.attention import AttentionOptions
from sra.spec.methods.base import BaselineOptions, MethodOptions
from sra.spec.methods.combined import combination
from sra.spec.methods.contrastive import ContrastiveOptions
from sra.spec.methods.dispersive import DispersiveOptions
from sra.spec.methods.layersync import LayerSyncOptions
from sra.spec.methods.repa import IrepaOptions, RepaOptions
from sra.spec.methods.sra import SraOptions
from sra.spec.methods.sra2 import Sra2Options
from sra.spec.methods.summary import SummaryOptions
from sra.spec.methods.two_times import DualTimesOptions, SelfFlowOptions

RepaSraOptions = combination("RepaSraOptions", RepaOptions, SraOptions)

METHODS: tuple[type[MethodOptions], ...] = (
    BaselineOptions,
    SraOptions,
    RepaOptions,
    LayerSyncOptions,
    DispersiveOptions,
    Sra2Options,
    IrepaOptions,
    ContrastiveOptions,
    DualTimesOptions,
    SelfFlowOptions,
    combination("HasteOptions", RepaOptions, AttentionOptions, method="haste", origin=AttentionOptions.ORIGIN),
    combination("RegOptions", RepaOptions, SummaryOptions, method="reg", origin=SummaryOptions.ORIGIN),
    RepaSraOptions,
    combination("IrepaSraOptions", IrepaOptions, SraOptions),
    combination("SraContrastiveOptions", SraOptions, ContrastiveOptions),
    combination("RepaContrastiveOptions", RepaOptions, ContrastiveOptions),
    combination("LayerSyncContrastiveOptions", LayerSyncOptions, ContrastiveOptions),
)
METHOD_OF = {options.model_fields["method"].default: options for options in METHODS}
AlignmentOptions = Annotated[Union[METHODS], Field(discriminator="method")]  # noqa: UP007 - built from the list above
