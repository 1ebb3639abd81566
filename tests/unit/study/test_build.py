"""Studies by formula: known effects give the known verdicts, none give none, and what is missing or diverged is shown as such."""

import math
from dataclasses import replace

import numpy as np
import pytest
from study_by_formula import BASE, a_study, given_by, noisy

from sra.reporting.write.study import reached_text
from sra.study.build import build_study


def rows_of(document) -> dict:
    return {row.run: row for row in document.rows}


def verdicts(document) -> dict:
    return {row.run: row.effect().verdict for row in document.rows if row.kind != "baseline"}


def test_known_effects_give_the_known_verdicts():
    effects = {"good": 0.8, "bad": 1.2, "same": 1.0}
    document = build_study(given_by(a_study("good", "bad", "same"), noisy(effects)))
    assert document.informative is True
    assert verdicts(document) == {"good": "better", "bad": "worse", "same": "equivalent"}
    for run, effect in effects.items():
        found = rows_of(document)[run].effect()
        assert found.low < effect < found.high
        assert found.mean == pytest.approx(effect, rel=0.02)
        assert len(found.seeds) == 5
    text = " ".join(document.findings)
    assert "better than the baseline after Holm's correction over 3 methods: GOOD × 0.8" in text
    assert "worse than the baseline after Holm's correction over 3 methods: BAD × 1.2" in text
    assert "Equivalent to it, within 5%: SAME" in text


def test_three_sentences_say_what_is_told_what_is_not_and_how_little_that_is():
    document = build_study(given_by(a_study("good", "bad", "same"), noisy({"good": 0.8, "bad": 1.2, "same": 1.0})))
    told, rest, limit = document.short
    row = rows_of(document)["good"].effect()
    good = f"GOOD × {row.mean:.3f} ({row.low:.3f} to {row.high:.3f})"
    assert told.startswith(f"FID over the baseline's, with 95 % intervals: at equal steps, better: {good}, worse: BAD × 1.")
    assert "; at equal FLOPs, encoders included, each by its own interval, better: GOOD" in told
    assert "equal hours" not in told  # no step was timed
    assert rest.startswith("Within 5% of it: SAME. What could have been seen: an improvement by ")
    assert "one small data set" in limit
    assert "5 training seeds a method" in limit


def test_what_no_guidance_means_for_a_method_is_said_once():
    given = given_by(a_study("good", "bad"), noisy({"good": 0.8}))
    document = build_study(replace(given, rows=[replace(row, changes_guidance=row.run == "good") for row in given.rows]))
    for said in (document.short, document.findings):
        assert " ".join(said).count("Without guidance does not mean the same for GOOD as for others: notes of the study's table say why.") == 1


def test_tuned_rows_are_said_apart_from_those_as_published():
    given = given_by(a_study("good", "same"), noisy({"good": 0.8, "good__weight_x4": 0.6, "same__weight_d4": 1.0}))
    rows = {row.run: row for row in given.rows}
    tuned = [
        replace(rows[run], run=f"{run}__weight_{name}", kind="tuned", factor=factor)
        for run, name, factor in (("good", "x4", 4.0), ("same", "d4", 0.25))
    ]
    (said,) = (text for text in build_study(replace(given, rows=[*given.rows, *tuned])).findings if "trials on another seed" in text)
    assert "better than the baseline: GOOD at 4 times its weight × 0.5" in said
    assert "within 5% of it: SAME at 0.25 times its weight × 1.0" in said
    assert "trials on another seed" not in " ".join(build_study(given).findings)


def test_hours_are_said_in_a_word_where_they_tell_what_flops_tell():
    study, values = a_study("good", "bad"), noisy({"good": 0.8, "bad": 1.2})
    alike = build_study(given_by(study, values, hours={})).short[0]
    assert alike.endswith("; at equal hours the same.")
    assert alike.count("GOOD × ") == 2
    slow = build_study(given_by(study, values, hours={"good": 4.0})).short[0]
    assert "; at equal hours, likewise, worse: GOOD × " in slow


def test_three_sentences_of_nothing_told_and_of_an_uninformative_study():
    nothing = build_study(given_by(a_study("same", "too"), noisy({}, noise=0.1)))
    assert nothing.short[0].startswith("FID over the baseline's, with 95 % intervals: at equal steps, none of the 2 judged is told from it;")
    assert nothing.short[1].startswith("Not told from it at equal steps: SAME, TOO.")
    blind = build_study(given_by(a_study("good"), noisy({"good": 0.5}, slope=0.0)))
    assert blind.short[0] == blind.informative_words
    assert blind.short[0].startswith("Not informative")
    assert "GOOD" not in " ".join(blind.short)


def test_a_row_without_a_score_is_compared_in_no_seed():
    made = noisy({})
    document = build_study(given_by(a_study("good", "later"), lambda run, *rest: None if run == "later" else made(run, *rest)))
    assert rows_of(document)["good"].reached("steps").of == 5
    assert rows_of(document)["later"].reached("steps").of == 0
    assert "none of the 1 of 2 methods that are judged so far is told from the baseline" in " ".join(document.findings)
    assert reached_text(rows_of(document)["later"].reached("steps")) == ""


def test_a_ratio_is_the_geometric_mean_of_its_seeds_by_hand():
    values = {("good", 0): 9.0, ("good", 1): 8.0, ("good", 2): 10.0, (BASE, 0): 10.0, (BASE, 1): 10.0, (BASE, 2): 12.5}
    document = build_study(given_by(a_study("good"), lambda run, seed, step, metric: values[run, seed] * (0.5 if step == 800 else 1), seeds=3))
    effect = rows_of(document)["good"].effect()
    assert [each.effect for each in effect.seeds] == pytest.approx([0.9, 0.8, 0.8])
    assert effect.mean == pytest.approx((0.9 * 0.8 * 0.8) ** (1 / 3))
    logs = np.log([0.9, 0.8, 0.8])
    half = 4.302652729911275 * logs.std(ddof=1) / math.sqrt(3)  # t of 2 degrees of freedom at 97.5 %
    assert (effect.low, effect.high) == pytest.approx((math.exp(logs.mean() - half), math.exp(logs.mean() + half)))
    assert document.longer.mean == pytest.approx(0.5)


def test_no_effects_give_no_verdicts_over_many_studies():
    """Of 60 studies of six methods without effect, at most as many raise an alarm as one in twenty would, and a little."""
    methods = tuple(f"m{number}" for number in range(6))
    alarms = 0
    for number in range(60):
        document = build_study(given_by(a_study(*methods), noisy({}, noise=0.03, seed=number)))
        alarms += any(verdict in ("better", "worse") for verdict in verdicts(document).values())
    assert alarms <= 8


def test_a_study_that_cannot_tell_twice_the_steps_apart_ranks_nothing():
    document = build_study(given_by(a_study("good"), noisy({"good": 0.5}, slope=0.0)))
    assert document.informative is False
    assert document.informative_words.startswith("Not informative: even twice the steps")
    assert verdicts(document) == {"good": None}
    assert rows_of(document)["good"].effect().mean == pytest.approx(0.5, rel=0.05)
    assert "GOOD" not in " ".join(document.findings)


@pytest.mark.parametrize(("longer", "said"), [(None, "no positive control"), ("m800k", "not known yet")])
def test_without_a_positive_control_nothing_is_ranked(longer, said):
    def values(run, seed, step, metric):
        return None if step == 800 else noisy({"good": 0.5})(run, seed, step, metric)

    document = build_study(given_by(a_study("good", longer=longer), values))
    assert document.informative is None
    assert said in document.informative_words
    assert verdicts(document) == {"good": None}


def test_what_is_missing_or_diverged_is_shown_and_counts_for_nothing():
    formula = noisy({"good": 0.8})

    def values(run, seed, step, metric):
        if (run, seed) == ("good", 1):
            return math.nan
        if (run, seed, step) == ("good", 2, 400):
            return None
        return formula(run, seed, step, metric)

    document = build_study(given_by(a_study("good"), values))
    row = rows_of(document)["good"]
    assert [value.status for value in row.points[-1].values] == ["ok", "diverged", "not run", "ok", "ok"]
    assert [each.seed for each in row.effect().seeds] == [0, 3, 4]
    assert row.effect().reason == "seeds 1, 2 have no number on one side or both"
    assert document.diverged == ["GOOD, seed 1"]
    assert document.missing == 1
    assert "Diverged: GOOD, seed 1." in document.findings[0]
    assert row.reached("steps").of == 4
    assert "1 of 5 seeds are not scored" in row.reached("steps").reason


def test_a_value_that_is_no_distance_is_none():
    document = build_study(given_by(a_study("good"), lambda run, seed, step, metric: -1.0 if run == "good" else 10.0 / step))
    row = rows_of(document)["good"]
    assert {value.status for point in row.points for value in point.values} == {"diverged"}
    assert row.effect().mean is None


def test_one_seed_and_two_are_not_judged():
    for seeds in (1, 2):
        document = build_study(given_by(a_study("good"), noisy({"good": 0.5}), seeds=seeds))
        assert document.informative is None
        assert verdicts(document) == {"good": None}


def test_equal_flops_are_read_off_the_own_curve_of_a_dearer_method():
    """A quarter dearer: with the baseline's FLOPs it is at step 320, by a straight line in the logarithms."""
    exact = noisy({"dear": 0.8}, noise=1e-9)
    document = build_study(given_by(a_study("dear"), exact, cost={"dear": 1.25}))
    row = rows_of(document)["dear"]
    assert row.training_flops == pytest.approx(1.25)
    assert row.effect("flops").mean == pytest.approx(0.8 * (400 / 320) ** 0.5, rel=1e-6)
    assert row.effect("hours").mean is None
    assert row.effect("hours").reason == "steps were not timed here"
    # The baseline ends with 20 (1/4)^0.5 = 10; 16 (100 / s)^0.5 is 10 at s = 256.
    assert row.reached("steps").speed_up == pytest.approx(400 / 256, rel=1e-6)
    assert row.reached("flops").speed_up == pytest.approx(400 / (256 * 1.25), rel=1e-6)


def test_a_cheaper_method_is_not_extrapolated():
    document = build_study(given_by(a_study("cheap"), noisy({"cheap": 0.9}), cost={"cheap": 0.8}))
    effect = rows_of(document)["cheap"].effect("flops")
    assert effect.mean is None
    assert "its last milestone is at 0.8 of the baseline's FLOPs" in effect.reason


def test_hours_where_steps_were_timed():
    document = build_study(given_by(a_study("slow"), noisy({"slow": 0.8}, noise=1e-9), hours={"slow": 2.0}))
    row = rows_of(document)["slow"]
    assert row.hours_a_step == pytest.approx(2)
    assert row.effect("hours").mean == pytest.approx(0.8 * 2**0.5, rel=1e-6)
    assert row.points[-1].hours == pytest.approx(800)


def test_the_second_distance_has_to_agree():
    formula = noisy({"good": 0.8})

    def values(run, seed, step, metric):
        value = formula(run, seed, step, metric)
        return value * 2 if metric == "fd_dinov2" and run == "good" else value

    document = build_study(given_by(a_study("good", second="fd_dinov2"), values))
    effect = rows_of(document)["good"].effect()
    assert (effect.verdict, effect.reason) == ("undecided", "the second distance points the other way")
    assert rows_of(document)["good"].effect(metric="fd_dinov2").mean > 1
    assert f"GOOD × {effect.mean:.3f} ({effect.low:.3f} to {effect.high:.3f}), the second distance points the other way" in " ".join(
        document.findings
    )


@pytest.mark.parametrize(("shift", "verdict"), [(-0.5, "better"), (0.5, "undecided")])
def test_a_second_distance_that_may_be_below_zero_is_compared_as_it_is(shift, verdict):
    formula = noisy({"good": 0.8})

    def values(run, seed, step, metric):
        return (formula("kid", seed, step, metric) - 10) / 100 + shift * (run == "good") if metric == "kid" else formula(run, seed, step, metric)

    document = build_study(given_by(a_study("good", second="kid"), values))
    row = rows_of(document)["good"]
    assert row.effect().verdict == verdict
    assert row.effect(metric="kid").mean == pytest.approx(shift)
    assert row.effect(metric="kid").verdict == ("better" if shift < 0 else "worse")


def test_the_baseline_from_other_seeds():
    formula = noisy({}, noise=0.02)
    document = build_study(given_by(a_study("good", repeated=[10, 11, 12, 13, 14]), formula))
    assert document.repeated.verdict in ("equivalent", "undecided")
    assert len(document.repeated.seeds) == 5
    alike = given_by(a_study("good", repeated=[10, 11, 12]), lambda run, seed, *about: formula(run, seed % 10, *about), seeds=3)
    same = build_study(alike)
    assert same.repeated.mean == 1
    assert [each.effect for each in same.repeated.seeds] == [1, 1, 1]


def test_methods_that_are_not_trained_yet_count_in_the_family():
    formula = noisy({"good": 0.96}, noise=0.02, seed=3)
    alone = build_study(given_by(a_study("good"), formula))
    waiting = build_study(given_by(a_study("good", "b", "c", "d"), lambda run, *about: None if run in "bcd" else formula(run, *about)))
    assert rows_of(waiting)["good"].effect().p_holm == pytest.approx(4 * rows_of(alone)["good"].effect().p_holm)
    assert rows_of(waiting)["b"].effect().mean is None


def test_which_of_the_better_beat_each_other():
    document = build_study(given_by(a_study("best", "next", "near"), noisy({"best": 0.6, "next": 0.8, "near": 0.801})))
    text = " ".join(document.findings)
    assert "BEST beats NEXT (× 0.7" in text
    assert "BEST beats NEAR (× 0.7" in text
    assert "NEXT beats" not in text


@pytest.mark.parametrize(("short", "said"), [(("good", "only"), "3 training seeds"), (("only",), "3 to 5 training seeds")])
def test_the_seeds_that_are_said_are_those_that_rows_have(short, said):
    made = noisy({"good": 0.8})

    def values(run, seed, *about):
        return None if run in short and seed > 2 else made(run, seed, *about)

    document = build_study(given_by(a_study("good", controls=("only",)), values))
    assert f"1 method and 1 control beside the baseline, {said} of each, " in document.findings[0]
    assert f"{'3' if 'good' in short else '5'} training seeds a method" in document.short[-1]


def test_controls_are_judged_by_themselves():
    document = build_study(given_by(a_study("good", controls=("only",)), noisy({"good": 0.8, "only": 0.8})))
    only = rows_of(document)["only"].effect()
    assert only.verdict == "better"
    assert only.p_holm is None
    assert "ONLY" not in " ".join(document.findings)


def test_same_numbers_same_bytes():
    first, second = (build_study(given_by(a_study("good", "bad"), noisy({"good": 0.8}))).model_dump_json() for _ in range(2))
    assert first == second
