"""Every name that the paper prints is one of ours, or one line says why it is not here; suggestions name what the preset has."""

from pathlib import Path

import pytest

from sra.content.catalogue import Catalogue
from sra.content.names import DRAWINGS, ids_of, offered_by
from sra.core.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
DIGITS, STUDY = Catalogue(ROOT, "digits"), Catalogue(ROOT, "fashion_cpu")
# As the paper has them: Tables 1 to 7, Figures 1 to 25, of which 2, 7 and 8 have parts.
TABLES = {f"Table {number}": [f"table_{number}"] for number in range(1, 8)}
PARTS = {2: "ab", 7: "abcd", 8: "ab"}
FIGURES = {
    f"Figure {number}": [f"figure_{number}{part}" for part in PARTS.get(number, [""])]
    for number in range(1, 26)
    if f"figure_{number}" not in DRAWINGS
}
PANELS = {f"Figure {number}({part})": [f"figure_{number}{part}"] for number, parts in PARTS.items() for part in parts}
PRINTED = TABLES | FIGURES | PANELS


def spellings(printed: str) -> list[str]:
    plain = printed.replace("(", "").replace(")", "")
    joined = plain.replace(" ", "_")
    return [printed, plain, joined, joined.lower(), joined.upper(), plain.replace("Figure ", "Fig. "), plain.replace(" ", "").lower()]


@pytest.mark.parametrize("printed", PRINTED)
def test_what_the_paper_prints_is_a_name(printed):
    assert all(ids_of(name, DIGITS) == PRINTED[printed] for name in spellings(printed))
    assert {*PRINTED[printed]} <= {*DIGITS.tables, *DIGITS.figures}


@pytest.mark.parametrize("name", ["figure_1", "Figure 3"])
def test_a_drawing_is_one_line_that_says_so(name):
    with pytest.raises(InputError, match=r"^(figure_1: Figure 1|Figure 3: Figure 3) of the paper is a drawing \(.+\) with nothing to measure"):
        ids_of(name, DIGITS)


def test_every_number_of_the_paper_is_one_or_the_other():
    assert {*FIGURES, *(name.replace("_", " ").capitalize() for name in DRAWINGS)} == {f"Figure {number}" for number in range(1, 26)}


@pytest.mark.parametrize("ours", ["figure_T2I", "table_S1", "Table_B0", "FIGURE_S4", "figure_t2i"])
def test_our_own_names_in_any_case(ours):
    assert ids_of(ours, DIGITS) == [ours.lower()]


@pytest.mark.parametrize(
    ("catalogue", "name", "says"),
    [
        (STUDY, "figure_b", "unknown figure 'figure_b'; did you mean 'figure_b1', 'figure_b2', 'figure_b3', 'figure_b4' or 'figure_b5'?"),
        (DIGITS, "figure_b", "unknown figure 'figure_b'; did you mean 'figure_b5'?"),  # images alone; the others need a study
        (DIGITS, "table_66", "unknown table 'table_66'; did you mean 'table_6'?"),
        (DIGITS, "tabel_1", "unknown table or figure 'tabel_1'; did you mean 'table_1'?"),
        (DIGITS, "Figure 99", "unknown figure 'Figure 99'; did you mean 'figure_9'?"),
    ],
)
def test_what_is_suggested_begins_so_or_is_spelled_so_and_is_of_the_preset(catalogue, name, says):
    with pytest.raises(InputError) as refused:
        ids_of(name, catalogue)
    assert str(refused.value) == says


def test_a_name_of_the_other_kind_is_refused_where_one_kind_is_asked_for():
    assert ids_of("Figure 4", DIGITS, "figure") == ["figure_4"]
    with pytest.raises(InputError, match=r"^unknown table 'figure_4'; known: table_1, "):
        ids_of("figure_4", DIGITS, "table")


def test_what_a_preset_shows_it_offers_and_what_needs_a_study_only_where_there_is_one():
    for catalogue in (DIGITS, STUDY):
        assert {*catalogue.shown_tables, *catalogue.shown_figures} <= {*offered_by(catalogue)}
    of_study = {"table_b1", "figure_b1", "figure_b2", "figure_b3", "figure_b4"}
    assert of_study <= {*offered_by(STUDY)}
    assert not of_study & {*offered_by(DIGITS)}
    assert "table_2" not in offered_by(STUDY)  # captions, which that preset has not
