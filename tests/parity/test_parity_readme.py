"""The page's table "Is it the same?" is the one that measure.py prints."""

import re
from pathlib import Path

from measure import COMPARISONS, HEADER, row
from registry import FIXTURES, REPOSITORIES, fixture

from sra.spec.methods.known import METHOD_OF

ROOT = Path(__file__).parents[2]
FOLDER = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
SECTION = FOLDER.split("## Is it the same?")[1].split("\n## ")[0]


def test_the_table_has_every_comparison_and_no_figure_above_its_tolerance():
    rows = [line for line in SECTION.splitlines() if line.startswith("|")]
    assert rows[:2] == [f"| {' | '.join(HEADER)} |", "| --- " * len(HEADER) + "|"]
    assert len(rows) == 2 + len(COMPARISONS)
    for line, comparison in zip(rows[2:], COMPARISONS, strict=True):
        printed = float(line.split("|")[4])
        assert line == row(comparison, printed)
        assert printed <= comparison.tolerance


def test_rows_are_told_apart():
    assert len({(comparison.component, comparison.code, comparison.compared) for comparison in COMPARISONS}) == len(COMPARISONS)
    assert {comparison.code for comparison in COMPARISONS} == set(REPOSITORIES)


def test_the_folders_readme_names_every_fixture_and_commit():
    assert set(re.findall(r"`(\w+\.npz)`", FOLDER)) == {path.name for path in FIXTURES.iterdir()}
    for repository, commit in REPOSITORIES.values():
        assert repository in FOLDER
        assert commit in FOLDER


def test_methods_say_that_they_are_held_to_official_code_exactly_where_they_are():
    compared = {(comparison.repository, comparison.commit) for comparison in COMPARISONS}
    for origin in (origin for options in METHOD_OF.values() for origin in options.origins()):
        assert ((origin.code, origin.commit) in compared) == (not origin.unchecked), origin.name


def test_every_array_of_a_fixture_is_described():
    for path in FIXTURES.iterdir():
        for key in fixture(path.stem):
            assert f"`{key.split('/')[0]}" in FOLDER, f"{path.name}: {key}"
