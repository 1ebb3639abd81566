"""Which of several is surely the best: told apart from every other, with Holm over the comparisons."""

from collections.abc import Hashable, Mapping
from typing import TypeVar

from sra.study.intervals import Scale, paired
from sra.study.verdicts import holm, verdict_of

Name = TypeVar("Name", bound=Hashable)


def surely_best(values: Mapping[Name, Mapping[int, float]], scale: Scale, lower_is_better: bool) -> Name | None:
    """values: of each, by training seed.

    None where nobody is told apart from all others, or where some pair shares fewer than three seeds or has a value that is not on the scale.
    """
    better = min if lower_is_better else max
    means = {name: sum(found.values()) / len(found) for name, found in values.items() if found}
    if len(means) < 2 or len(means) < len(values):
        return None
    first = better(means, key=means.__getitem__)
    try:
        pairs = {str(place): paired(values[first], found, scale) for place, (name, found) in enumerate(values.items()) if name != first}
    except ValueError:
        return None
    if not all(pair and pair.judged for pair in pairs.values()):
        return None
    adjusted = holm({place: pair.p_value for place, pair in pairs.items()})
    return first if all(verdict_of(pair, lower_is_better, 0.0, adjusted[place]) == "better" for place, pair in pairs.items()) else None
