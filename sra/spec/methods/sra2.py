"""SRA 2 (arXiv 2601.17830): a block predicts the clean latent of its own patch; and the control that predicts the training target instead."""

from typing import ClassVar, Literal

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from sra.spec.methods.base import Origin, WeightedOptions


class Sra2Options(WeightedOptions):
    """A head at an early block learns the clean latent, in the tokens of the final layer. No code is public; the head's width is ours.

    Five layers of twice the model's width are what both printed sizes allow: 8.3 M for B ("about 8M") and 4 % of a forward pass of XL.
    """

    ORIGIN: ClassVar = Origin("SRA 2", "the clean latent of each token's own patch", "2601.17830", unchecked="no code is public")
    BLOCKS: ClassVar = ("block",)

    method: Literal["sra2"] = "sra2"
    block: PositiveInt
    weight: NonNegativeFloat = 1.0
    # velocity: what the network itself learns, as a control: where it does as well, the gain is deep supervision and not the latent.
    predicts: Literal["latent", "velocity"] = "latent"
    latent: Literal["sample", "mean"] = "sample"  # the draw that the noisy latent is made of, or the mean of its posterior
    distance: Literal["smooth_l1", "l1", "l2", "cosine"] = "smooth_l1"
    beta: PositiveFloat = 0.05  # of smooth l1
    head_layers: PositiveInt = 5
    head_width: PositiveFloat = 2.0  # times the model's width

    @property
    def words(self) -> str:
        what = "the clean latent" if self.predicts == "latent" else "the training target (control)"
        return f"SRA 2: block {self.block} predicts {what}, λ {self.weight:g}, {self.distance}{self.stop_words}"
