"""A table as rows of cells under headings: which columns a metric has, what stands out, and how settings are paired."""

import pytest

from sra.reporting.read.spread import Spread
from sra.reporting.tables.document import Cell, DocumentColumn, DocumentRow, SettingCell, SettingLine, SettingModel, SettingsBody, TableDocument
from sra.reporting.tables.grid import grid_of
from sra.reporting.write.numbers import FIGURE_SPACE, PUNCTUATION_SPACE

HEAD = {"id": "table_9", "number": "Table 9", "title": "T", "paper": "p", "preset": "small", "band": None, "conditions": "C", "notes": []}
COLUMN = DocumentColumn(metric="fid", header="FID ↓", better="lower", format=".2f")


def cell(value=1.0, text="1.00", **fields) -> Cell:
    known = {"metric": "fid", "value": value, "text": text, "difference": None, "difference_text": "—", "status": "ok", "reason": None}
    return Cell(**known | fields)


def document(*cells: Cell, groups=None, comparable=False) -> TableDocument:
    names = groups or [None] * len(cells)
    rows = [
        DocumentRow(label="L", mark="", group=name, settings=[], run="r", score=None, score_sha256="abc", cells=[one])
        for name, one in zip(names, cells, strict=True)
    ]
    return TableDocument(**HEAD, comparable=comparable, setting_columns=[], columns=[COLUMN], rows=rows)


PRINTED = {"published": "2.0", "published_value": 2.0, "source": "s"}
SPREAD = Spread(training=3, training_sd=0.1, sampling=1, sampling_sd=None)


@pytest.mark.parametrize(
    ("cells", "comparable", "names"),
    [
        ([cell()], True, ["ours"]),
        ([cell(), cell(**PRINTED)], False, ["paper", "ours"]),
        ([cell(**PRINTED)], True, ["paper", "ours", "Δ"]),
        ([cell(), cell(spread=SPREAD, sd_text="0.10")], False, ["ours", "±"]),
        ([cell(None, "not run", status="not run")], False, ["ours"]),
    ],
)
def test_a_metric_has_the_columns_that_some_row_fills(cells, comparable, names):
    grid = grid_of(document(*cells, comparable=comparable))
    assert [heading.names for heading in grid.headings] == [names]
    assert grid.width == 1 + len(names)


def test_neighbouring_rows_of_one_name_are_a_group():
    grid = grid_of(document(*[cell()] * 4, groups=["a", "a", None, "a"]))
    assert [(name, len(rows)) for name, rows in grid.groups] == [("a", 2), (None, 1), ("a", 1)]


def test_the_points_of_a_column_stand_on_one_line():
    grid = grid_of(document(cell(text="12.30"), cell(text="7.1"), cell(text="5"), cell(None, "not run")))
    paddings = [row.cells[0][0].padding for _, rows in grid.groups for row in rows]
    assert paddings == ["", FIGURE_SPACE, PUNCTUATION_SPACE + 2 * FIGURE_SPACE, ""]


def test_only_a_number_of_ours_has_a_receipt():
    rows = grid_of(document(cell(**PRINTED), cell(None, "not run"), comparable=True)).groups[0][1]
    assert [[one.receipt for one in row] for row in rows] == [[None, "abc", None], [None, None, None]]


def test_settings_stand_in_pairs_and_what_differs_stands_out():
    cells = [
        SettingCell(published="AdamW", source="s", ours="AdamW", same=True),
        SettingCell(published="1", source="s", ours="2", same=False, mark="a"),
    ]
    body = SettingsBody(
        models=[SettingModel(label=name, run=name) for name in ("B", "XL")], lines=[SettingLine(label="l", setting="x", group="g", cells=cells)]
    )
    grid = grid_of(TableDocument(**HEAD, comparable=False, kind="settings", setting_columns=[], columns=[], rows=[], settings=body))
    assert [(heading.text, heading.names) for heading in grid.headings] == [("B", ["paper", "ours"]), ("XL", ["paper", "ours"])]
    (row,) = grid.groups[0][1]
    assert [one.signed_text for one in row] == ["AdamW", "= AdamW", "1", "≠ 2"]
    assert [(one.stands_out, one.mark) for one in row] == [(False, ""), (False, ""), (False, ""), (True, "a")]
