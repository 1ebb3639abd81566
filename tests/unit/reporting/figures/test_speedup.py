"""How much sooner a method is where its baseline ends, and whether the difference may be chance, in the sentences below a figure of curves."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from sra.content.figures import CurvesFigure, Panel, Series
from sra.reporting.figures.curve_document import CurveLine, CurvePanel, CurvePoint
from sra.reporting.figures.speedup import findings_of, step_of_value, welch_interval
from sra.reporting.read.spread import mean_and_spread

STEPS = {"m100k": 100, "m200k": 200, "m400k": 400}
MINUS = "\u2212"


def point(milestone, values) -> CurvePoint:
    """values: by training seed; None for what was not scored."""
    mean, spread = mean_and_spread([[value] for value in values]) if values else (None, None)
    place = {"milestone": milestone, "paper_step": 1, "step": STEPS[milestone], "planned": True, "published": None, "published_value": None}
    state = {"source": None, "status": "ok" if values else "not run", "reason": None, "score_sha256": None}
    return CurvePoint(**place, **state, value=mean, spread=spread if spread and spread.several else None)


def line(method, *values) -> CurveLine:
    return CurveLine(method=method, run=method, points=[point(milestone, at) for milestone, at in zip(STEPS, values, strict=True)])


def sentences(*lines, **panel) -> list[str]:
    series = [Series(method="none", run="none")]
    values = {"kind": "curves", "id": "figure_9", "title": "T", "paper": "p", "caption": "c", "metric": "fid", "better": "lower", "samples": 1}
    figure = CurvesFigure(**values, milestones=list(STEPS), panels=[Panel(title="B", sampler="s", series=series)])
    return findings_of(figure, [CurvePanel(title="B", sampler="s", lines=list(lines), **panel)])


def test_the_step_lies_on_the_straight_line_between_milestones():
    ours = line("sra", [20.0], [12.0], [4.0])
    assert step_of_value(ours, 10.0) == pytest.approx(250)
    assert step_of_value(ours, 12.0) == 200
    assert step_of_value(ours, 25.0) == 100  # no earlier than the first point
    assert step_of_value(ours, 3.0) is None


def test_a_curve_that_rises_again_was_there_at_its_first_crossing():
    assert step_of_value(line("sra", [20.0], [8.0], [12.0]), 10.0) == pytest.approx(100 + 100 * 10 / 12)


def test_the_interval_is_welchs():
    random = np.random.default_rng(0)
    ours, theirs = random.normal(10, 1, 3), random.normal(12, 3, 5)
    found = welch_interval(point("m400k", ours.tolist()), point("m400k", theirs.tolist()))
    expected = ttest_ind(theirs, ours, equal_var=False).confidence_interval(0.95)
    assert found == pytest.approx((expected.low, expected.high))


def test_a_clear_gain_a_clear_loss_and_what_may_be_chance():
    baseline = line("none", [30.0], [20.0], [9.9, 10.0, 10.1])
    better = line("sra", [25.0], [10.0], [4.9, 5.0, 5.1])
    worse = line("repa", [30.0], [25.0], [14.9, 15.0, 15.1])
    sra, repa = sentences(baseline, better, worse)
    assert sra.startswith("SRA reaches the FID that training without alignment ends with (10.00) at step 200 of 400, 2.0 times sooner. ")
    assert "its FID is 5.00 lower (95 % interval of the gain 4.77 to 5.23, from 3 and 3 trainings): SRA speeds up training here." in sra
    assert repa.startswith("REPA does not reach the FID that training without alignment ends with (10.00) within its 400 steps. ")
    assert "its FID is 5.00 higher" in repa
    assert repa.endswith(": REPA slows down training here.")
    (chance,) = sentences(baseline, line("sra", [30.0], [20.0], [9.0, 10.0, 10.5]))
    assert "its FID is 0.17 lower" in chance
    assert MINUS in chance  # the interval holds zero
    assert chance.endswith("that may be chance, so these trainings do not show that SRA speeds up training here.")


def test_one_training_cannot_tell_a_gain_from_chance():
    (said,) = sentences(line("none", [30.0], [20.0], [10.0]), line("sra", [9.0], [8.0], [7.0]))
    assert "by its first point, step 100 of 400" in said
    assert said.endswith("its FID is 3.00 lower; one training of each cannot tell that from chance.")


def test_nothing_is_said_of_ends_that_were_not_scored_or_of_other_metrics():
    baseline, ours = line("none", [30.0], [20.0], [10.0]), line("sra", [25.0], [15.0], [8.0])
    assert sentences(baseline, line("sra", [25.0], [15.0], None)) == []
    assert sentences(line("none", [30.0], [20.0], None), ours) == []
    assert sentences(baseline, ours, metric="is", header="IS", better="higher") == []
    assert len(sentences(baseline, ours, metric="fid", header="FID", better="lower")) == 1
