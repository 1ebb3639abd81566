"""Ours against the official code: the relatives of SRA."""

import pytest
from ours_relatives import COMPARISONS


@pytest.mark.parametrize("comparison", COMPARISONS, ids=lambda comparison: f"{comparison.component}, {comparison.code}")
def test_equals_the_official_code(comparison):
    differences = comparison.differences()
    assert {name: value for name, value in differences.items() if not value <= comparison.tolerance} == {}
