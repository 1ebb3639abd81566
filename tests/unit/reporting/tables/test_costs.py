"""A table of costs: units that can be read, shares over the baseline, receipts that are missing or cannot be compared, in every format."""

import csv
import io

import pytest
from cost_files import CPU, write_cost_file
from pydantic import ValidationError
from report_samples import TEMPLATES

from sra.content.tables import TableSpec
from sra.core.errors import InputError
from sra.core.files import read_json, write_json
from sra.reporting.read.costs import load_costs
from sra.reporting.read.published import load_published
from sra.reporting.tables.render import render_table

NAMES = ["memory", "memory_over_baseline", "epoch_time", "time_over_baseline", "extra_parameters"]
FORMATS = [".2f", ".1f", ".3f", ".0f", ".0f"]


def table(**changes) -> TableSpec:
    rows = [
        {"group": "SiT", "label": "B", "run": "base", "published": "table_9/b"},
        {"group": "SiT", "label": "B + SRA", "run": "ours", "published": "table_9/b_sra", "baseline": "B"},
    ]
    costs = [{"cost": name, "format": spec} for name, spec in zip(NAMES, FORMATS, strict=True)]
    values = {"kind": "costs", "id": "table_9", "title": "Costs", "paper": "a paper", "costs": costs, "rows": rows, "notes": ["8 A100."]}
    return TableSpec(**values | changes)


@pytest.fixture
def published(tmp_path):
    folder = tmp_path / "published"
    folder.mkdir()
    rows = ["b,memory,12.85,GB", "b,epoch_time,0.096,h", "b_sra,memory,13.23,GB", "b_sra,epoch_time,0.115,h", "b_sra,extra_parameters,87,M"]
    lines = [f'table_9/{row},"a paper, Table 7",exact' for row in rows]
    (folder / "table_9.csv").write_text("\n".join(["key,metric,value,unit,source,confidence", *lines]) + "\n")
    return folder


@pytest.fixture
def write_cost(tmp_path):
    return lambda run, **fields: write_cost_file(tmp_path / "costs" / f"{run}.json", run, **fields)


@pytest.fixture
def both(write_cost):
    return [write_cost("base", median=0.5, extra=0), write_cost("ours", median=0.6, memory=53_000_000)]


@pytest.fixture
def render(tmp_path, published, preset):
    def call(files=(), preset=preset, spec=None):
        return render_table(spec or table(), [], published, "small", preset, tmp_path / "out", TEMPLATES, cost_files=files)

    return call


def cell(document, row, name):
    return document.rows[row].cells[NAMES.index(name)]


def texts(document, row):
    return [(one.published, one.text) for one in document.rows[row].cells]


def test_ours_are_told_in_units_that_can_be_read(render, both):
    document = render(both)
    headers = [column.header for column in document.columns]
    assert headers[::2] == ["Memory (paper GB, ours MB)", "Time an epoch (paper h, ours s)", "Extra parameters (paper M, ours K)"]
    assert headers[1::2] == ["Memory over baseline (%)", "Time over baseline (%)"]
    assert texts(document, 0) == [("12.85", "50.0"), ("—", "—"), ("0.096", "5.00"), ("—", "—"), ("—", "—")]
    assert texts(document, 1) == [("13.23", "53.0"), ("3.0", "6.0"), ("0.115", "6.00"), ("20", "20"), ("87", "200")]


@pytest.mark.parametrize(
    ("median", "unit", "text"), [(0.004, "s", "0.04"), (11.0, "min", "1.83"), (59.0, "min", "9.83"), (600.0, "h", "1.67"), (60_000.0, "h", "167")]
)
def test_no_time_is_too_small_to_read(render, write_cost, median, unit, text):
    document = render([write_cost("base", median=median)])
    assert document.columns[2].unit == unit
    assert cell(document, 0, "epoch_time").text == text


def test_a_comparable_preset_keeps_the_papers_units_and_says_the_difference(render, write_cost, comparable):
    big = {"memory": 13_000_000_000, "extra": 86_600_000}
    files = [write_cost("base", median=36.0, **big), write_cost("ours", median=45.0, **big)]
    document = render(files, comparable)
    assert [column.header for column in document.columns][::2] == ["Memory (GB)", "Time an epoch (h)", "Extra parameters (M)"]
    memory, over, hours, slower, parameters = document.rows[1].cells
    assert (memory.text, memory.difference_text) == ("13.00", "−0.23")
    assert (hours.text, hours.difference, hours.difference_text) == ("0.125", pytest.approx(0.01), "+0.010")
    assert (slower.published, slower.text, slower.difference_text) == ("20", "25", "+5")
    assert (over.text, over.difference_text) == ("0.0", "−3.0")
    assert (parameters.published, parameters.text, parameters.difference_text) == ("87", "87", "0")


def test_the_papers_shares_are_marked_as_inferred(render, both):
    share = cell(render(both), 1, "time_over_baseline")
    assert share.published_value == pytest.approx(100 * (0.115 / 0.096 - 1))
    assert share.source == "0.115 over 0.096; a paper, Table 7 (inferred)"
    assert cell(render(both), 1, "epoch_time").source == "a paper, Table 7 (exact)"


def test_what_is_not_measured_says_so_and_how(render, both):
    document = render(both[:1])
    assert [one.text for one in document.rows[1].cells] == ["not run"] * 5
    assert {one.status for one in document.rows[1].cells} == {"not run"}
    assert "Not measured yet: ours. snakemake --cores all table_9 does it." in [note.text for note in document.notes]
    nothing = render()
    assert nothing.conditions == "Ours: not measured yet."
    assert any("Not measured yet: base, ours." in note.text for note in nothing.notes)
    assert not any("Not measured" in note.text for note in render(both).notes)
    # Without its baseline a run has no share over it.
    alone = render(both[1:])
    assert [cell(alone, 1, name).text for name in NAMES] == ["53.0", "not run", "6.00", "not run", "200"]


def test_machines_that_differ_are_not_compared(render, write_cost):
    document = render([write_cost("base"), write_cost("ours", machine=CPU | {"compile": True})])
    share = cell(document, 1, "time_over_baseline")
    assert (share.text, share.status) == ("n/a", "n/a")
    assert document.rows[1].mark == "a"
    assert document.notes[-1].text == "measured on one CPU (x86_64), 1 thread, fp32, batch 4, compiled, its baseline on " + (
        "one CPU (x86_64), 1 thread, fp32, batch 4"
    )


def test_conditions_tell_the_machine_and_the_spread(render, write_cost):
    files = [write_cost("base", seconds=(1.0, 1.05, 1.1), median=1.0), write_cost("ours", seconds=(1.0, 1.1, 1.2), median=1.0)]
    document = render(files)
    assert document.conditions == (
        "Ours: one CPU (x86_64), 1 thread, fp32, batch 4; median of 3 blocks of 10 steps, "
        "which lay 15.0 % apart in half of the runs and 20.0 % at most."
    )
    assert not any("something else ran" in note.text for note in document.notes)
    shaken = render([files[0], write_cost("ours", seconds=(1.0, 1.1, 1.3), median=1.0)])
    assert any(
        "something else ran: ours (its blocks lie 30 % apart)." in note.text and "--forcerun measure_cost -- table_9" in note.text
        for note in shaken.notes
    )


STEPS = {"seconds": [0.59, 0.6, 0.61], "median": 0.6, "warm_up_steps": 3, "steps_per_block": 10}


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ({"seconds": [0.5, 0.6, 0.9]}, "its blocks lie 67 % apart"),
        ({"other_work": 0.45}, "other work kept 45 % of the cores busy"),
        ({"other_work": 0.02}, None),
        ({"other_work": None}, None),
    ],
)
def test_a_time_beside_other_work_is_an_upper_bound_and_compared_with_nothing(render, write_cost, comparable, steps, why):
    """Of the run or of its baseline; memory and parameters are what they are."""
    for disturbed, row in (("ours", 1), ("base", 0)):
        files = [write_cost(run, steps=STEPS | (steps if run == disturbed else {})) for run in ("base", "ours")]
        document = render(files, comparable)
        assert cell(document, row, "epoch_time").text.startswith("≤ ") == bool(why)
        assert (cell(document, row, "epoch_time").difference is None) == bool(why)
        assert (cell(document, 1, "time_over_baseline").text == "n/a") == bool(why)
        assert cell(document, 1, "memory_over_baseline").text == "0.0"
        assert ("≤: other work ran beside it" in document.legend) == bool(why)
        marks = [note.mark for note in document.notes if note.text == f"measured beside other work: {why}"]
        assert marks == (["a"] if why else [])
        assert [("a" in one.mark) for one in document.rows] == [bool(why) and disturbed == "base", bool(why)]


def test_memory_says_what_it_is(render, both, write_cost, tmp_path):
    assert any("the training process held" in note.text for note in render(both).notes)
    memory = {"of": "gpu", "peak": 12_000_000_000, "before": 0}
    record = read_json(write_cost("base", machine=CPU | {"device": "cuda"})) | {"memory": memory}
    write_json(tmp_path / "gpu.json", record)
    notes = [note.text for note in render([tmp_path / "gpu.json"]).notes]
    assert "Memory of ours: what torch allocated on one GPU at most." in notes


def test_every_format_says_the_same(render, both, tmp_path):
    render(both)
    out = tmp_path / "out"
    rows = list(csv.DictReader(io.StringIO((out / "table_9.csv").read_text())))
    assert len(rows) == 10
    hours = next(row for row in rows if row["cost"] == "epoch_time" and row["run"] == "ours")
    assert (hours["published"], hours["published_unit"], float(hours["reproduced"]), hours["unit"]) == ("0.115", "h", 6.0, "s")
    assert len(hours["cost_sha256"]) == 64
    markdown, tex, html = ((out / f"table_9.{kind}").read_text() for kind in ("md", "tex", "html"))
    assert "| B + SRA | 13.23 | 53.0 | 3.0 | 6.0 | 0.115 | 6.00 | 20 | 20 | 87 | 200 |" in markdown
    assert "Over baseline: what alignment adds" in markdown
    assert "**" not in "".join(line for line in markdown.splitlines() if line.startswith("| B"))  # a baseline is always the cheapest
    assert r"\multicolumn{2}{c}{Memory (paper GB, ours MB)}" in tex
    assert "Time an epoch (paper h, ours s)" in html
    assert "#r-" not in html


def test_receipts_of_another_preset_are_refused(write_cost):
    with pytest.raises(InputError, match=r"base\.json: is a cost receipt of preset small, expected digits"):
        load_costs([write_cost("base")], "digits")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"costs": []}, "needs costs"),
        ({"rows": []}, "needs rows"),
        ({"score": {"milestone": "m400k", "sampler": "s", "samples": 1}}, "has no score"),
        ({"setting_columns": [{"key": "k", "label": "l"}]}, "has no setting_columns"),
        ({"rows": [{"label": "B", "baseline": "C"}]}, "baseline 'C' is no row"),
        ({"costs": [{"cost": "memory", "format": ".1%"}]}, "pattern"),
    ],
)
def test_a_wrong_table_is_refused(changes, said):
    with pytest.raises(ValidationError, match=said):
        table(**changes)


def test_a_table_of_scores_has_no_costs_and_no_baselines():
    row, score = {"label": "B", "run": "base"}, {"milestone": "m400k", "sampler": "s", "samples": 1}
    values = {"id": "table_9", "title": "T", "paper": "p", "columns": [{"metric": "fid", "better": "lower"}], "score": score}
    TableSpec(**values, rows=[row])
    with pytest.raises(ValidationError, match="has no costs"):
        TableSpec(**values, rows=[row], costs=[{"cost": "memory", "format": ".2f"}])
    with pytest.raises(ValidationError, match="is no row of a table of costs"):
        TableSpec(**values, rows=[row, {"label": "C", "baseline": "B"}])


def test_the_papers_table_is_read_in_base_units(root):
    published = load_published(root / "report" / "published")
    hours = published.number("table_7/sit_xl_sra", "epoch_time", "here")
    assert (hours.text, hours.value) == ("0.476", pytest.approx(1713.6))
    assert published.number("table_7/sit_b", "memory", "here").value == 12.85e9
    assert published.number("table_7/dit_l_sra", "extra_parameters", "here").value == 305e6
    assert published.number("table_7/dit_l", "extra_parameters", "here") is None
    # The shares that the facts of the paper give: +20, +17, +21 and +21, +11, +12 percent.
    keys = [f"table_7/{family}_{size}" for family in ("sit", "dit") for size in ("b", "l", "xl")]
    shares = [published.number(f"{key}_sra", "epoch_time", "").value / published.number(key, "epoch_time", "").value - 1 for key in keys]
    assert [round(100 * share) for share in shares] == [20, 17, 21, 21, 11, 12]
