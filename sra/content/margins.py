"""How large a difference must be to count: beside which numbers of a claim, and of ours and a printed one."""

from pathlib import Path

from pydantic import Field, PositiveFloat, model_validator

from sra.spec.base import Share, Strict
from sra.spec.load import load
from sra.spec.metric import Metric


class Margin(Strict):
    """A difference that one training run of each side does not settle: in the metric's own unit, or as a share of the value compared with.

    elsewhere, elsewhere_value: the share or value at presets that are not comparable, where the file's own does not fit the metric.
    """

    value: PositiveFloat | None = None
    share: Share | None = Field(None, gt=0)
    elsewhere: Share | None = Field(None, gt=0)
    elsewhere_value: PositiveFloat | None = None
    why: str = Field(min_length=1)

    @model_validator(mode="after")
    def _one_of_two(self):
        if (self.value is None) == (self.share is None):
            raise ValueError("a margin is either a value or a share; give one of the two")
        if self.elsewhere is not None and self.elsewhere_value is not None:
            raise ValueError("elsewhere, too, a margin is either a value or a share; give one of elsewhere_value and elsewhere")
        return self

    def at(self, reference: float) -> float:
        """The margin beside `reference`, in the metric's unit."""
        return self.value if self.value is not None else self.share * abs(reference)


class Tolerances(Strict):
    """By metric, how far a run of ours may lie from the printed number and still agree with it (`report/tolerances.yaml`)."""

    tolerances: dict[Metric, Margin] = {}

    def agrees(self, metric: Metric, ours: float, printed: float) -> bool | None:
        """Whether ours lies within the tolerance; None for a metric without one."""
        margin = self.tolerances.get(metric)
        return None if margin is None else abs(ours - printed) <= margin.at(printed)


def load_tolerances(root: Path) -> Tolerances:
    return load(root / "report" / "tolerances.yaml", Tolerances)
