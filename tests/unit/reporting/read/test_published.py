"""The paper's numbers: each once, each with a source, and nowhere else in the tree."""

import re

import pytest

from sra.content.catalogue import Catalogue
from sra.content.figures import CurvesFigure
from sra.core.errors import InputError
from sra.reporting.read.published import load_published
from sra.reporting.write.numbers import milestone_text, steps_of_milestone
from sra.spec.methods.known import METHOD_OF

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
    assert set(load(tmp_path, *rows).curve("table_9/b", "fid", "here")) == {"m50k", "m400k", "m1m"}
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
    published, table = load_published(root / "report" / "published"), Catalogue(root, "digits").tables["table_2"]
    assert table.best_of == "group"
    values = {}
    for row in table.rows:
        values.setdefault(row.group, []).append(published.number(row.published, "fid", table.id).text)
        assert (row.run is None) == (row.group is not None)
    assert len(values) == 3
    assert len({texts[-1] for texts in values.values()}) == 3


def test_protocols_of_text_to_image_are_not_mixed(root):
    """In each group of Table S2 our runs have one sampler and one number of images, and the number stands in its title."""
    table = Catalogue(root, "digits").tables["table_s2"]
    for group in {row.group for row in table.rows}:
        scores = {table.score_of(row) for row in table.rows if row.group == group and row.run}
        assert len(scores) <= 1
        assert all(f"{score.samples:,}".replace(",", " ") in group for score in scores)


def keys_named_by(value):
    """Every `published` and `baseline_published` inside a figure: whole keys, and front parts that a place on the axis completes."""
    if isinstance(value, dict):
        own = {found for name, found in value.items() if name in ("published", "baseline_published") and isinstance(found, str)}
        return own.union(*map(keys_named_by, value.values()))
    return set().union(*map(keys_named_by, value)) if isinstance(value, list | tuple) else set()


def test_every_key_of_the_tables_and_figures_exists(root):
    published, registry = load_published(root / "report" / "published"), Catalogue(root, "digits")
    for table in registry.tables.values():
        for row in (row for row in table.rows if row.published):
            metrics = [column.metric for column in table.columns] + [column.cost for column in table.costs]
            assert any(published.number(row.published, metric, table.id) for metric in metrics)
    for figure in registry.figures.values():
        if isinstance(figure, CurvesFigure):
            for series in (series for panel in figure.panels for series in panel.series if series.published):
                assert published.curve(series.published, figure.metric, figure.id)
        fronts = {key.rpartition("/")[0] for key in published.keys}
        assert keys_named_by(figure.model_dump()) <= published.keys | fronts


def test_all_published_keys_are_shown(root):
    registry = Catalogue(root, "digits")
    shown = {row.published for table in registry.tables.values() for row in table.rows}
    shown |= set().union(*(keys_named_by(figure.model_dump()) for figure in registry.figures.values()))
    keys = load_published(root / "report" / "published").keys
    assert {key for key in keys if key not in shown and key.rpartition("/")[0] not in shown} == set()


def test_a_printed_setting_is_text_and_no_number(tmp_path):
    rows = ['table_9/a,betas,"(0.9, 0.999)",text,Table 9,exact', "table_9/a,patch,2,text,Table 9,secondary", "table_9/b,fid,2.0,1,Table 9,exact"]
    published = load(tmp_path, *rows)
    settings = published.settings("table_9/a", "here")
    assert {name: (setting.text, setting.confidence) for name, setting in settings.items()} == {
        "betas": ("(0.9, 0.999)", "exact"),
        "patch": ("2", "secondary"),
    }
    assert published.keys == {"table_9/b"}
    with pytest.raises(InputError, match=r"table_5, model A: unknown key of printed settings 'table_9/c'; did you mean 'table_9/a'"):
        published.settings("table_9/c", "table_5, model A")


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("table_9/a,,2,text,Table 9,exact", "has no name of a setting or no value"),
        ("table_9/a,patch, ,text,Table 9,exact", "has no name of a setting or no value"),
        ("table_9/a,patch,2,1,Table 9,exact", "unknown metric 'patch'"),
        ("table_9/a,patch,2,text,,exact", "has no source"),
        ("table_9/a,patch,2,words,Table 9,exact", "unknown metric 'patch'"),
    ],
)
def test_bad_settings_are_named_by_line(tmp_path, row, complaint):
    with pytest.raises(InputError, match=rf"table_9.csv line 2: .*{complaint}"):
        load(tmp_path, row)


def test_the_same_setting_twice_is_refused(tmp_path):
    with pytest.raises(InputError, match="line 3: table_9/a patch is already given"):
        load(tmp_path, "table_9/a,patch,2,text,Table 9,exact", "table_9/a,patch,4,text,Table 9,exact")


def test_every_printed_setting_of_table_5_is_compared(root):
    published, compared = load_published(root / "report" / "published"), Catalogue(root, "digits").tables["table_5"].compared
    printed = [line.published for line in compared.lines]
    assert len(printed) == len(set(printed)) == 23
    assert [model.label for model in compared.models] == ["SiT-B", "SiT-L", "SiT-XL", "DiT-B", "DiT-L", "DiT-XL"]
    for model in compared.models:
        assert set(published.settings(model.published, "here")) == set(printed)
        assert model.published.rpartition("/")[2] == model.label.lower().replace("-", "_")


SAMPLERS = {"sde": "SDE", "ddpm": "DDPM"}


def test_the_protocol_of_each_neighbour_that_runs_here_is_that_of_its_run(root):
    """The words of Table S4's columns beside what our run is, so that no number of ours stands under a protocol that is not its own."""
    registry = Catalogue(root, "paper")
    table = registry.tables["table_s4"]
    ours = [row for row in table.rows if row.run or row.released]
    assert len(ours) >= 14
    for row in ours:
        score = table.score_of(row)
        sampler, spec = registry.sampler(score.sampler), registry.spec(row.run or row.released)
        steps = steps_of_milestone(score.milestone)
        assert row.settings["model"] == spec.model.name
        assert row.settings["trained"] in (milestone_text(score.milestone), f"{steps // 5000} epochs")
        assert row.settings["sampler"] == f"{SAMPLERS[sampler.kind]} {sampler.evaluations}"
        low, high = sampler.guidance.interval
        guided = f"w = {sampler.guidance.scale:g}" + ("" if (low, high) == (0, 1) else f" in [{low:g}, {high:g}]")
        assert row.settings["guidance"] == ("none" if sampler.guidance.scale == 1 else guided)
        assert row.settings["images"] == f"{registry.sample_count(score.samples) // 1000}K"


def test_neighbours_can_be_told_apart(root):
    """Each row says its whole protocol, and within a group its name is its own: a narrow screen hides the columns."""
    table = Catalogue(root, "digits").tables["table_s4"]
    assert table.best_of == "group"
    assert len({(row.group, row.label) for row in table.rows}) == len(table.rows) <= 65
    assert all(set(row.settings) == {column.key for column in table.setting_columns} for row in table.rows)
    assert {"SDE 250", "ODE", "ODE Heun"} <= {row.settings["sampler"] for row in table.rows}
    published = load_published(root / "report" / "published")
    confidences = {number.confidence for row in table.rows if (number := published.number(row.published, "fid", table.id))}
    assert confidences == {"exact", "secondary", "read off a figure", "user report"}


def test_the_benchmark_has_a_row_for_each_method_and_ranks_none(root):
    registry = Catalogue(root, "digits")
    table = registry.tables["table_b0"]
    runs = [row.run for row in table.rows if row.run and row.score is None]
    assert len(runs) == len(set(runs)) == 18
    methods = {registry.spec(run).alignment.method for run in runs}
    assert {name for name in METHOD_OF if "+" not in name} == methods
    assert table.best_of == "none"
    assert any("One training of each decides nothing" in note for note in table.notes)
    assert len({row.label for row in table.rows}) == len(table.rows)


def test_the_benchmark_takes_no_difference_from_a_number_of_another_protocol(root):
    """The words beside a published number are those of its row's own score, or the row says that they are not."""
    registry = Catalogue(root, "paper")
    table = registry.tables["table_b0"]
    for row in table.rows:
        score = table.score_of(row)
        sampler = registry.sampler(score.sampler)
        images = f"{registry.sample_count(score.samples) // 1000}K images"
        ours = f"{milestone_text(score.milestone)}, {SAMPLERS[sampler.kind]} {sampler.evaluations}, {images}"
        assert sampler.guidance.scale == 1
        assert bool(row.settings) == bool(row.published)
        assert row.other_protocol == (row.published is not None and row.settings["protocol"] != f"{ours}, no guidance")
    assert 5 <= sum(row.other_protocol for row in table.rows if row.run) < sum(row.published is not None for row in table.rows if row.run)


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
