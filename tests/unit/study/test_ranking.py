"""What is surely the best: never by chance alone, and never from too few seeds."""

import numpy as np
import pytest

from sra.study.ranking import surely_best

CLEAR = {"a": {0: 1.0, 1: 1.1, 2: 1.2}, "b": {0: 2.0, 1: 2.1, 2: 2.2}, "c": {0: 4.0, 1: 4.1, 2: 4.2}}


def test_the_best_on_either_side():
    assert surely_best(CLEAR, "log", lower_is_better=True) == "a"
    assert surely_best(CLEAR, "natural", lower_is_better=False) == "c"


@pytest.mark.parametrize(
    "changes",
    [
        {"b": {0: 2.0, 1: 2.1}},  # a seed too few
        {"b": {3: 2.0, 4: 2.1, 5: 2.2}},  # none in common
        {"b": {}},
        {"b": {0: 0.9, 1: 2.1, 2: 2.2}},  # not told apart
        {"b": {0: 2.0, 1: 2.1, 2: 0.0}},  # no place on the scale
    ],
)
def test_nothing_is_best_where_a_comparison_is_open(changes):
    assert surely_best(CLEAR | changes, "log", lower_is_better=True) is None


def test_one_alone_is_not_the_best():
    assert surely_best({"a": CLEAR["a"]}, "log", lower_is_better=True) is None


def test_where_nothing_differs_a_best_is_a_rare_accident():
    random, found, studies = np.random.default_rng(0), 0, 500
    for _ in range(studies):
        values = {str(name): dict(enumerate(np.exp(random.normal(0, 0.05, 3)))) for name in range(8)}
        found += surely_best(values, "log", lower_is_better=True) is not None
    assert found / studies <= 0.05
