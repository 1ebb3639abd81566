"""How trials choose: the best of equal trials, and the published value unless another is clearly better."""

import math
from collections.abc import Mapping


def chosen_factor(trials: Mapping[float, float | None], tie: float) -> tuple[float | None, str]:
    """The factor with the lowest distance and how it was chosen; None while a trial is missing.

    trials: distances by factor, 1 being the published value; infinite where the training diverged.  tie: 1 stays unless another is lower by more
    than this share.
    """
    missing = [factor for factor, value in trials.items() if value is None]
    if missing:
        return None, f"waits for its trials at {_listed(missing)} times what is published"
    best = min(trials, key=lambda factor: (trials[factor], abs(factor - 1)))
    if math.isinf(trials[best]):
        return 1.0, "every trial diverged, so the published value stays"
    lost = [factor for factor, value in trials.items() if math.isinf(value) and factor != 1]
    diverged = f"; {_listed(lost)} times it diverged" if lost else ""
    if best == 1:
        return 1.0, f"the published value is the best of its trials{diverged}"
    if math.isinf(trials[1.0]):
        return best, f"{best:g} times what is published, which diverged, is the best of the others{diverged}"
    gain = 1 - trials[best] / trials[1.0]
    if gain <= tie:
        return 1.0, f"{best:g} times it is better by {gain:.1%}, within the tie of {tie:.0%}, so the published value stays{diverged}"
    return best, f"{best:g} times what is published is better by {gain:.1%}{diverged}"


def chosen_guidance(trials: Mapping[str, float | None]) -> str | None:
    """The sampler with the lowest distance, of two alike the first; None while a trial is missing, and where there is no distance."""
    if None in trials.values() or not trials:
        return None
    best = min(trials, key=lambda name: trials[name])
    return None if math.isinf(trials[best]) else best


def _listed(factors: list[float]) -> str:
    return ", ".join(f"{factor:g}" for factor in factors)
