"""The benchmark on the page and in the PDF: first of all, in words, with every gap, nothing ranked that may not be, each number with its receipt."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from pypdf import PdfReader
from report_samples import TEMPLATES, rendered_page, report_in
from study_documents import ROWS, SEEDS, benchmark_in, digest, made_study

from sra.reporting.read.scores import load_scores
from sra.reporting.report.pdf import render_pdf
from sra.study.document import StudyDocument

GAPS = {"sra": {1: "diverged at step 300"}, "sync": dict.fromkeys(SEEDS, "not run"), "repa": dict.fromkeys(SEEDS[1:], "not run")}


def with_gaps(**changes) -> StudyDocument:
    return made_study(tuple(replace(row, absent=GAPS.get(row.run, {})) for row in ROWS), **changes)


def section_of(page: str) -> str:
    return page[page.index('<section class="benchmark"') : page.index('<section aria-labelledby="summary"')]


@pytest.fixture
def page_of(tmp_path, preset):
    """page_of(study, scores) -> the page. scores: files behind the study."""

    def render(study: StudyDocument, scores=()) -> str:
        benchmark_in(tmp_path, study, preset)
        return rendered_page(tmp_path, preset, studies={study.study: load_scores(scores, "small")})

    return render


def text_of(study: StudyDocument, folder: Path, preset) -> str:
    """Of the PDF, with its lines joined."""
    benchmark_in(folder, study, preset)
    render_pdf(report_in(folder, preset, date="2026-11-23"), folder / "figures", folder / "report.pdf", TEMPLATES)
    reader = PdfReader(io.BytesIO((folder / "report.pdf").read_bytes()))
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in reader.pages))


def test_it_stands_first_and_once(page_of):
    study = made_study()
    page = page_of(study)
    section = section_of(page)
    contents = page[page.index("<nav") : page.index("</nav>")]
    assert contents.index('href="#study-toy"') < contents.index('href="#summary"')
    words = ["The benchmark", study.informative_words, study.findings[0], "What it cannot know", study.threats[0], "What was run for it"]
    places = [section.index(text) for text in (*words, *(f'id="figure_b{number}"' for number in range(1, 5)), 'id="table_b1"')]
    assert places == sorted(places)
    for identity in ("figure_b1", "figure_b4", "table_b1"):
        assert page.count(f'id="{identity}"') == 1
    assert '<h2 id="figures">' not in page  # there are no others
    assert '<h2 id="tables">' not in page


def test_what_was_run_is_told(page_of):
    section = section_of(page_of(made_study()))
    counted = ("4 methods", "and 1 control, each beside SiT", "140 of 140", "step 400", "of each training, by sde250", "NVIDIA H200")
    for words in (*counted, "0, 1, 2, 3, 4; the baseline also from 10, 11, 12, 13, 14"):
        assert words in section


def test_without_a_study_there_is_no_such_section(tmp_path, preset):
    page = rendered_page(tmp_path, preset)
    assert "The benchmark" not in page[page.index("<body>") :]


def test_every_gap_is_on_the_page(page_of):
    study = with_gaps()
    section = section_of(page_of(study))
    for words in (
        "seed 1: diverged at step 300",
        "4 of 5, 1 diverged",
        "○ one seed",
        "not run",
        "Diverged: sra, seed 1.",
        "seeds 1, 2, 3 and 4: not run",
    ):
        assert words in section
    assert "1 training diverged" in section


@pytest.mark.parametrize("informative", [False, None])
def test_a_study_that_is_not_informative_ranks_nothing_on_the_page(page_of, informative):
    study = made_study(informative=informative, longer=None, repeated=None)
    section = section_of(page_of(study))
    assert f'<p class="verdict uninformative">{study.informative_words}</p>' in section
    told = re.sub(r"✓ better, ✗ worse: told from", "", section)  # the legend
    assert not re.search(r"✓ better|✗ worse|≈ equivalent</|<strong>0\.", told)
    assert "not ranked" in section


def test_each_number_leads_to_the_receipt_of_its_score(page_of, write_score):
    study = made_study()
    files = [write_score("sra", fid=30.0), write_score("sra__s1", fid=31.0)]
    found = sorted(load_scores(files, "small"), key=lambda file: file.record.run)
    document = study.model_dump(mode="json")
    for seed, file in enumerate(found):
        for value in document["rows"][1]["points"][3]["values"]:
            if value["seed"] == seed:
                value["score_sha256"] = file.sha256
    page = page_of(StudyDocument.model_validate(document), files)
    section = section_of(page)
    for file in found:
        assert f'id="r-{file.sha256[:8]}"' in page
        assert section.count(f'href="#r-{file.sha256[:8]}"') >= 2  # in the forest and in the curves, seed by seed
        assert f'<dd><code>{file.sha256}</code></dd></div>\n<div><dt>Used in</dt><dd><a href="#table_b1">Table B1</a>, <a href="#figure_b1">' in page
    links = set(re.findall(r'href="#(r-[0-9a-f]{8})"', page))
    assert links <= set(re.findall(r'id="(r-[0-9a-f]{8})"', page))  # no number leads nowhere
    assert f"r-{digest('repa', 0, 'm400k')[:8]}" not in links


def test_narrow_pages_have_pictures_of_their_own(page_of):
    section = section_of(page_of(made_study()))
    sources = re.findall(r'<source media="\(max-width: 699px\)" srcset="data:image/svg\+xml;base64,[^"]+" width="(\d+)" height="\d+">', section)
    assert sources == ["346"] * 4
    assert section.count("<img ") == 4


def test_the_same_study_gives_the_same_page(page_of):
    assert page_of(made_study()) == page_of(made_study())


def test_the_pdf_says_the_same(tmp_path, preset):
    study = with_gaps(informative=False)
    text = text_of(study, tmp_path, preset)
    assert text.index("The benchmark") < text.index("Summary")
    for words in (study.informative_words, study.findings[0], study.threats[0], "Figure B1.", "Figure B4.", "Table B1.", "Table B1, continued.",
                  "NVIDIA H200", "4 of 5, 1 diverged", "not ranked", "one seed", "seed 1: diverged at step 300", "What it cannot know"):  # fmt: skip
        assert words in text, words


def test_hostile_words_are_shown_as_they_are(page_of, hostile):
    rows = tuple(replace(row, label=f"{row.label}{hostile}", note=hostile) for row in ROWS)
    page = page_of(made_study(rows, title=hostile, informative_words=hostile, findings=[hostile], threats=[hostile], machine=hostile))
    assert "<img src=x" not in page
