"""How large a difference must be to count where nothing measures its noise: between printed numbers, and between ours and a printed one."""

from pathlib import Path

from pydantic import Field, PositiveFloat, model_validator

from sra.spec.base import Share, Strict
from sra.spec.load import load
from sra.spec.metric import Metric


class Margin(Strict):
    """A difference that one training run of each side does not settle: in the metric's own unit, or as a share of the value compared with."""

    value: PositiveFloat | None = None
    share: Share | None = Field(None, gt=0)
    why: str = Field(min_length=1)

    @model_validator(mode="after")
    def _one_of_two(self):
        if (self.value is None) == (self.share is None):
            raise ValueError("a margin is either a value or a share; give one of the two")
        return self

    def at(self, reference: float) -> float:
        """The margin beside `reference`, in the metric's unit."""
        return self.value if self.value is not None else self.share * abs(reference)


class Tolerances(Strict):
    """By metric, how far a run of ours may lie from the printed number and still agree with it (`report/tolerances.yaml`)."""

    tolerances: dict[Metric, Margin] = {}

    def agrees(self, metric: Metric, low: float, high: float, printed: float) -> bool | None:
        """Whether ours, which lies between low and high, is surely within the tolerance, or surely beyond it.

        None where that is open, and for a metric without a tolerance.
        """
        if metric not in self.tolerances:
            return None
        reach = self.tolerances[metric].at(printed)
        if printed - reach <= low and high <= printed + reach:
            return True
        return False if high < printed - reach or low > printed + reach else None


def load_tolerances(root: Path) -> Tolerances:
    return load(root / "report" / "tolerances.yaml", Tolerances)
