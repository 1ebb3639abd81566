"""Further samplers: what they tell by formula, which guidance was chosen, and columns where there are numbers alone."""

from dataclasses import replace

import pytest
from study_by_formula import BASE, a_study, given_by, noisy

from sra.reporting.tables.study import pages_of_study, study_grid
from sra.reporting.write.study import reasons_of
from sra.study.build import build_study
from sra.study.document import GuidanceChoice
from sra.study.samplers import GUIDED, OWN, effects_by_sampler, guidance_words, samplers_found

TRIALS = ("weak", "strong")


def choice(run: str, chosen: str | None) -> GuidanceChoice:
    return GuidanceChoice(run=run, label=run.upper(), trials=dict.fromkeys(TRIALS, 1.0), chosen=chosen)


def values(run: str, seed: int, step: int, metric: str) -> float | None:
    """GOOD is alike by the headline's sampler, better by `ode` and by both guidances, and worse by its own; `never` has drawn nothing."""
    ratio = {"fid": 1.0, "fid ode": 0.8, "fid weak": 0.9, "fid strong": 0.7, "fid own": 1.3}.get(metric)
    return None if ratio is None else noisy({"good": ratio})(run, seed, step, metric)


def document(chosen: str | None = "strong", read=values, **changes):
    study = a_study("good", samplers=["ode", "never"], **changes)
    study.rows[0] = study.rows[0].model_copy(update={"sampler": "own"})
    given = given_by(study, read)
    return build_study(replace(given, guidance=[choice(run, chosen) for run in (BASE, "good")]))


def test_a_row_is_compared_by_each_sampler():
    found = document()
    good = next(row for row in found.rows if row.run == "good")
    effects = effects_by_sampler(good, found)
    assert {name: effect.mean for name, effect in effects.items() if effect.mean} == pytest.approx({"ode": 0.8, GUIDED: 0.7, OWN: 1.3}, rel=0.02)
    assert effects[GUIDED].sampler == "strong"
    assert samplers_found(found) == ["ode", GUIDED, OWN]
    assert list(good.means) == ["ode", "strong", "own"]
    assert good.means["strong"] == pytest.approx(0.7 * found.rows[0].means["strong"], rel=0.02)
    weak = document("weak")
    assert effects_by_sampler(weak.rows[1], weak)[GUIDED].mean == pytest.approx(0.9, rel=0.02)


def test_findings_say_what_they_tell():
    found = " ".join(document().findings)
    assert "By sampler ode, at equal steps, each by its own interval: better than the baseline: GOOD × 0.8" in found
    chosen = (
        "With the guidance that trials on another seed chose (strong for every row, the strongest of the 2 tried, so a stronger one may be better)"
    )
    assert f"{chosen}, at equal steps, each by its own interval: better than the baseline: GOOD × 0.7" in found
    assert "By their own samplers (GOOD: own) beside the baseline by sde250, at equal steps, each by its own interval: worse" in found
    assert "never" not in found
    _, said, _, _ = document().short
    assert said.startswith("With guidance chosen by trials, at equal steps, each by its own interval, better: GOOD × 0.7")
    assert " By a sampler of their own (own), worse: GOOD × 1." in said
    assert "guidance that trials" not in " ".join(document(chosen=None).findings)


def test_the_choice_of_guidance_in_words():
    assert guidance_words([choice("a", None)]) == ""
    assert guidance_words([choice("a", "weak"), choice("b", "weak"), choice("c", None)]) == "weak for every row"
    mixed = "2 different ones, for 1 of 2 the strongest of the 2 tried, so a stronger one may be better"
    assert guidance_words([choice("a", "weak"), choice("b", "strong")]) == mixed


def test_the_table_has_columns_of_samplers_that_drew_something_on_their_own_page():
    grid, plain = study_grid(document()), study_grid(document(None, lambda run, seed, step, metric: None if " " in metric else 1.0 + seed))
    further = {heading.text: heading.names for heading in grid.headings if heading not in plain.headings}
    assert further == {
        "By ode, equal steps": ["ours", "ratio", "95 %"],
        "Guided as trials chose, equal steps": ["sampler", "ours", "ratio", "95 %"],
        "By its own sampler, equal steps": ["sampler", "ours", "ratio", "95 %"],
    }
    assert [len(pages_of_study(document())), len(pages_of_study(document(None, lambda *_: None)))] == [3, 2]


def test_a_number_of_fewer_seeds_bears_the_reason():
    found = document(read=lambda run, seed, step, metric: None if (metric, seed) == ("fid ode", 4) else values(run, seed, step, metric))
    assert "ode: seed 4 has no number on one side or both" in reasons_of(found.rows[1], found)


def test_a_tuned_row_is_drawn_by_no_further_sampler():
    study = a_study("good", samplers=["ode"])
    given = replace(given_by(study, values), guidance=[choice(run, "strong") for run in (BASE, "good")])
    tuned = replace(given.rows[1], run="good__weight_x4", kind="tuned", factor=4.0)
    found = build_study(replace(given, rows=[*given.rows, tuned]))
    assert [list(effects_by_sampler(row, found)) for row in found.rows] == [[], ["ode", GUIDED], []]
