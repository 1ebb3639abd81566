"""The extra token of REG (arXiv 2507.01467; Martinser/REG at 021ea2e): the model denoises an encoder's summary of the image beside the image."""

from typing import ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt

from sra.spec.encoders import ENCODERS
from sra.spec.methods.base import Origin, WeightedOptions
from sra.spec.scale import Carrier


class SummaryOptions(WeightedOptions):
    """One token more, whose state is the summary token of an encoder, noised at the image's time; the network learns its velocity too.

    The token stays in the model: samples are drawn as pairs of image and summary.
    """

    ORIGIN: ClassVar = Origin(
        "REG",
        "tokens of an external encoder, and its summary as one token more to be denoised",
        "2507.01467",
        "Martinser/REG",
        "021ea2e",
        "MIT",
    )
    FAMILIES: ClassVar = ("sit",)
    NOT_OTHERS: ClassVar = "its extra token is defined for the velocity of class-conditional models alone"
    CHANGES_TIMES: ClassVar = True
    IN_STEP: ClassVar = True

    method: Literal["summary"] = "summary"
    encoder: str = Field("dinov2b", description="an encoder of weights.tsv, or timm/NAME for any vision transformer of timm")
    weight: NonNegativeFloat = 0.03
    # none: the summary as the encoder's last norm leaves it; unit_variance: each image's over its root mean square, for encoders of another scale.
    summary_norm: Literal["none", "unit_variance"] = "none"
    width: PositiveInt | None = Field(None, description="of the summary; only for an encoder whose width is not known by its name")

    @property
    def words(self) -> str:
        return f"one more token, the summary of encoder {self.encoder}, {self.weight_words}"

    def carried(self, to: Carrier) -> Self:
        return self.model_copy(update={"encoder": to.encoder(self.encoder)})

    @property
    def summary_width(self) -> int:
        """Raises ValueError where neither the encoder's name nor an option says it."""
        if self.width is None and self.encoder not in ENCODERS:
            raise ValueError(f"the width of encoder {self.encoder} is not known by its name; give width")
        return self.width or ENCODERS[self.encoder].width
