"""The one formatter: signs, rounding, thousands, alignment."""

import pytest

from sra.core.errors import InputError
from sra.reporting.write import numbers as n


@pytest.mark.parametrize(
    ("value", "spec", "text"),
    [
        (29.1, ".2f", "29.10"),
        (29.344, ".2f", "29.34"),
        (-0.5, ".2f", "\u22120.50"),
        (-0.001, ".2f", "0.00"),
        (0.8237, ".1%", "82.4"),
        (12345.6, ".1f", "12\u202f345.6"),
        (9999.0, ".0f", "9999"),
    ],
)
def test_numbers(value, spec, text):
    assert n.number_text(value, spec) == text


def test_a_number_that_is_none_is_refused():
    with pytest.raises(ValueError, match="finite"):
        n.number_text(float("nan"), ".2f")


@pytest.mark.parametrize(("value", "text"), [(0.24, "+0.24"), (-0.24, "\u22120.24"), (0.004, "0.00"), (-0.004, "0.00"), (0.005001, "+0.01")])
def test_differences_are_signed_unless_they_round_to_zero(value, text):
    assert n.difference_text(value, ".2f") == text


def test_counts_have_thin_spaces_from_five_digits():
    assert [n.count_text(count) for count in (7, 1000, 50000, 1281167)] == ["7", "1000", "50\u202f000", "1\u202f281\u202f167"]


def test_milestones():
    assert [n.milestone_text(m) for m in ("m200k", "m4m")] == ["200K", "4M"]
    assert [n.steps_of_milestone(m) for m in ("m50k", "m4m")] == [50_000, 4_000_000]
    with pytest.raises(InputError, match="'400k': expected m, a number and k or m"):
        n.milestone_text("400k")


def test_padding_puts_the_points_on_one_line():
    texts = ["29.10", "33.0", "7", "not run", "+1.25", "\u2212128.5"]
    padded = [text + pad for text, pad in zip(texts, n.decimal_padding(texts), strict=True)]
    # From the right every number has two places and a point, or blanks as wide.
    assert [len(text) - 3 for text in padded if text != "not run"] == [2, 2, 1, 2, 4]
    assert padded[2] == "7\u2008\u2007\u2007"
    assert padded[3] == "not run"


def test_what_is_added_tells_nothing_from_little():
    assert [n.added_text(share) for share in (None, 0.0, 0.0004, 0.248, 1.553)] == ["—", "0 %", "< 0.1 %", "+24.8 %", "+155.3 %"]


def test_sizes_have_three_digits():
    assert [n.size_text(count) for count in (0, 9360, 2_361_600)] == ["0", "9.36 K", "2.36 M"]


def test_words_in_a_row():
    assert [n.listed(list("abc")[:count]) for count in range(4)] == ["", "a", "a and b", "a, b and c"]
