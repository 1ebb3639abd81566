"""Ours against the official code: text to image."""

import pytest
from formula import TINY_T2I, WIDE_T2I
from ours_t2i import COMPARISONS
from registry import official, relative


@pytest.mark.parametrize("comparison", COMPARISONS, ids=lambda comparison: f"{comparison.component}, {comparison.code}")
def test_equals_the_official_code(comparison):
    differences = comparison.differences()
    assert {name: value for name, value in differences.items() if not value <= comparison.tolerance} == {}


@pytest.mark.parametrize("size", [TINY_T2I, WIDE_T2I], ids=lambda size: size.name)
def test_features_keep_their_size_and_captions_act(size):
    for block in (size.student_block, size.teacher_block):
        evaluated, trained = (official("t2i", f"{size.name}/{mode}/block {block}") for mode in ("eval", "train"))
        assert 0.5 < evaluated[1] < 4  # the standard deviation
        assert relative(evaluated, trained) > 0.01  # some caption was dropped
