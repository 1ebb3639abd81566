"""How much sooner an aligned run is where the run without alignment ends, and whether it is better there: plain sentences.

The first is read off the curves of mean FID, straight lines between milestones. The second is the paired interval of the ratio of FIDs over training
seeds, with Holm over all aligned runs of the figure. Below three training seeds a side nothing is said but that.
"""

from sra.content.figures import CurvesFigure
from sra.reporting.figures.curve_document import CurveLine, CurvePanel, CurvePoint
from sra.reporting.figures.draw.style import METHOD_STYLES
from sra.reporting.pairs import NO_RATIO, compared, interval_text, why_not
from sra.reporting.write.numbers import count_text, number_text
from sra.study.intervals import Paired
from sra.study.verdicts import EQUIVALENCE, equivalence_of, holm, verdict_of


def findings_of(figure: CurvesFigure, panels: list[CurvePanel]) -> list[str]:
    """One sentence for each aligned run beside the baseline, in panels of FID; none while the last points are not all scored."""
    shown = [panel for panel in panels if (panel.metric or figure.metric) == "fid"]
    found = [(panel, line, last, end) for panel in shown for line, last, end in _aligned(panel)]
    pairs = [compared(last.by_seed, end.by_seed, "fid") for _, _, last, end in found]
    p_values = holm({str(place): pair.p_value for place, pair in enumerate(pairs) if pair and pair.judged})
    return [
        (f"{panel.title}: " if len(shown) > 1 else "") + _sentence(line, last, end, pair, p_values.get(str(place)), len(p_values))
        for place, ((panel, line, last, end), pair) in enumerate(zip(found, pairs, strict=True))
    ]


def _aligned(panel: CurvePanel) -> list[tuple[CurveLine, CurvePoint, CurvePoint]]:
    """Each aligned line with its last point and that of the baseline, at one step."""
    lasts = [(line, _last(line)) for line in panel.lines]
    end = next((last for line, last in lasts if line.method == "none"), None)
    return [(line, last, end) for line, last in lasts if line.method != "none" and end and last and last.step == end.step]


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


def _sentence(line: CurveLine, last: CurvePoint, end: CurvePoint, pair: Paired | None, p_value: float | None, family: int) -> str:
    """p_value: by Holm among the family; None where the pair is not judged."""
    name = METHOD_STYLES[line.method].name
    if p_value is None:
        reason = why_not([last.by_seed, end.by_seed]) or NO_RATIO
        return f"{name} beside training without alignment, FID {last.text} and {end.text} at the end: {reason}."
    verdict = verdict_of(pair, True, equivalence_of(pair.scale, end.value), p_value)
    here, share = f"{name} {{}} training here", number_text(EQUIVALENCE, ".0%")
    said = {
        "better": here.format("speeds up"),
        "worse": here.format("slows down"),
        "equivalent": f"the two are equivalent within {share} %",
        "undecided": f"that may be chance, so these trainings do not show that {here.format('speeds up')}",
    }[verdict]
    how = f"ratio with 95 % interval{f', Holm over {family} methods' if family > 1 else ''}"
    return f"{_reach(line, end)} At the end its FID over that without alignment is {interval_text(pair, '.2f')} ({how}): {said}."
