"""The spread of a number over seeds. That of training and that of drawing samples are kept apart: they answer different questions."""

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sra.reporting.write.numbers import count_text
from sra.spec.base import Strict


class Spread(Strict):
    """How far numbers lie apart over seeds.

    training: how many training seeds, and the sd (n - 1) of their means.  sampling: the most sample sets of one training, and the sd among the
    sets of one training, pooled over trainings. None where one seed alone leaves it open.
    """

    training: int
    training_sd: float | None
    sampling: int
    sampling_sd: float | None

    @property
    def several(self) -> bool:
        return self.training > 1 or self.sampling > 1

    @property
    def band(self) -> float | None:
        """The deviation that a curve draws around its mean: of training where it is known, else of sampling."""
        return self.sampling_sd if self.training_sd is None else self.training_sd


@dataclass(frozen=True)
class Repeated:
    """A number over seeds. mean: over training seeds.  by_seed: the mean of each training over its sample sets."""

    mean: float
    spread: Spread
    by_seed: dict[int, float]


def over_seeds(by_training: Mapping[int, list[float]]) -> Repeated:
    """Values by training seed, one list each with its sample sets. Every training counts the same, however often it was sampled."""
    by_seed = {seed: statistics.fmean(values) for seed, values in by_training.items()}
    means = list(by_seed.values())
    repeated = [values for values in by_training.values() if len(values) > 1]
    freedom = sum(len(values) - 1 for values in repeated)
    squares = sum((len(values) - 1) * statistics.variance(values) for values in repeated)
    spread = Spread(
        training=len(means),
        training_sd=statistics.stdev(means) if len(means) > 1 else None,
        sampling=max(map(len, by_training.values())),
        sampling_sd=math.sqrt(squares / freedom) if repeated else None,
    )
    return Repeated(statistics.fmean(means), spread, by_seed)


def lines_remark(spreads: Iterable[Spread | None]) -> str:
    """What the lines of a figure are, and whether there is a band around them."""
    found = list(spreads)
    return f"Lines: ours, {seeds_text(found)}{', drawn as a band' if any(found) else ', no band'}."


def seeds_text(spreads: Iterable[Spread | None]) -> str:
    """`one seed`, or how many of each kind stand behind the numbers of a table or figure."""
    found = [spread for spread in spreads if spread is not None]
    if not found:
        return "one seed"
    trained, drawn = max(spread.training for spread in found), max(spread.sampling for spread in found)
    parts = [f"{count_text(trained)} training seed{'s' if trained > 1 else ''}"]
    parts += [f"{count_text(drawn)} sampling seeds of each"] if drawn > 1 else []
    return f"mean over {', '.join(parts)}; ± is the standard deviation (n {chr(0x2212)} 1)"
