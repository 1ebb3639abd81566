"""From the specification of a run to its alignment."""

from sra.alignment.base import Alignment
from sra.alignment.none import NoAlignment
from sra.alignment.repa import RepaAlignment
from sra.alignment.sra import SraAlignment
from sra.models.initial import initial_weights
from sra.spec.method import RepaOptions, SraOptions
from sra.spec.run import RunSpec


def build_alignment(run: RunSpec, encoder_width: int | None, seed: int) -> Alignment:
    """A new alignment on the CPU, the same for the same seed. `encoder_width` is the encoder's feature width, None where there is none."""
    options, width = run.alignment, run.model.width
    with initial_weights(seed, "alignment") as generator:
        if isinstance(options, SraOptions):
            return SraAlignment(options, width, run.image_size, run.training.paper_steps_per_step, generator)
        if isinstance(options, RepaOptions):
            if encoder_width is None:
                raise ValueError(f"run {run.run}: REPA needs the width of encoder {options.encoder}")
            return RepaAlignment(options, width, encoder_width, generator)
        return NoAlignment()
