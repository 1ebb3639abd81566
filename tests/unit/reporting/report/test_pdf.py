"""The PDF, read back: everything is there, as text, on as many pages as it takes, never clipped, the same bytes twice."""

import io
import re

import pytest
from PIL import Image
from pypdf import PdfReader
from report_samples import TEMPLATES, claims_of, report_in

from sra.content.catalogue import Catalogue
from sra.content.figures import CurvesFigure, Panel, Series
from sra.content.tables import Column, Row, SettingColumn, TableSpec
from sra.core.errors import StageError
from sra.reporting.figures.render import render_figure
from sra.reporting.report.methods import methods_at_a_glance
from sra.reporting.report.pdf import page_images, pdf_data, render_pdf
from sra.reporting.report.pdf_grid import plain
from sra.reporting.tables.render import render_table
from sra.spec.metric import ScoreOf

MARKUP = '#panic("x") $x^2$ *bold* _it_ `raw` <label> @ref [a] \\ ~ // no /* no */ = h + SRA - - # none <b>html</b> &amp; {{ jinja }}'
PORTRAIT, LANDSCAPE = (595, 842), (842, 595)
EVERY_METRIC = ("fid", "sfid", "is", "precision", "recall", "kid", "fid_infinity", "label_agreement")


@pytest.fixture
def made(tmp_path, preset, write_score, write_published):
    """made(rows, columns, label, ...) -> the report of one table, one figure and one claim, under `label` wherever text of others stands."""

    def call(
        rows=3,
        label="plain",
        columns=("fid",),
        settings=0,
        value="value",
        preset=preset,
        printed="29.10",
        note=None,
        commit="abc1234",
        date="2026-11-23",
        methods=None,
        group=None,
        claim=None,
    ):
        keys = [(f"r{row}", metric) for row in range(rows) for metric in columns]
        several = [printed] * len(keys) if isinstance(printed, str) else printed
        published = write_published("table_9", *(f"{key},{metric},{text}" for (key, metric), text in zip(keys, several, strict=True)))
        names = [f"s{number}" for number in range(settings)]
        spec = TableSpec(
            id="table_9",
            title=label,
            paper="a paper",
            columns=[Column(metric=metric, better="lower") for metric in columns],
            score=ScoreOf(milestone="m400k", sampler="sde250", samples=50000),
            setting_columns=[SettingColumn(key=name, label=f"Setting {name}") for name in names],
            rows=[
                Row(label=f"row {row} {label}", group=group, published=f"table_9/r{row}", settings={name: f"{value}{row}" for name in names})
                for row in range(rows)
            ],
            notes=[note or label],
        )
        series = [Series(method="none", run="base"), Series(method="sra", run="ours")]
        curves = CurvesFigure(
            kind="curves", id="figure_9", metric="fid", better="lower", samples=50000, milestones=["m400k"], title=label, paper="a paper",
            caption=label, panels=[Panel(title="SiT", sampler="sde250", series=series)],
        )  # fmt: skip
        scores = [write_score("base", fid=10.0), write_score("ours", fid=9.0)]
        render_table(spec, scores, published, "small", preset, tmp_path / "tables", TEMPLATES)
        render_figure(curves, scores, {}, published, "small", preset, tmp_path / "figures")
        claims = claims_of(tmp_path, scores, claim or label)
        report = report_in(tmp_path, preset, scores, claims_file=claims, commit=commit, date=date, methods=methods)
        for score in scores:
            score.unlink()
        return report

    return call


@pytest.fixture
def read(tmp_path):
    """read(report) -> a reader of its PDF."""

    def call(report, name="report.pdf"):
        render_pdf(report, tmp_path / "figures", tmp_path / name, TEMPLATES)
        return PdfReader(tmp_path / name, TEMPLATES)

    return call


def words(reader) -> str:
    """All text on one line."""
    text = "\n".join(page.extract_text() for page in reader.pages)
    return re.sub(r"\s+", " ", text)


def letters(text: str) -> str:
    """Without spaces and hyphens, which line breaks add and take away."""
    return re.sub(r"[\s\u00ad\u2010-]+", "", text)


def sizes(reader) -> list[tuple[int, int]]:
    return [(round(page.mediabox.width), round(page.mediabox.height)) for page in reader.pages]


def test_everything_that_the_report_says_is_in_the_pdf(made, read):
    report = made(label="a plain title")
    text = words(read(report))
    for words_of in ("Table 9. a plain title", "Figure 9. a plain title", "row 2 a plain title", "29.10", "✓ supported", "5 ✓ supported", "abc1234"):
        assert words_of in text
    for heading in ("Summary", "Claims", "Tables", "Figures", "Where paper and code disagree", "Cost", "Provenance", "How to check", "References"):
        assert heading in text
    whole = letters(text)
    for sentence in (
        *(sentence.replace("`", "") for sentence in report.summary.sentences),
        *(limit.text for limit in report.limits),
        *(quirk.ours for quirk in report.quirks),
        *(work.title for work in report.references),
        *(command.command for command in report.commands),
        *(file.sha256 for file in report.provenance.scores),
    ):
        assert letters(plain(sentence)) in whole
    assert "\ufffd" not in text


def test_methods_at_a_glance_are_in_the_pdf(made, read, root):
    methods = methods_at_a_glance(Catalogue(root, "digits"))
    whole = letters(words(read(made(methods=methods))))
    for method in methods.methods:
        for part in (method.name, method.signal, method.paper.blocks, f"arXiv {method.arxiv}", method.code or "", method.checked):
            assert letters(plain(part)) in whole
    assert letters(methods.together) in whole
    assert "Methodsataglance" not in letters(words(read(made())))


def test_the_band_heads_every_page_and_pages_are_counted(made, read, comparable):
    reader = read(made())
    total = len(reader.pages)
    for number, page in enumerate(reader.pages, 1):
        text = page.extract_text()
        assert "Numbers are not comparable with the paper" in text
        assert f"{number} / {total}" in text
    assert "not comparable" not in words(read(made(preset=comparable)))


def test_text_of_others_is_never_markup(made, read):
    text = letters(words(read(made(label=MARKUP, commit=MARKUP))))
    assert text.count(letters(MARKUP)) >= 8  # caption, rows, note, claim, rule, figure, commit
    assert letters("row 0 " + MARKUP) in text


def test_hostile_text_and_characters_without_a_glyph_stay_text(made, read, hostile):
    text = letters(words(read(made(rows=1, label=hostile + " 漢字 \ue000 \U000e0041"))))
    assert letters("<img src=x onerror=alert(1)>") in text
    assert "□□□" in text
    assert "\ufffd" not in text


def test_equal_reports_are_equal_bytes(made, tmp_path):
    report = made()
    for name in ("one.pdf", "other.pdf"):
        render_pdf(report, tmp_path / "figures", tmp_path / name, TEMPLATES)
    assert (tmp_path / "one.pdf").read_bytes() == (tmp_path / "other.pdf").read_bytes()
    assert str(tmp_path).encode() not in (tmp_path / "one.pdf").read_bytes()


def test_the_pdf_is_dated_by_its_results_tagged_and_archivable(made, read):
    reader = read(made())
    assert reader.metadata["/CreationDate"] == "D:20261123000000Z"
    catalogue = reader.trailer["/Root"]
    assert catalogue["/MarkInfo"]["/Marked"]
    assert catalogue["/Lang"].startswith("en")
    metadata = catalogue["/Metadata"].get_data().decode()
    assert "<pdfuaid:part>1<" in metadata
    assert "<pdfaid:part>3<" in metadata
    fonts = [font.get_object()["/BaseFont"] for page in reader.pages for font in page["/Resources"]["/Font"].values()]
    assert {re.sub(r"^/[A-Z]{6}\+|-.*", "", font) for font in fonts} <= {"LibertinusSerif", "DejaVuSans", "DejaVuSansMono"}


def test_a_report_of_nothing_has_a_pdf_too(tmp_path, preset, read):
    text = words(read(report_in(tmp_path, preset)))
    assert "So far 0 scores of sample sets exist" in text
    assert "results of" not in text


def test_long_tables_break_with_their_head_on_every_page(made, read):
    reader = read(made(rows=120))
    with_rows = [page.extract_text() for page in reader.pages if re.search(r"row \d+ plain", page.extract_text())]
    assert len(with_rows) >= 2
    assert all(re.search(r"FID ↓\s+paper\s+ours", text) for text in with_rows)
    found = re.findall(r"row (\d+) plain", " ".join(with_rows))
    assert [int(number) for number in found] == list(range(120))


@pytest.mark.parametrize("rows", [10, 20, 28])
def test_a_short_table_stays_on_one_page(made, read, rows):
    pages = [page.extract_text() for page in read(made(rows=rows)).pages]
    assert [len(re.findall(r"row \d+ plain", text)) for text in pages if "row 0 plain" in text] == [rows]


def test_wide_tables_shrink_then_turn(made, read):
    assert set(sizes(read(made(columns=EVERY_METRIC[:5])))) == {PORTRAIT}
    reader = read(made(columns=EVERY_METRIC, settings=6))
    turned = [page for page, size in zip(reader.pages, sizes(reader), strict=True) if size == LANDSCAPE]
    assert len(turned) == 1
    text = turned[0].extract_text()
    assert "Table 9." in text
    assert "Setting s5" in re.sub(r"\s+", " ", text)
    assert "Label agreement" in re.sub(r"\s+", " ", text)


def test_what_fits_no_page_fails_the_render(made, tmp_path):
    report = made(columns=EVERY_METRIC, settings=30)
    with pytest.raises(StageError, match=r"report\.pdf: .*Table 9: a table is wider than a page turned sideways") as failure:
        render_pdf(report, tmp_path / "figures", tmp_path / "report.pdf", TEMPLATES)
    assert "\n" not in str(failure.value)
    assert not (tmp_path / "report.pdf").exists()


@pytest.mark.parametrize("shape", [{"columns": EVERY_METRIC, "settings": 6}, {"columns": EVERY_METRIC[:5], "settings": 3}, {"label": "long " * 60}])
def test_nothing_is_printed_in_the_margins(made, tmp_path, shape):
    """Beyond the text's width a page is white, so nothing runs off it."""
    for data in page_images(made(**shape), tmp_path / "figures", TEMPLATES, ppi=72):
        page = Image.open(io.BytesIO(data)).convert("L")
        for strip in ((0, 0, 50, page.height), (page.width - 50, 0, page.width, page.height)):
            assert page.crop(strip).getextrema() == (255, 255)


def test_words_that_cannot_be_divided_turn_the_page(made, read):
    assert LANDSCAPE not in sizes(read(made(settings=4, value="a word " * 4)))
    assert LANDSCAPE in sizes(read(made(settings=4, value="x" * 45)))


def test_points_stand_on_one_line_by_digits_that_are_not_shown(made, read):
    """What is copied from the PDF has the paper's own digits."""
    report = made(rows=3, printed=["29.1", "30.00", "33"])
    (body,) = pdf_data(report)["grids"]["tables"][0]["grid"]["bodies"]
    assert [row[1][0]["pad"] for row in body["rows"]] == ["0", "", ".00"]
    text = words(read(report))
    assert all(f"{number} —" in text for number in ("29.1", "30.00", "33"))


def test_poppler_finds_nothing_to_complain_about(made, tmp_path):
    """Poppler takes the word `Suspects` for an error unless it is true, and says so on every page that it draws."""
    render_pdf(made(), tmp_path / "figures", tmp_path / "report.pdf", TEMPLATES)
    data = (tmp_path / "report.pdf").read_bytes()
    assert b"/Suspects" not in data
    assert re.search(rb"/MarkInfo<</Marked true *>>", data)


@pytest.mark.parametrize(("rows", "lines"), [(68, 0), (68, 8), (68, 16), (68, 20), (63, 24), (64, 24), (65, 24)])
def test_no_page_has_a_row_or_two_of_a_table(made, read, rows, lines):
    """Whatever stands above it: the claim, in so many lines more."""
    pages = [page.extract_text() for page in read(made(rows=rows, claim="a word " * 5 * lines)).pages]
    counts = [len(re.findall(r"row \d+ plain", text)) for text in pages]
    first, *_, last = [count for count in counts if count]
    assert first >= 4
    assert last >= 3
    assert sum(counts) == rows


def test_a_group_that_goes_on_is_named_on_its_next_page(made, read):
    pages = [page.extract_text() for page in read(made(rows=120, group="The group")).pages]
    with_rows = [text for text in pages if re.search(r"row \d+ plain", text)]
    assert len(with_rows) >= 2
    assert all("The group" in text for text in with_rows)


def test_hashes_stand_behind_the_references(made, read):
    report = made()
    text = letters(words(read(report)))
    behind = text.split("Appendix:hashes")[-1]
    assert "References" not in behind
    for digest in (*(file.sha256 for file in report.provenance.scores), *(value.remark for value in report.provenance.extractors)):
        assert digest in behind
        assert text.count(digest) == 1
