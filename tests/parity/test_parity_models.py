"""Ours against the official code: models."""

import pytest
from ours_models import COMPARISONS
from registry import official


@pytest.mark.parametrize("comparison", COMPARISONS, ids=lambda comparison: f"{comparison.component}, {comparison.code}")
def test_equals_the_official_code(comparison):
    differences = comparison.differences()
    assert {name: value for name, value in differences.items() if not value <= comparison.tolerance} == {}


@pytest.mark.parametrize(("size", "millions"), {"S": 33, "B": 130, "L": 458, "XL": 675}.items())
def test_sizes_are_those_of_the_paper(size, millions):
    """DiT, arXiv 2212.09748, Table 1."""
    assert official("counts", f"dit/{size}/network").item() / 1e6 == pytest.approx(millions, abs=0.6)
