"""What tables and figures of a study wait for, and presets that have no such study."""

import re
from types import SimpleNamespace

import pytest
import yaml
from score_files import write_score_file

from sra.content.studies import study_named
from sra.core.errors import InputError
from sra.deposit.lines import registry_lines
from sra.plan import show
from sra.plan.workflow import checked_plan
from sra.reporting.read.scores import load_scores
from sra.reporting.read.studies import StudyFiles
from sra.reporting.rendering import found_study, render_figure, render_report, render_study, render_table
from sra.reporting.report import pdf
from sra.spec.layout import Results


@pytest.fixture
def with_study(tmp_path, new_checkout):
    """A checkout whose digits name a study of two rows."""
    folder = new_checkout(tmp_path / "checkout").folder
    study = {
        "id": "toy", "title": "A toy study", "baseline": {"run": "sit_b2", "label": "SiT", "family": "No alignment"},
        "rows": [{"run": "sit_b2_sra", "label": "SRA", "family": "From the model itself"}],
        "seeds": [0, 1, 2], "milestones": ["m200k", "m400k"], "sampler": "sde250",
    }  # fmt: skip
    (folder / "config/studies/toy.yaml").write_text(yaml.safe_dump(study))
    preset = folder / "config/presets/digits.yaml"
    preset.write_text(yaml.safe_dump({**yaml.safe_load(preset.read_text()), "studies": ["toy"], "shows": ["table_b1", "figure_b1"]}))
    for path in ("tables/table_b1.yaml", "figures/figure_b1.yaml"):
        file = folder / "report" / path
        file.write_text(file.read_text().replace("study: methods", "study: toy"))
    return checked_plan(folder, {})


def test_they_wait_for_the_file_of_the_study_and_nothing_else_does(with_study):
    expected = ["results/digits/studies/toy.json"]
    assert show.study_of_table(with_study, SimpleNamespace(preset="digits", table="table_b1")) == expected
    assert show.study_of_figure(with_study, SimpleNamespace(preset="digits", figure="figure_b1")) == expected
    assert show.study_of_table(with_study, SimpleNamespace(preset="digits", table="table_1")) == []
    assert show.study_of_figure(with_study, SimpleNamespace(preset="digits", figure="figure_4")) == []
    assert show.scores_of_table(with_study, SimpleNamespace(preset="digits", table="table_b1")) == []


def test_a_preset_without_the_study_is_refused_in_one_line(with_study):
    with pytest.raises(InputError, match="preset fashion_toy has no study; list toy under studies in config"):
        show.study_of_figure(with_study, SimpleNamespace(preset="fashion_toy", figure="figure_b1"))
    with pytest.raises(InputError, match="preset digits: unknown study 'methods'; known: toy"):
        show.study_of_figure(with_study, SimpleNamespace(preset="digits", figure="figure_b2"))


def test_before_anything_is_run_every_row_says_so(with_study):
    registry = with_study.catalogue()
    document = found_study(registry, "toy")
    assert [row.label for row in document.rows] == ["SiT", "SRA"]
    assert document.missing == 2 * 3 * 2
    render_table(registry, "table_b1")
    text = (registry.root / Results("digits").table("table_b1", "md")).read_text(encoding="utf-8")
    assert text.count("| not run |") >= 2
    assert "Not run yet: 12 scores of the study." in text
    assert document.informative_words in text


def test_a_file_of_another_study_is_refused(with_study):
    registry = with_study.catalogue()
    path = registry.root / Results("digits").study("toy")
    path.parent.mkdir(parents=True)
    path.write_text(found_study(registry, "toy").model_copy(update={"study": "other"}).model_dump_json())
    with pytest.raises(InputError, match="is study other of preset digits; sra study toy --preset digits writes it anew"):
        found_study(registry, "toy")


def test_page_and_list_of_numbers_have_every_score_of_the_study(with_study, monkeypatch):
    registry = with_study.catalogue()
    wanted = StudyFiles(study_named("toy", registry), registry).wanted()
    for place, item in enumerate(wanted):
        path = registry.root / Results("digits").score(item.run, item.score)
        write_score_file(path, item.run, item.score.milestone, item.score.sampler, item.score.samples, "digits", fid=20.0 + place)
    render_study(registry, "toy")
    render_table(registry, "table_b1")
    render_figure(registry, "figure_b1")
    monkeypatch.setattr(pdf, "render_pdf", lambda *_: None)  # it has tests of its own
    render_report(registry)
    page = (registry.root / Results("digits").report).read_text(encoding="utf-8")
    files = load_scores([registry.root / Results("digits").score(item.run, item.score) for item in wanted], "digits")
    assert len(files) == 12
    assert all(f'id="r-{file.sha256[:8]}"' in page for file in files)
    links = set(re.findall(r'href="#(r-[0-9a-f]{8})"', page))
    assert len(links) == 4  # the method's three seeds and the baseline's first; Figure B2 has all
    assert links <= set(re.findall(r'id="(r-[0-9a-f]{8})"', page))
    lines = registry_lines(registry)
    assert {(line.run, line.milestone, line.value) for line in lines} == {
        (item.run, item.score.milestone, 20.0 + place) for place, item in enumerate(wanted)
    }
    assert {line.shown_in for line in lines} == {"table_b1 figure_b1"}
