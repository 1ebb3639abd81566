"""The stage that renders from the results folder: which data set a table names, and whose time the page counts."""

import shutil

import pytest

from sra.core.files import read_json
from sra.spec.registry import Registry
from sra.stages.render import render_claims, render_figure, render_report, render_table


@pytest.fixture
def registry(tmp_path, root) -> Registry:
    """The repository's configuration and report files in a folder of their own, without any result."""
    for name in ("config", "report"):
        shutil.copytree(root / name, tmp_path / name)
    return Registry(tmp_path, "digits")


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
