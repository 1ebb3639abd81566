"""From the specification of a run to its alignments."""

from collections.abc import Callable

from torch import Generator, nn

from sra.alignment.base import Alignment
from sra.alignment.repa import RepaAlignment
from sra.alignment.sra import SraAlignment
from sra.models.initial import initial_weights
from sra.spec.method import MethodOptions, RepaOptions, SraOptions
from sra.spec.run import RunSpec


def build_alignments(run: RunSpec, encoder_width: int | None, seed: int) -> nn.ModuleDict:
    """New alignments on the CPU by method name, the same for the same seed; none for the baseline.

    encoder_width: the encoder's feature width, None where there is none.
    """
    built = nn.ModuleDict()
    for options in run.alignment.parts:
        with initial_weights(seed, f"alignment {options.method}") as generator:
            built[options.method] = BUILDERS[type(options)](options, run, encoder_width, generator)
    return built


def _sra(options: SraOptions, run: RunSpec, encoder_width: int | None, generator: Generator) -> Alignment:
    return SraAlignment(options, run.model.width, run.image_size, run.training.paper_steps_per_step, generator)


def _repa(options: RepaOptions, run: RunSpec, encoder_width: int | None, generator: Generator) -> Alignment:
    if encoder_width is None:
        raise ValueError(f"run {run.run}: REPA needs the width of encoder {options.encoder}")
    return RepaAlignment(options, run.model.width, encoder_width, generator, run.training.paper_steps_per_step)


# How each method's options become its alignment; a method that is made of others needs no entry.
BUILDERS: dict[type[MethodOptions], Callable[[MethodOptions, RunSpec, int | None, Generator], Alignment]] = {SraOptions: _sra, RepaOptions: _repa}
