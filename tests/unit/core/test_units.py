"""Lengths of time, numbers and sizes as people read them."""

import pytest

from sra.core.units import binary, decimal, duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (99.4, "99 s"), (725, "12 m 5 s"), (95_400, "26 h 30 m"), (442_800, "5 d 3 h"), (9_082_800_000, "288 y 5 d")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0.00 "), (999, "999 "), (1_960_000, "1.96 M"), (228e12, "228 T"), (999_600, "1.00 M"), (9.996e9, "10.0 G")]
)
def test_three_digits_and_a_unit(value, text):
    assert decimal(value) == text


def test_sizes_are_binary():
    assert binary(3 * 2**30 + 2**28) == "3.25 GiB"
