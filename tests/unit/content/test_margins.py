"""Tolerances of printed numbers."""

from pathlib import Path
from typing import get_args

from sra.content.catalogue import Catalogue
from sra.content.margins import Margin, Tolerances, load_tolerances
from sra.spec.scale import SecondaryMetric

ROOT = Path(__file__).resolve().parents[3]


def test_within_means_up_to_the_margin_on_both_sides():
    found = Tolerances(tolerances={"fid": Margin(share=0.25, why="w"), "recall": Margin(value=0.25, why="w")})
    assert [found.agrees("fid", ours, ours, 8.0) for ours in (5.9, 6.0, 10.0, 10.1)] == [False, True, True, False]
    assert [found.agrees("recall", ours, ours, 0.5) for ours in (0.25, 0.76)] == [True, False]
    assert found.agrees("is", 1.0, 1.0, 1.0) is None


def test_an_interval_agrees_whole_or_disagrees_whole():
    found = Tolerances(tolerances={"fid": Margin(share=0.25, why="w")})
    assert [found.agrees("fid", *ends, 8.0) for ends in ((6.0, 10.0), (5.9, 8.0), (8.0, 10.1), (5.0, 12.0), (10.1, 12.0), (1.0, 5.9))] == [
        True, None, None, None, False, False,
    ]  # fmt: skip


def test_every_score_that_a_table_prints_beside_ours_has_a_tolerance():
    tables = [table for table in Catalogue(ROOT, "paper").tables.values() if any(row.published and row.run for row in table.rows)]
    shown = {column.metric for table in tables for column in table.columns} - set(get_args(SecondaryMetric))
    assert {"fid", "is"} <= shown <= set(load_tolerances(ROOT).tolerances)


def test_baselines_of_four_labs_agree_with_each_other():
    """What the tolerance of FID rests on: SiT-B/2 after 400K steps."""
    tolerances = load_tolerances(ROOT)
    assert all(tolerances.agrees("fid", ours, ours, 33.0) for ours in (34.7, 35.15, 36.8))
