"""How trials choose: the best of equal trials, and the published value unless another is clearly better."""

import math
from collections.abc import Mapping


def chosen_factor(trials: Mapping[float, float | None], tie: float) -> tuple[float | None, str]:
    """The factor with the lowest distance and how it was chosen; None while a trial is missing.

    trials: distances by factor, 1 being the published value; infinite where training diverged.
    tie: 1 stays unless another is lower by more than this share.
    """
    missing = [factor for factor, value in trials.items() if value is None]
    if missing:
        return None, f"waits for its trials at {', '.join(f'{factor:g}' for factor in missing)} times what is published"
    best = min(trials, key=lambda factor: (trials[factor], abs(factor - 1)))
    if trials[best] == math.inf:
        return None, "every trial diverged"
    if best == 1:
        return 1.0, "the published value is the best of its trials"
    if trials[1.0] == math.inf:
        return best, f"{best:g} times what is published is the best of the trials that did not diverge, as the published value did"
    gain = 1 - trials[best] / trials[1.0]
    if gain <= tie:
        return 1.0, f"{best:g} times it is better by {gain:.1%}, within the tie of {tie:.0%}, so the published value stays"
    return best, f"{best:g} times what is published is better by {gain:.1%}"


def chosen_guidance(trials: Mapping[str, float | None]) -> str | None:
    """The sampler with the lowest distance, of two alike the first; None while a trial is missing."""
    return None if None in trials.values() or not trials else min(trials, key=lambda name: trials[name])
