"""How much sooner a method is where its baseline ends, and whether it is surely better there, in the sentences below a figure of curves."""

import numpy as np
import pytest
from scipy.stats import ttest_ind, ttest_rel

from sra.content.figures import CurvesFigure, Panel, Series
from sra.reporting.figures.curve_document import CurveLine, CurvePanel, CurvePoint
from sra.reporting.figures.speedup import findings_of, step_of_value
from sra.reporting.read.spread import over_seeds

STEPS = {"m100k": 100, "m200k": 200, "m400k": 400}


def point(milestone, values) -> CurvePoint:
    """values: by training seed; None for what was not scored."""
    found = over_seeds({seed: [value] for seed, value in enumerate(values)}) if values else None
    place = {"milestone": milestone, "paper_step": 1, "step": STEPS[milestone], "planned": True, "published": None, "published_value": None}
    state = {"source": None, "status": "ok" if values else "not run", "reason": None, "score_sha256": None}
    return CurvePoint(**place, **state, value=found and found.mean, by_seed=found.by_seed if found else {})


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


def test_a_clear_gain_a_clear_loss_and_what_may_be_chance():
    baseline = line("none", [30.0], [20.0], [9.9, 10.0, 10.1])
    better = line("sra", [25.0], [10.0], [4.9, 5.0, 5.1])
    worse = line("repa", [30.0], [25.0], [14.9, 15.0, 15.1])
    sra, repa = sentences(baseline, better, worse)
    assert sra.startswith("SRA reaches the FID that training without alignment ends with (10.00) at step 200 of 400, 2.0 times sooner. ")
    assert sra.endswith(
        "At the end its FID over that without alignment is 0.50 [0.49, 0.51], 3 seeds (ratio with 95 % interval, Holm over 2 methods): "
        "SRA speeds up training here."
    )
    assert repa.startswith("REPA does not reach the FID that training without alignment ends with (10.00) within its 400 steps. ")
    assert repa.endswith(": REPA slows down training here.")
    (chance,) = sentences(baseline, line("sra", [30.0], [20.0], [9.0, 10.0, 10.5]))
    assert "is 0.98 [0.83, 1.16], 3 seeds (ratio with 95 % interval): " in chance
    assert chance.endswith("that may be chance, so these trainings do not show that SRA speeds up training here.")
    (same,) = sentences(baseline, line("sra", [30.0], [20.0], [9.9, 10.0, 10.11]))
    assert same.endswith("the two are equivalent within 5 %.")


def test_the_interval_is_that_of_pairs_and_not_of_two_groups():
    """Seeds differ by far more than the method does, by as much in both."""
    baseline, ours = [8.0, 10.0, 13.0], [7.6, 9.5, 12.3]
    assert ttest_ind(np.log(ours), np.log(baseline), equal_var=False).pvalue > 0.5
    (said,) = sentences(line("none", [30.0], [20.0], baseline), line("sra", [25.0], [19.0], ours))
    expected = ttest_rel(np.log(ours), np.log(baseline)).confidence_interval(0.95)
    assert f"[{np.exp(expected.low):.2f}, {np.exp(expected.high):.2f}], 3 seeds" in said
    assert said.endswith(": SRA speeds up training here.")


@pytest.mark.parametrize(("seeds", "reason"), [(1, "one seed: not judged"), (2, "2 seeds: not judged")])
def test_fewer_than_three_seeds_say_nothing_of_speed(seeds, reason):
    (said,) = sentences(line("none", [30.0], [20.0], [10.0] * seeds), line("sra", [9.0], [8.0], [7.0] * seeds))
    assert said == f"SRA beside training without alignment, FID 7.00 and 10.00 at the end: {reason}."


def test_an_fid_of_0_has_no_ratio():
    (said,) = sentences(line("none", [30.0], [20.0], [10.0] * 3), line("sra", [9.0], [8.0], [7.0, 7.0, 0.0]))
    assert said.endswith("a value that is not above 0 has no ratio: not judged.")


def test_nothing_is_said_of_ends_that_were_not_scored_or_of_other_metrics():
    baseline, ours = line("none", [30.0], [20.0], [10.0]), line("sra", [25.0], [15.0], [8.0])
    assert sentences(baseline, line("sra", [25.0], [15.0], None)) == []
    assert sentences(line("none", [30.0], [20.0], None), ours) == []
    assert sentences(baseline, ours, metric="is", header="IS", better="higher") == []
    assert len(sentences(baseline, ours, metric="fid", header="FID", better="lower")) == 1
