"""Alignment with an external encoder's patch tokens: REPA (arXiv 2410.06940) and iREPA (arXiv 2512.10794)."""

from typing import ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from sra.spec.base import Layers
from sra.spec.methods.base import Origin, WeightedOptions, left_out_at
from sra.spec.scale import Carrier


class RepaOptions(WeightedOptions):
    """Alignment with an external encoder's patch tokens (REPA, arXiv 2410.06940, section 3.2 and Table 6)."""

    ORIGIN: ClassVar = Origin("REPA", "patch tokens of an external encoder", "2410.06940", "sihyun-yu/REPA", "67f7145", "MIT")
    BLOCKS: ClassVar = ("block",)

    method: Literal["repa"] = "repa"
    block: PositiveInt | None = Field(None, description="None only in a run of released weights whose size has no block in the paper")
    encoder: str = Field("dinov2b", description="an encoder of weights.tsv, or timm/NAME for any vision transformer of timm")
    weight: NonNegativeFloat = 0.5
    # nt_xent: REPA's Table 6 names it for L without defining the negatives; ours are the other patches of the same image.
    objective: Literal["cosine", "nt_xent"] = "cosine"
    temperature: PositiveFloat = 0.1  # of nt_xent; ours, SimCLR's best value (arXiv 2002.05709, Table 5)
    projector_width: PositiveInt = 2048
    projector_layers: Layers = 3
    align_summary: bool = left_out_at(False, "whether the encoder's summary is a token more, before the patches (REG)")
    # What iREPA changes.
    projector: Literal["mlp", "conv"] = left_out_at("mlp", "mlp: REPA's; conv: one convolution over the square of tokens, as iREPA has it")
    kernel: Literal[1, 3] = left_out_at(3, "of that convolution; iREPA's paper has 3, its released command 1")
    target: Literal["tokens", "spatial"] = left_out_at("tokens", "spatial: each channel less a share of its mean over the tokens, over its deviation")
    mean_share: NonNegativeFloat = left_out_at(0.6, "of that mean (gamma of iREPA's released code)")
    deviation: Literal["unbiased", "paper"] = left_out_at("unbiased", "over N - 1 tokens, plus 1e-6, as in code; paper: root of variance + 1e-6")

    @property
    def words(self) -> str:
        objective = "" if self.objective == "cosine" else f", {self.objective}"
        block = "block not said" if self.block is None else f"block {self.block}"
        spatial = f", {self.kernel} x {self.kernel} convolution" if self.projector == "conv" else ""
        spatial += f", spatially normalised targets (mean times {self.mean_share:g})" if self.target == "spatial" else ""
        spatial += ", with the encoder's summary" if self.align_summary else ""
        return f"{self.ORIGIN.name}: {block}, encoder {self.encoder}, λ {self.weight:g}{objective}{spatial}{self.stop_words}"

    def carried(self, to: Carrier) -> Self:
        changes = {"encoder": to.encoder(self.encoder), "projector_width": to.projector_width(self.projector_width)}
        return super().carried(to).model_copy(update=changes)


class IrepaOptions(RepaOptions):
    """REPA with one convolution for a projector and spatially normalised targets (iREPA, arXiv 2512.10794; End2End-Diffusion/iREPA at 99ad4ac).

    Weight 1.0 is the released command's; its REPA has 0.5.
    """

    ORIGIN: ClassVar = Origin(
        "iREPA",
        "patch tokens of an external encoder, normalised over the image",
        "2512.10794",
        "End2End-Diffusion/iREPA",
        "99ad4ac",
        "MIT",
    )

    method: Literal["irepa"] = "irepa"
    weight: NonNegativeFloat = 1.0
    projector: Literal["mlp", "conv"] = "conv"
    kernel: Literal[1, 3] = 3
    target: Literal["tokens", "spatial"] = "spatial"
    mean_share: NonNegativeFloat = 0.6
    deviation: Literal["unbiased", "paper"] = "unbiased"
