"""SRA 2 (arXiv 2601.17830): a block predicts the clean latent of its own patch; and the control that predicts the training target instead."""

from typing import ClassVar, Literal, Self

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from sra.spec.methods.base import Origin, WeightedOptions, left_out_at


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
    # unit is for autoencoders whose channels differ in size.
    scale: Literal["model", "unit"] = left_out_at(
        "model", "model: as the network sees it; unit: each channel less its mean over the data set, over its deviation"
    )
    distance: Literal["smooth_l1", "l1", "l2", "cosine"] = "smooth_l1"
    beta: PositiveFloat = 0.05  # of smooth l1
    head_layers: PositiveInt = 5
    head_width: PositiveFloat = 2.0  # times the model's width

    @model_validator(mode="after")
    def _scales_a_latent(self) -> Self:
        if self.scale == "unit" and self.predicts == "velocity":
            raise ValueError("scale: unit standardises the latent, and the control predicts a velocity; leave out scale, or give predicts: latent")
        return self

    @property
    def words(self) -> str:
        latent = "the clean latent" if self.scale == "model" else "the standardised clean latent"
        what = latent if self.predicts == "latent" else "the training target (control)"
        return f"SRA 2: block {self.block} predicts {what}, λ {self.weight:g}, {self.distance}{self.stop_words}"
