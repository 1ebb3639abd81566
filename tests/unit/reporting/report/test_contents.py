"""The page's entries, and what is said once for all of its tables."""

from types import SimpleNamespace

from sra.reporting.report.page import Entry, groups_of, shared_legend


def test_neighbouring_grids_of_one_pack_are_one_entry_of_the_contents():
    def item(number, **score):
        return SimpleNamespace(document=SimpleNamespace(id=f"figure_{number}", number=f"Figure {number}", **score))

    figures = [item(5, score="a"), item(6), item(7), item(10, score="b"), item(11, score="b"), item(12, score="b"), item(13, score="c")]
    groups = groups_of(figures)
    assert [group.entry for group in groups] == [
        Entry("figure_5", "Figure", "5"),
        Entry("figure_6", "Figure", "6"),
        Entry("figure_7", "Figure", "7"),
        Entry("figure_10", "Figures", "10 to 12"),
        Entry("figure_13", "Figure", "13"),
    ]
    assert [one for group in groups for one in group.items] == figures


def test_what_signs_mean_is_said_once_where_tables_agree():
    def item(legend):
        return SimpleNamespace(document=SimpleNamespace(legend=legend))

    assert shared_legend([item("a"), item("b"), item("b")]) == "b"
    assert shared_legend([item("a"), item("b")]) is None
    assert shared_legend([]) is None
