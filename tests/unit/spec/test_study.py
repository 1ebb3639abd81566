"""A study as its file says it: what it names, and which mistakes are refused where it is read."""

import pytest
from pydantic import ValidationError
from study_by_formula import a_study

from sra.spec.metric import ScoreOf
from sra.spec.study import Study, Tuning

TUNING = {"seed": 100, "sampling_seed": 100, "milestone": "m200k"}


def test_what_it_names():
    study = a_study("good", "bad", controls=("only",), tuning=TUNING)
    assert [row.run for row in study.all_rows] == ["base", "good", "bad", "only"]
    assert [row.run for row in study.methods] == ["good", "bad"]
    assert study.last == "m400k"
    assert study.row_of("bad").label == "BAD"
    assert study.row_of("other") is None
    assert study.score_at("m200k") == ScoreOf(milestone="m200k", sampler="sde250", samples=50000)
    assert study.score_at("m400k", "ode50").sampler == "ode50"
    assert study.tuning.weights == [0.25, 1, 4]


def test_milestones_are_those_of_its_rows_and_the_longer_one_the_baselines():
    study = a_study("good")
    assert study.milestones_of("good") == ["m100k", "m200k", "m400k"]
    assert study.milestones_of("base") == ["m100k", "m200k", "m400k", "m800k"]
    assert study.milestones_of("other") == []
    assert a_study("good", longer=None).milestones_of("base") == ["m100k", "m200k", "m400k"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": []}, "at least 1 item"),
        ({"rows": [{"run": "base", "label": "A", "family": "B"}]}, "rows: base is named twice; name each once"),
        ({"rows": [{"run": "a", "label": "Base", "family": "B"}]}, "labels: Base is named twice"),
        ({"milestones": []}, "at least 1 item"),
        ({"milestones": ["m100k", "m100k"]}, "milestones: m100k is named twice"),
        ({"milestones": ["100k"]}, "String should match pattern"),
        ({"longer": "m400k"}, "milestones: m400k is named twice"),
        ({"samplers": ["sde250"]}, "samplers: sde250 is named twice"),
        ({"guided": ["cfg", "cfg"], "tuning": TUNING}, "samplers: cfg is named twice"),
        ({"guided": ["cfg"]}, "guided: the best of them is chosen by trials; give tuning, or leave guided out"),
        ({"seeds": []}, "at least 1 item"),
        ({"seeds": [0, 0]}, "seeds: 0 is named twice"),
        ({"seeds": [0, -1]}, "greater than or equal to 0"),
        (
            {"seeds": [0, 100], "tuning": TUNING},
            "name each once, and seeds of tuning and of controls apart from the study's",
        ),
        ({"seeds": [0], "repeated": [0]}, "seeds: 0 is named twice"),
        ({"repeated": [100], "tuning": TUNING}, "seeds: 100 is named twice"),
        ({"redrawn": [1, 1]}, "redrawn: 1 is named twice; name each once$"),
        ({"pilot": {"run": "base"}}, "pilot: base is no row of the study; name one of good"),
        ({"tuning": {**TUNING, "milestone": "m800k"}}, "tuning: milestone m800k is none of the study's; name one of m100k, m200k, m400k"),
        ({"tuning": {**TUNING, "weights": [0.5, 2]}}, "name 1, the published value, among them"),
        ({"tuning": {**TUNING, "rates": [1, 2, 2]}}, "and each once"),
        ({"tuning": {**TUNING, "weights": [1, 3]}}, "3 has no name; choose among 1, 0.25, 0.5, 2, 4"),
        ({"baseline": {"run": "base", "label": "Base", "family": "A", "control": True}}, "baseline base: is what others are compared with"),
        ({"id": "My study"}, "String should match pattern"),
        ({"metric": "fidd"}, "Input should be"),
        ({"equivalence": 0}, "greater than 0"),
    ],
)
def test_mistakes(changes, message):
    with pytest.raises(ValidationError, match=message.replace("$", r"( |$)")):
        a_study("good", **changes)


def test_defaults_are_the_protocols():
    tuning = Tuning(**TUNING)
    assert (tuning.weights, tuning.rates, tuning.tie) == ([0.25, 1, 4], [0.5, 1, 2], 0.02)
    assert Study.model_fields["equivalence"].default == 0.05
