"""The stage that renders from the results folder: which data set a table names, and whose time the page counts."""

import re
import subprocess

import pytest

from sra.core.errors import InputError
from sra.core.files import read_json
from sra.reporting.rendering import render_claims, render_figure, render_report, render_table


def test_tables_name_the_data_set_of_their_runs(registry):
    for table, dataset in (("table_2", "scenes"), ("table_6", "digits")):
        render_table(registry, table)
        assert f"data set {dataset}, one seed" in read_json(registry.root / f"results/digits/tables/{table}.json")["conditions"]


def test_text_to_image_is_rendered_before_anything_ran(registry):
    for table in ("table_2", "table_s2"):
        render_table(registry, table)
    render_figure(registry, "figure_t2i")
    assert read_json(registry.root / "results/digits/figures/figure_t2i.json")["alt"] == "No samples yet."
    render_report(registry)
    page = (registry.root / "results/digits/report.html").read_text()
    assert "Figure T2I" in page
    assert "draws both digits" not in page


def test_a_run_of_another_resolution_is_asked_for_what_its_own_part_trains_to(registry):
    """Table 4's 1M steps are a milestone of 512 pixels alone, at which those runs are scored like any other."""
    assert "m1m" not in registry.preset.milestones
    render_table(registry, "table_4")
    render_report(registry)
    page = (registry.root / "results/digits/report.html").read_text()
    assert '<span class="state">○ 0 of 3 results</span>' in page
    assert "0 of 3" in page.split('<dl class="facts">')[1].split("</dl>")[0]
    assert "beyond" not in page.split('<dl class="facts">')[1].split("</dl>")[0]


def test_templates_and_texts_are_those_beside_the_snakefile(registry):
    """Not of the installed package, which may lie in an image."""
    templates = registry.root / "report/templates"
    for name in ("table.html.j2", "report.html.j2"):
        (templates / name).write_text(f"mine: {name}")
    (registry.root / "report/references.yaml").unlink()
    render_table(registry, "table_6")
    assert (registry.root / "results/digits/tables/table_6.html").read_text() == "mine: table.html.j2\n"
    with pytest.raises(InputError, match=r"report/references\.yaml: no such file"):
        render_report(registry)


def test_claims_are_judged_and_shown_before_anything_ran(registry):
    render_claims(registry)
    render_table(registry, "table_6")
    render_report(registry)
    folder = registry.root / "results/digits"
    document = read_json(folder / "claims.json")
    assert document["counts"]["not run"] == len(document["claims"])
    assert (folder / "claims.csv").exists()
    assert (folder / "claims.md").exists()
    page = (folder / "report.html").read_text()
    assert all(f'id="claim-{claim["id"]}"' in page for claim in document["claims"])
    assert '<a href="#table_6">Table 6</a>' in page
    assert "<code>snakemake --cores 2 table_6</code>" in page


def test_the_time_of_both_data_sets_is_counted(registry):
    for dataset, stage in (("digits", "latents"), ("scenes", "text")):
        file = registry.root / f"results/shared/{dataset}/benchmarks/{stage}/one.tsv"
        file.parent.mkdir(parents=True)
        file.write_text("s\th:m:s\n60\t0:01:00\n")
    render_report(registry)
    page = (registry.root / "results/digits/report.html").read_text()
    assert "2 min 00 s" in page
    assert "text 1 min 00 s" in page


def test_the_page_and_the_pdf_are_written_together(registry):
    render_report(registry)
    folder = registry.root / "results/digits"
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF-")
    assert 'href="report.pdf"' in (folder / "report.html").read_text()


def test_disk_counts_what_is_kept_and_not_what_is_drawn(registry):
    results = registry.root / "results"
    for name, size in {"digits/scores/one.json": 1000, "digits/samples/a/pack.npz": 24, "shared/scenes/index.json": 1024}.items():
        path = results / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
    for name in ("digits/tables/old.html", "digits/logs/one.log", "shared/digits/logs/one.log", "shared/digits/benchmarks/one.log"):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_bytes(b"x" * 5000)
    render_report(registry)
    assert "2.00 KiB" in (results / "digits/report.html").read_text()


def test_the_report_says_whether_the_code_is_the_commit(registry):
    def git(*arguments):
        subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e@e", *arguments], cwd=registry.root, check=True, capture_output=True)

    def code() -> str:
        render_report(registry)
        return re.search(r"<dt>Code</dt><dd>(.*?)</dd>", (registry.root / "results/digits/report.html").read_text())[1]

    assert code() == "commit unknown: no checkout"
    git("init")
    git("add", "config", "report")
    git("commit", "-m", "all")
    assert re.fullmatch(r"commit [0-9a-f]{10}", code())
    (registry.root / "report/limits.yaml").write_text((registry.root / "report/limits.yaml").read_text() + "\n")
    assert re.fullmatch(r"commit [0-9a-f]{10}, with changes that are not committed", code())
