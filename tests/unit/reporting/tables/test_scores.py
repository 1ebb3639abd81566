"""A table as a document and in its five formats."""

import csv
import io
import re
from html.parser import HTMLParser

import pytest
from report_samples import TEMPLATES

from sra.content.margins import Margin, Tolerances
from sra.content.tables import Column, Row, SettingColumn, TableSpec
from sra.core.errors import InputError
from sra.core.files import read_json
from sra.reporting.documents import TableDocument
from sra.reporting.tables.render import render_table
from sra.spec.metric import ScoreOf

KINDS = ("json", "csv", "html", "tex", "md")
TOLERANCES = Tolerances(tolerances={"fid": Margin(share=0.1, why="labs differ")})
SCORE = ScoreOf(milestone="m400k", sampler="sde250", samples=50000)


def table(*rows, **changes) -> TableSpec:
    columns = [Column(metric="fid", better="lower"), Column(metric="is", better="higher")]
    return TableSpec(**{"id": "table_9", "title": "A table", "paper": "a paper", "columns": columns, "score": SCORE, "rows": list(rows)} | changes)


@pytest.fixture
def published(write_published):
    return write_published("table_9", "a,fid,30.00", "a,is,40.5", "b,fid,29.10", "b,is,50.20")


@pytest.fixture
def render(tmp_path, published, preset):
    def call(spec, scores, preset=preset, folder="out"):
        return render_table(spec, scores, published, "small", preset, tmp_path / folder, TEMPLATES, tolerances=TOLERANCES)

    return call


def test_cells_hold_both_sides(render, write_score, comparable):
    document = render(table(Row(label="A", run="ra", published="table_9/a")), [write_score("ra", fid=29.876, **{"is": 41.0})], comparable)
    fid, score = document.rows[0].cells
    assert (fid.published, fid.text, fid.difference_text, fid.status) == ("30.00", "29.88", "\u22120.12", "ok")
    assert fid.difference == pytest.approx(-0.124)
    assert (score.published, score.difference_text) == ("40.5", "+0.50")
    assert document.band is None


SEEDED = {"near": (32.0, 32.1, 31.9), "far": (35.0, 35.1, 34.9), "open": (33.0, 33.1, 32.9), "two": (30.0, 30.1)}  # by training seed


def seeded(write_score, run, *fids, **others) -> list:
    """Score files of the run from as many training seeds as there are values."""
    return [write_score(run if seed == 0 else f"{run}__s{seed}", fid=fid, **others) for seed, fid in enumerate(fids)]


def test_a_difference_is_surely_within_its_tolerance_or_beyond_it_or_neither(render, write_score, comparable, tmp_path):
    rows = [Row(label=name, run=f"r{name}", published="table_9/a") for name in ("near", "far", "open", "two")]
    scores = [score for name, fids in SEEDED.items() for score in seeded(write_score, f"r{name}", *fids, **{"is": 9.0})]
    document = render(table(*rows), scores, comparable)
    assert [row.cells[0].agrees for row in document.rows] == [True, False, None, None]
    assert {row.cells[1].agrees for row in document.rows} == {None}
    assert [note.text for note in document.notes if not note.mark] == ["Tolerance of FID: 10 % of the printed number (labs differ)."]
    markdown = (tmp_path / "out/table_9.md").read_text()
    assert "+2.00 ≈" in markdown
    assert "+5.00 ≠" in markdown
    assert "| +3.00 |" in markdown
    assert "from three training seeds on, ≈: the 95 % interval of ours lies within the tolerance" in markdown
    lines = list(csv.DictReader(io.StringIO((tmp_path / "out/table_9.csv").read_text())))
    assert [line["agrees"] for line in lines if line["metric"] == "fid"] == ["yes", "no", "", ""]


def test_one_seed_agrees_with_nothing(render, write_score, comparable):
    document = render(table(Row(label="A", run="ra", published="table_9/a")), [write_score("ra", fid=30.0)], comparable)
    assert document.rows[0].cells[0].agrees is None


def test_no_difference_is_given_where_scales_differ(render, write_score, tmp_path):
    document = render(table(Row(label="A", run="ra", published="table_9/a")), [write_score("ra", fid=5.0, **{"is": 9.0})])
    assert all(cell.difference is None and cell.difference_text == "n/a" for cell in document.rows[0].cells)
    said = "Numbers are not comparable with the paper and say nothing of it."
    assert document.band == f"Preset small: same method, smaller scale. {said}"
    for kind in ("html", "tex", "md"):
        text = (tmp_path / f"out/table_9.{kind}").read_text()
        assert document.band in text
        assert "Δ" not in text.replace("\\Delta", "Δ")


def test_a_row_of_the_paper_alone_has_a_dash_for_the_difference(render, write_score, comparable):
    rows = [Row(label="paper alone", published="table_9/a"), Row(label="not run yet", run="rb", published="table_9/b")]
    document = render(table(*rows), [], comparable)
    assert [[(cell.text, cell.difference_text) for cell in row.cells] for row in document.rows] == [
        [("\u2014", "\u2014")] * 2,
        [("not run", "n/a")] * 2,
    ]


def test_the_kinds_of_missing_are_told_apart(render, write_score, tmp_path):
    rows = [
        Row(label="absent file", run="ra", published="table_9/a"),
        Row(label="ours alone", run="rb"),
        Row(label="paper alone", published="table_9/b"),
        Row(label="beyond", run="rb", score=ScoreOf(milestone="m600k", sampler="sde250", samples=50000)),
    ]
    document = render(table(*rows), [write_score("rb", fid=5.0), tmp_path / "scores" / "nowhere.json"])
    assert [[cell.status for cell in row.cells] for row in document.rows] == [
        ["not run", "not run"],
        ["not in the paper", "n/a"],
        ["not run", "not run"],
        ["not run", "not run"],
    ]
    assert [cell.text for cell in document.rows[1].cells] == ["5.00", "n/a"]
    assert [[cell.text for cell in row.cells] for row in document.rows if row.run is None] == [["—", "—"]]
    assert document.rows[1].cells[0].published == "\u2014"
    reasons = {note.mark: note.text for note in document.notes}
    assert "preset small does not train to 600K" in reasons[document.rows[3].mark.split()[-1]]
    assert "IS is not defined for extractor digits_cnn" in reasons[document.rows[1].mark]


def test_best_is_chosen_for_each_side_alone(render, write_score):
    rows = [Row(label=name, run=f"r{name}", published=f"table_9/{name}") for name in "ab"]
    rows.append(Row(label="c", run="rc"))
    scores = [write_score("ra", fid=20.0, **{"is": 1.0}), write_score("rb", fid=25.0, **{"is": 2.0}), write_score("rc", fid=21.0, **{"is": 1.5})]
    document = render(table(*rows), scores)
    assert not any(cell.best for row in document.rows for cell in row.cells)  # one seed ranks nothing of ours
    assert [row.cells[0].published_best for row in document.rows] == [False, True, False]


@pytest.mark.parametrize(
    ("others", "best"),
    [
        ([(21.0, 21.1, 21.2), (25.0, 25.1, 25.2)], True),
        ([(21.0, 19.0, 21.2), (25.0, 25.1, 25.2)], False),  # not told apart from one
        ([(21.0, 21.1), (25.0, 25.1, 25.2)], False),  # two seeds judge nothing
        ([(21.0, 21.6, 21.0), (20.9, 20.4, 20.9)], False),  # each interval alone lies below 1, not by Holm
    ],
)
def test_bold_is_what_is_surely_better_than_every_other(render, write_score, others, best):
    rows = [Row(label=name, run=f"r{name}") for name in "abc"]
    scores = [score for name, fids in zip("abc", [(20.0, 20.1, 20.2), *others], strict=True) for score in seeded(write_score, f"r{name}", *fids)]
    assert [row.cells[0].best for row in render(table(*rows), scores).rows] == [best, False, False]


def test_best_may_be_chosen_within_groups(render, write_score, tmp_path):
    rows = [Row(label=name, run=f"r{name}", group=group) for name, group in (("a", "30K"), ("b", "30K"), ("c", "40K"), ("d", "40K"))]
    fids = {"a": (9.0, 9.1, 9.2), "b": (8.0, 8.1, 8.2), "c": (2.0, 2.1, 2.2), "d": (1.0, 1.1, 1.2)}
    scores = [score for name, found in fids.items() for score in seeded(write_score, f"r{name}", *found)]
    document = render(table(*rows, best_of="group"), scores)
    assert [row.cells[0].best for row in document.rows] == [False, True, False, True]
    assert "the best printed one of its column within its group of rows" in (tmp_path / "out/table_9.md").read_text()
    assert [row.cells[0].best for row in render(table(*rows), scores).rows] == [False, False, False, True]


def test_where_nothing_is_ranked_no_number_stands_out_and_no_column_sorts(render, write_score, tmp_path, comparable):
    rows = [Row(label=name, run=f"r{name}", published=f"table_9/{name}") for name in "ab"]
    scores = [write_score("ra", fid=9.0, **{"is": 1.0}), write_score("rb", fid=25.0, **{"is": 2.0})]
    document = render(table(*rows, best_of="none"), scores, comparable)
    assert not any(cell.best or cell.published_best for row in document.rows for cell in row.cells)
    assert document.rows[0].cells[0].difference_text == "\u221221.00"
    html, markdown = ((tmp_path / f"out/table_9.{kind}").read_text() for kind in ("html", "md"))
    assert "Nothing is ranked here, and no number is marked as best. Δ: ours" in markdown
    assert "Bold" not in markdown
    assert "sortable" not in html
    render(table(*rows), scores, comparable)
    assert "sortable" in (tmp_path / "out/table_9.html").read_text()


def test_no_difference_is_taken_from_a_number_of_another_protocol(render, write_score, comparable, tmp_path):
    settings = {"protocol": "ODE, 10K images"}
    rows = [
        Row(label="same", run="ra", published="table_9/a"),
        Row(label="other", run="rb", published="table_9/b", other_protocol=True, settings=settings),
    ]
    scores = [write_score("ra", fid=29.0, **{"is": 1.0}), write_score("rb", fid=29.1, **{"is": 2.0})]
    document = render(table(*rows, setting_columns=[SettingColumn(key="protocol", label="Published under")]), scores, comparable)
    same, other = (row.cells[0] for row in document.rows)
    assert (same.difference_text, same.difference) == ("−1.00", -1.0)
    assert (other.published, other.text, other.difference, other.difference_text, other.agrees) == ("29.10", "29.10", None, "n/a", None)
    assert "published under another protocol (ODE, 10K images), so no difference is taken" in {
        note.text for note in document.notes if note.mark == document.rows[1].mark
    }
    assert "unless a row or its group says otherwise" in document.conditions
    assert document.rows[0].mark == ""


def test_a_metric_that_the_paper_does_not_print_is_ours_alone(render, write_score, tmp_path, comparable):
    columns = [Column(metric="fid", better="lower"), Column(metric="recall", better="higher")]
    render(table(Row(label="A", run="ra", published="table_9/a"), columns=columns), [write_score("ra", fid=1.0, recall=0.5)], comparable)
    assert "|  | FID ↓ paper | FID ↓ ours | FID ↓ Δ | Recall ↑ ours |" in (tmp_path / "out/table_9.md").read_text()
    html = (tmp_path / "out/table_9.html").read_text()
    assert html.count('class="number paper') == 1
    assert [int(width) for width in re.findall(r'scope="colgroup" colspan="(\d)"', html)] == [3, 1]
    tex = (tmp_path / "out/table_9.tex").read_text()
    assert "\\begin{tabular}{lrrrr}" in tex
    assert "\\cmidrule(lr){2-4}\\cmidrule(lr){5-5}" in tex


def test_secondary_metrics_are_shown_where_they_are_measured_or_printed(render, write_score, write_published, preset):
    write_published("table_9", "a,fid,30.00", "a,pick_score,20.05")
    columns = [Column(metric=metric, better="higher") for metric in ("fid", "pick_score", "cmmd")]
    columns.append(Column(metric="caption_accuracy", better="higher", format=".1%"))
    spec = table(Row(label="A", run="ra", published="table_9/a"), columns=columns)
    scores = [write_score("ra", fid=1.0, caption_accuracy=0.9302)]
    document = render(spec, scores, preset.model_copy(update={"secondary": ["caption_accuracy"]}))
    assert [column.header for column in document.columns] == ["FID ↑", "PickScore ↑", "Caption accuracy (%) ↑"]
    assert [cell.text for cell in document.rows[0].cells] == ["1.00", "n/a", "93.0"]
    assert document.notes[0].text == "Not measured at preset small: CMMD."
    assert document.notes[1].text == "n/a: PickScore was not asked for when these samples were scored"


def test_one_run_shown_twice_is_not_the_best(render, write_score):
    rows = [Row(label=name, run="ra", published="table_9/a") for name in ("x", "y")]
    document = render(table(*rows), [write_score("ra", fid=20.0)])
    assert not any(cell.best or cell.published_best for row in document.rows for cell in row.cells)


def test_groups_and_settings(render, tmp_path):
    rows = [
        Row(label="base", run="ra", published="table_9/a"),
        Row(label="x", run="rb", group="Blocks", settings={"blocks": "3 → 8"}, published="table_9/b"),
    ]
    document = render(table(*rows, setting_columns=[SettingColumn(key="blocks", label="Blocks")]), [])
    assert [row.settings for row in document.rows] == [["\u2014"], ["3 → 8"]]
    assert (tmp_path / "out/table_9.html").read_text().count('scope="rowgroup"') == 1
    assert "3 $\\rightarrow$ 8" in (tmp_path / "out/table_9.tex").read_text()


def test_json_and_csv_agree(render, write_score, tmp_path, comparable):
    rows = [Row(label="A, quoted", run="ra", published="table_9/a"), Row(label="B", run="rb", published="table_9/b")]
    render(table(*rows), [write_score("ra", fid=1 / 3, **{"is": 0.1 + 0.2})], comparable)
    document = TableDocument.model_validate(read_json(tmp_path / "out/table_9.json"))
    lines = list(csv.DictReader(io.StringIO((tmp_path / "out/table_9.csv").read_text())))
    cells = [(row, cell) for row in document.rows for cell in row.cells]
    assert len(lines) == len(cells) == 4
    for line, (row, cell) in zip(lines, cells, strict=True):
        assert (line["label"], line["metric"], line["status"], line["published"]) == (row.label, cell.metric, cell.status, cell.published)
        assert (float(line["reproduced"]) if line["reproduced"] else None) == cell.value
        assert (float(line["difference"]) if line["difference"] else None) == cell.difference
        assert line["score_sha256"] == (row.score_sha256 or "")


def test_equal_inputs_are_equal_bytes(render, write_score, tmp_path):
    spec, scores = (
        table(Row(label="A", run="ra", published="table_9/a"), Row(label="B", run="rb")),
        [write_score("ra", fid=1.0), write_score("rb", fid=2.0)],
    )
    render(spec, scores)
    render(spec, scores[::-1], folder="again")
    for kind in KINDS:
        assert (tmp_path / f"out/table_9.{kind}").read_bytes() == (tmp_path / f"again/table_9.{kind}").read_bytes()


class Tags(HTMLParser):
    """Every tag and attribute name, and whether the tags close in order."""

    VOID = {"meta", "img", "br", "input", "link"}

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open = set(), set(), []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attributes)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_hostile_names_stay_text(render, write_score, tmp_path, hostile):
    row = Row(label=hostile, run="ra", group=hostile, note=hostile, settings={"s": hostile}, published="table_9/a")
    spec = table(row, title=hostile, paper=hostile, notes=[hostile], setting_columns=[SettingColumn(key="s", label=hostile)])
    document = render(spec, [write_score("ra", fid=1.0)])
    assert document.rows[0].label == hostile
    html = Tags((tmp_path / "out/table_9.html").read_text())
    assert not html.tags & {"img", "script"}
    assert not {name for name in html.attributes if name.startswith("on") or name == "style"}
    markdown = (tmp_path / "out/table_9.md").read_text()
    assert "<img" not in markdown
    assert "\u202e" not in markdown
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in markdown.splitlines() if line.startswith("|")}
    assert len(widths) == 1


def test_tex_has_no_live_special_characters(render, write_score, tmp_path, hostile):
    render(table(Row(label=hostile, run="ra", published="table_9/a"), title=hostile), [write_score("ra", fid=1.0)])
    text = (tmp_path / "out/table_9.tex").read_text()
    line = next(line for line in text.splitlines() if "onerror" in line and " & " in line)
    label, *numbers = re.split(r"(?<!\\)&", line)
    assert [number.strip(" \\") for number in numbers] == ["30.00", "1.00", "40.5", "n/a"]
    for character in "$%#_&":
        assert not re.search(rf"(?<!\\)\{character}", label)
    depth = 0
    for character in re.sub(r"\\[{}\\]", "", text):
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0


def test_points_line_up_when_the_paper_mixes_decimals(render, tmp_path, write_published):
    write_published("table_9", "a,fid,30.0", "b,fid,29.10")
    render(table(Row(label="A", published="table_9/a"), Row(label="B", published="table_9/b"), columns=[Column(metric="fid", better="lower")]), [])
    assert "30.0</td>" not in (tmp_path / "out/table_9.html").read_text()
    assert "30.0\u2007</td>" in (tmp_path / "out/table_9.html").read_text()
    assert "30.0\\phantom{0}" in (tmp_path / "out/table_9.tex").read_text()


def test_scores_of_another_preset_or_given_twice_are_refused(render, write_score):
    spec = table(Row(label="A", run="ra"))
    with pytest.raises(InputError, match="is a score of preset large, expected small"):
        render(spec, [write_score("ra", preset="large", fid=1.0)])
    with pytest.raises(InputError, match="scores the same samples as"):
        render(spec, [write_score("rb", fid=1.0), write_score("rb", fid=2.0)])


def test_an_unknown_published_key_names_table_and_row(render):
    with pytest.raises(InputError, match="table_9, row 'A': unknown published key 'table_9/aa'"):
        render(table(Row(label="A", published="table_9/aa")), [])
