"""Printed numbers are judged by margins: each kind of comparison on both sides of its own."""

import pytest

from sra.content.claims import Alike, AtLeast, Better, Closer, Side
from sra.content.margins import Margin
from sra.reporting.claims.printed import combined, judge

UNIT = Margin(value=1.0, why="w")
A, B, C = (Side(run=name) for name in "abc")
COMPARED = {
    "better": Better(kind="better", metric="fid", side=A, than=[B, C], margin="m"),
    "at_least": AtLeast(kind="at_least", metric="fid", side=A, than=[B, C], margin="m"),
    "alike": Alike(kind="alike", metric="fid", between=[A, B, C], margin="m"),
    "closer": Closer(kind="closer", metric="fid", side=A, to=B, than=C, margin="m"),
}


@pytest.mark.parametrize(
    ("kind", "values", "better", "verdict", "difference"),
    [
        ("better", [10.0, 11.5, 20.0], "lower", "supported", 1.5),
        ("better", [10.0, 11.0, 20.0], "lower", "inconclusive", 1.0),  # the margin itself decides nothing
        ("better", [10.0, 9.0, 20.0], "lower", "inconclusive", -1.0),
        ("better", [10.0, 8.5, 20.0], "lower", "contradicted", -1.5),
        ("better", [10.0, 8.5, 5.0], "higher", "supported", 1.5),
        ("better", [10.0, 11.5, 5.0], "higher", "contradicted", -1.5),
        ("at_least", [10.0, 10.0, 20.0], "lower", "supported", 0.0),
        ("at_least", [10.0, 9.5, 20.0], "lower", "inconclusive", -0.5),
        ("at_least", [10.0, 20.0, 8.5], "lower", "contradicted", -1.5),
        ("at_least", [10.0, 9.5, 8.5], "higher", "supported", 0.5),
        ("alike", [10.0, 11.0, 10.5], "lower", "supported", 1.0),
        ("alike", [10.0, 9.0, 10.5], "lower", "inconclusive", 1.5),
        ("alike", [10.0, 12.0, 10.5], "higher", "inconclusive", 2.0),
        ("alike", [10.0, 9.0, 11.5], "higher", "contradicted", 2.5),
        ("closer", [12.0, 10.0, 17.0], "lower", "supported", 3.0),
        ("closer", [14.0, 10.0, 17.0], "lower", "inconclusive", -1.0),
        ("closer", [15.0, 10.0, 17.0], "lower", "contradicted", -3.0),
        ("closer", [9.0, 10.0, 17.0], "lower", "supported", 7.0),  # beyond what it is to come close to
    ],
)
def test_each_kind_on_both_sides_of_its_margin(kind, values, better, verdict, difference):
    judged = judge(COMPARED[kind], values, better, UNIT)
    assert (judged.verdict, judged.difference, judged.margin) == (verdict, difference, 1.0)


def test_the_best_of_the_others_decides():
    assert judge(COMPARED["better"], [10.0, 12.0, 11.5], "lower", UNIT).against == 2
    assert judge(COMPARED["better"], [10.0, 12.0, 11.5], "higher", UNIT).against == 1


@pytest.mark.parametrize(
    ("kind", "values", "margin"), [("better", [30.0, 40.0, 50.0], 4.0), ("alike", [30.0, 40.0, 50.0], 3.0), ("closer", [30.0, 40.0, 50.0], 5.0)]
)
def test_a_share_is_one_of_what_is_compared_with(kind, values, margin):
    assert judge(COMPARED[kind], values, "lower", Margin(share=0.1, why="w")).margin == pytest.approx(margin)


@pytest.mark.parametrize(
    ("parts", "verdict"),
    [
        (["supported", "supported"], "supported"),
        (["supported", "inconclusive"], "inconclusive"),
        (["supported", "contradicted"], "inconclusive"),
        (["contradicted", "inconclusive"], "contradicted"),
        (["inconclusive"], "inconclusive"),
    ],
)
def test_a_claim_is_the_sum_of_its_parts(parts, verdict):
    assert combined(parts) == verdict
