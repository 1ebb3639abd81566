"""How trials choose: ties stay with what is published, what diverged loses, what is missing is waited for."""

import math

import pytest

from sra.study.choices import chosen_factor, chosen_guidance

LOST = math.inf


@pytest.mark.parametrize(
    ("trials", "chosen", "words"),
    [
        ({0.25: 11, 1: 10, 4: 12}, 1, "the published value is the best of its trials"),
        ({0.25: 9.9, 1: 10, 4: 12}, 1, "0.25 times it is better by 1.0%, within the tie of 2%, so the published value stays"),
        ({0.25: 9.8, 1: 10, 4: 12}, 1, "0.25 times it is better by 2.0%, within the tie of 2%, so the published value stays"),
        ({0.25: 9.7, 1: 10, 4: 12}, 0.25, "0.25 times what is published is better by 3.0%"),
        ({0.25: 9, 1: 10, 4: 8}, 4, "4 times what is published is better by 20.0%"),
        ({0.25: 10, 1: 10, 4: 10}, 1, "the published value is the best of its trials"),
        ({0.25: 8, 1: 10, 4: LOST}, 0.25, "0.25 times what is published is better by 20.0%; 4 times it diverged"),
        ({0.25: 12, 1: 10, 4: LOST}, 1, "the published value is the best of its trials; 4 times it diverged"),
        ({0.25: 12, 1: LOST, 4: LOST}, 0.25, "0.25 times what is published, which diverged, is the best of the others; 4 times it diverged"),
        ({0.25: LOST, 1: LOST, 4: LOST}, 1, "every trial diverged, so the published value stays"),
        ({0.25: 8, 1: 10, 4: None}, None, "waits for its trials at 4 times what is published"),
        ({0.25: None, 1: None, 4: 7}, None, "waits for its trials at 0.25, 1 times what is published"),
        ({0.25: None, 1: LOST, 4: 7}, None, "waits for its trials at 0.25 times what is published"),
    ],
)
def test_the_best_of_equal_trials(trials, chosen, words):
    assert chosen_factor(trials, tie=0.02) == (chosen, words)


@pytest.mark.parametrize("tie", [0.0, 0.5])
def test_without_a_tie_the_least_gain_decides_and_a_wide_one_keeps_what_is_published(tie):
    assert chosen_factor({0.5: 9.99, 1: 10}, tie)[0] == (1 if tie else 0.5)


def test_guidance_is_the_best_of_its_trials():
    assert chosen_guidance({"a": 3, "b": 2, "c": 2}) == "b"
    assert chosen_guidance({"a": LOST, "b": 2}) == "b"
    assert chosen_guidance({"a": 3, "b": None}) is None
    assert chosen_guidance({"a": LOST, "b": LOST}) is None
    assert chosen_guidance({}) is None
