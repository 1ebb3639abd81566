"""The paper's numbers: each once, each with a source, and nowhere else in the tree."""

import re

import pytest

from sra.core.errors import InputError
from sra.reporting.published import load_published
from sra.spec.display import CurvesFigure
from sra.spec.registry import Registry

HEADER = "key,metric,value,unit,source,confidence\n"


def load(tmp_path, *rows):
    (tmp_path / "table_9.csv").write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return load_published(tmp_path)


def test_a_number_keeps_its_printed_form(tmp_path):
    number = load(tmp_path, "table_9/a,fid,29.10,1,Table 9,exact").number("table_9/a", "fid", "here")
    assert (number.text, number.value, number.source) == ("29.10", 29.1, "Table 9")


def test_a_percentage_is_a_share(tmp_path):
    assert load(tmp_path, "table_9/a,precision,82,%,Table 9,exact").number("table_9/a", "precision", "here").value == 0.82


def test_a_known_row_may_lack_a_metric_but_an_unknown_key_is_refused(tmp_path):
    published = load(tmp_path, "table_9/blocks_3_8,fid,29.10,1,Table 9,exact")
    assert published.number("table_9/blocks_3_8", "is", "here") is None
    with pytest.raises(InputError, match=r"table_1, row 2: unknown published key 'table_9/block_3_8'; did you mean 'table_9/blocks_3_8'"):
        published.number("table_9/block_3_8", "fid", "table_1, row 2")


def test_a_curve_is_in_order_of_steps(tmp_path):
    rows = [f"table_9/b/{milestone},fid,{value},1,Table 9,exact" for milestone, value in (("m1m", 1), ("m50k", 9), ("m400k", 4))]
    assert list(load(tmp_path, *rows).curve("table_9/b", "fid", "here")) == ["m50k", "m400k", "m1m"]
    with pytest.raises(InputError, match="unknown published curve 'table_9/c'"):
        load(tmp_path, *rows).curve("table_9/c", "fid", "here")


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("table_9/a,fid,1.0,1, ,exact", "has no source"),
        ("table_9/a,fid,about 3,1,Table 9,exact", "'about 3' is not a number"),
        ("table_9/a,fid,nan,1,Table 9,exact", "'nan' is not a number"),
        ("table_8/a,fid,1.0,1,Table 9,exact", "does not start with table_9/"),
        ("table_9/a,fidd,1.0,1,Table 9,exact", "did you mean 'fid'"),
        ("table_9/a,fid,1.0,%,Table 9,sure", "unknown confidence 'sure'"),
        ("table_9/a,fid,1.0,1,Table 9, row 2,exact", "another number of fields"),
    ],
)
def test_bad_rows_are_named_by_line(tmp_path, row, complaint):
    with pytest.raises(InputError, match=rf"table_9.csv line 2: .*{complaint}"):
        load(tmp_path, row)


def test_the_same_number_twice_is_refused(tmp_path):
    with pytest.raises(InputError, match="line 3: table_9/a fid is already given"):
        load(tmp_path, *["table_9/a,fid,1.0,1,Table 9,exact"] * 2)


def test_another_header_is_refused(tmp_path):
    (tmp_path / "table_9.csv").write_text("key,value\n")
    with pytest.raises(InputError, match="expected \\['key', 'metric'"):
        load_published(tmp_path)


def test_what_the_repository_holds(root):
    published = load_published(root / "report" / "published")
    by_file = {stem: sum(key.startswith(f"{stem}/") for key in published.keys) for stem in ("table_1", "table_6", "figure_4")}
    assert by_file == {"table_1": 21, "table_6": 3, "figure_4": 51}
    # Table 1 prints its default in each of its four groups, Table 6 once more.
    defaults = ["table_1/blocks_3_8", "table_1/interval_u02", "table_1/weight_02", "table_1/head_yes", "table_6/ema_9999"]
    assert len({(published.number(key, "fid", "").text, published.number(key, "is", "").text) for key in defaults}) == 1


def test_the_number_that_nobody_has_read_says_so(root):
    published = load_published(root / "report" / "published")
    numbers = {key: found for key in published.keys if (found := published.number(key, "fid", ""))}
    unverified = {key: number.source for key, number in numbers.items() if number.confidence == "unverified"}
    assert list(unverified) == ["table_2/abstract_mmdit_sra"]
    assert "no stored text with this number was found" in unverified["table_2/abstract_mmdit_sra"]


def test_what_the_paper_says_of_table_2_elsewhere_stands_apart(root):
    """Its table, its body text and an abstract give three values of one FID; each stands in a group of its own, and only the table's beside ours."""
    published, table = load_published(root / "report" / "published"), Registry(root, "digits").tables["table_2"]
    assert table.best_of == "group"
    values = {}
    for row in table.rows:
        values.setdefault(row.group, []).append(published.number(row.published, "fid", table.id).text)
        assert (row.run is None) == (row.group is not None)
    assert len(values) == 3
    assert len({texts[-1] for texts in values.values()}) == 3


def test_protocols_of_text_to_image_are_not_mixed(root):
    """In each group of Table S2 our runs have one sampler and one number of images, and the number stands in its title."""
    table = Registry(root, "digits").tables["table_s2"]
    for group in {row.group for row in table.rows}:
        scores = {table.score_of(row) for row in table.rows if row.group == group and row.run}
        assert len(scores) <= 1
        assert all(f"{score.samples:,}".replace(",", " ") in group for score in scores)


def test_every_key_of_the_tables_and_figures_exists(root):
    published, registry = load_published(root / "report" / "published"), Registry(root, "digits")
    for table in registry.tables.values():
        for row in (row for row in table.rows if row.published):
            assert any(published.number(row.published, column.metric, table.id) for column in table.columns)
    for figure in registry.figures.values():
        if isinstance(figure, CurvesFigure):
            for series in (series for panel in figure.panels for series in panel.series):
                assert published.curve(series.published, figure.metric, figure.id)


def test_all_published_keys_are_shown(root):
    registry = Registry(root, "digits")
    shown = {row.published for table in registry.tables.values() for row in table.rows}
    curves = {
        series.published for figure in registry.figures.values() if isinstance(figure, CurvesFigure) for p in figure.panels for series in p.series
    }
    keys = load_published(root / "report" / "published").keys
    assert {key for key in keys if key not in shown and key.rpartition("/")[0] not in curves} == set()


def test_code_and_configuration_hold_no_published_number(root):
    """Every two-decimal number of the paper's tables, and the headline ones of its other tables."""
    published = (root / "report" / "published").glob("table_*.csv")
    numbers = {found for path in published for found in re.findall(r"\b\d\d\.\d\d\b", path.read_text())} | {"1.58", "311.4", "2.17"}
    assert "29.10" in numbers
    assert len(numbers) > 40
    pattern = re.compile(rf"(?<![\d.])({'|'.join(map(re.escape, sorted(numbers)))})(?![\d.])")
    files = [*(root / "sra").rglob("*.py"), *(root / "config").rglob("*.yaml"), *(root / "report" / "tables").glob("*.yaml")]
    files += [*(root / "report" / "figures").glob("*.yaml"), *(root / "report" / "templates").iterdir(), root / "report" / "quirks.yaml"]
    assert len(files) > 30
    found = {str(path.relative_to(root)): pattern.findall(path.read_text()) for path in files}
    assert {path: hits for path, hits in found.items() if hits} == {}
