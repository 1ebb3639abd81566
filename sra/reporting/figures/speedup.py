"""How much sooner an aligned run is where the run without alignment ends, and whether the difference at the end may be chance: plain sentences.

The first is read off the curves of mean FID, straight lines between milestones. The second is Welch's test on the training seeds (two means,
unequal variances): it needs two trainings of each at least, and three are few.
"""

import math

from sra.content.figures import CurvesFigure
from sra.reporting.figures.curve_document import CurveLine, CurvePanel, CurvePoint
from sra.reporting.figures.draw.style import METHOD_STYLES
from sra.reporting.write.numbers import count_text, number_text

CONFIDENCE = 0.95


def findings_of(figure: CurvesFigure, panels: list[CurvePanel]) -> list[str]:
    """One sentence for each aligned run beside the baseline, in panels of FID; none while the last points are not all scored."""
    shown = [panel for panel in panels if (panel.metric or figure.metric) == "fid"]
    return [f"{panel.title}: {sentence}" if len(shown) > 1 else sentence for panel in shown for sentence in _of_panel(panel)]


def _of_panel(panel: CurvePanel) -> list[str]:
    lasts = [(line, _last(line)) for line in panel.lines]
    end = next((last for line, last in lasts if line.method == "none"), None)
    aligned = [(line, last) for line, last in lasts if line.method != "none" and end and last and last.step == end.step]
    return [f"{_reach(line, end)} {_verdict(line, last, end)}" for line, last in aligned]


def _last(line: CurveLine) -> CurvePoint | None:
    """The last planned point that has a place here; None unless it was scored."""
    planned = [point for point in line.points if point.planned and point.step is not None]
    return planned[-1] if planned and planned[-1].value is not None else None


def step_of_value(line: CurveLine, value: float) -> float | None:
    """The first step at which the curve is at `value` or below, None where it never is; no earlier than its first point."""
    points = [point for point in line.points if point.value is not None and point.step is not None]
    for before, after in zip([None, *points], points, strict=False):
        if after.value <= value:
            if before is None:
                return float(after.step)
            share = (before.value - value) / (before.value - after.value)
            return before.step + share * (after.step - before.step)
    return None


def _reach(line: CurveLine, end: CurvePoint) -> str:
    name, there = METHOD_STYLES[line.method].name, f"the FID that training without alignment ends with ({number_text(end.value, '.2f')})"
    step = step_of_value(line, end.value)
    if step is None:
        return f"{name} does not reach {there} within its {count_text(end.step)} steps."
    first = next(point for point in line.points if point.value is not None and point.step is not None)
    if step == first.step:
        return f"{name} is at {there} by its first point, step {count_text(first.step)} of {count_text(end.step)}."
    sooner = f", {number_text(end.step / step, '.1f')} times sooner" if end.step / step >= 1.05 else ""
    return f"{name} reaches {there} at step {count_text(round(step))} of {count_text(end.step)}{sooner}."


def _verdict(line: CurveLine, last: CurvePoint, end: CurvePoint) -> str:
    gain = end.value - last.value
    way = f"{number_text(abs(gain), '.2f')} {'lower' if gain > 0 else 'higher'}"
    interval = welch_interval(last, end)
    if interval is None:
        return f"At the end its FID is {way}; one training of each cannot tell that from chance."
    low, high = (number_text(edge, ".2f") for edge in interval)
    between = f"95 % interval of the gain {low} to {high}, from {last.spread.training} and {end.spread.training} trainings"
    name = METHOD_STYLES[line.method].name
    chance = f"that may be chance, so these trainings do not show that {name} speeds up training here"
    found = f"{name} speeds up training here" if interval[0] > 0 else f"{name} slows down training here" if interval[1] < 0 else chance
    return f"At the end its FID is {way} ({between}): {found}."


def welch_interval(ours: CurvePoint, theirs: CurvePoint) -> tuple[float, float] | None:
    """The interval of theirs - ours at 95 %: Welch 1947, with the degrees of freedom of Satterthwaite.

    None where either stands on one training seed.
    """
    errors = [point.spread.standard_error if point.spread else None for point in (ours, theirs)]
    if None in errors:
        return None
    gain, squares = theirs.value - ours.value, [error**2 for error in errors]
    if not any(squares):
        return gain, gain
    from scipy.special import stdtrit  # scipy takes time to import, and most figures need none of it

    counts = (ours.spread.training, theirs.spread.training)
    freedom = sum(squares) ** 2 / sum(square**2 / (count - 1) for square, count in zip(squares, counts, strict=True))
    half = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * math.sqrt(sum(squares))
    return gain - half, gain + half
