"""What is said before any work and handed on after it: the plan's cost, the registry and the appendix, the archive, Snakemake's own report."""

import re
import zipfile

import pytest
from cost_files import cost_of
from score_files import write_score_file

from sra.content.catalogue import Catalogue
from sra.plan.cost import text_of


@pytest.fixture(scope="module")
def settings_alone(tmp_path_factory, new_checkout):
    """The default target of a report that holds nothing but the table of settings, for which nothing is trained."""
    checkout = new_checkout(tmp_path_factory.mktemp("publish") / "checkout")
    checkout.show_only(table_5=(checkout.folder / "report/tables/table_5.yaml").read_text(encoding="utf-8"))
    done = checkout.snakemake("--show-failed-logs")
    assert done.returncode == 0, done.stdout[-4000:]
    return checkout


def test_the_plan_is_printed_without_any_result(checkout):
    done = checkout.snakemake("plan", "--quiet", "all", "--config", "preset=paper", "gpus=8")
    assert done.returncode == 0, done.stdout
    expected = text_of(cost_of(Catalogue(checkout.folder, "paper"), [], devices=8))
    assert "8 GPUs, a100" in expected
    assert expected in done.stdout
    assert (checkout.folder / "results/paper/logs/plan.log").read_text().strip() == expected
    assert [path.name for path in (checkout.folder / "results").rglob("*") if path.is_file()] == ["plan.log"]


@pytest.mark.parametrize("given", ["gpus=0", "gpus=many"])
def test_a_wrong_number_of_gpus_is_refused(checkout, given):
    done = checkout.snakemake("plan", "--config", given)
    assert done.returncode == 2
    assert next(line for line in done.stdout.splitlines() if line.startswith("error: ")).startswith("error: --config: gpus: ")


@pytest.mark.slow
def test_the_default_target_writes_registry_and_appendix_once(settings_alone):
    folder = settings_alone.folder / "results/digits"
    assert (folder / "registry.tsv").read_text().startswith("kind\trun\t")
    assert "| Table 5: Settings | `snakemake --cores 2 table_5` | nothing is run |" in (folder / "appendix.md").read_text()
    assert "Nothing to be done" in settings_alone.snakemake().stdout


@pytest.mark.slow
def test_a_changed_list_of_data_sets_writes_the_appendix_again_and_no_more(settings_alone):
    path = settings_alone.folder / "config/datasets.tsv"
    before = path.read_text()
    path.write_text(before.replace("8x8 grey", "8 x 8 grey"))
    assert settings_alone.planned() == {"write_appendix": 1, "all": 1}
    path.write_text(before)


@pytest.mark.slow
def test_the_archive_needs_everything_and_says_what_is_missing(settings_alone):
    assert settings_alone.planned("archive") == {"archive": 1}
    done = settings_alone.snakemake("archive", "--show-failed-logs")
    assert done.returncode != 0
    assert "there is no score to archive" in done.stdout
    score = settings_alone.folder / "results/digits/scores/sit_b2/m400k/sde250/n50000.json"
    write_score_file(score, "sit_b2", preset="digits", fid=7.25)
    assert settings_alone.snakemake("archive").returncode == 0
    (packed,) = (settings_alone.folder / "results/digits").glob("sra-repro-digits-*.zip")
    assert zipfile.ZipFile(packed).testzip() is None


@pytest.mark.slow
def test_the_report_of_snakemake_shows_tables_with_captions(settings_alone):
    done = settings_alone.snakemake("--report", "report.html")
    assert done.returncode == 0, done.stdout[-4000:]
    text = (settings_alone.folder / "report.html").read_text()
    assert "as published beside as measured here" in text
    assert '"title": "Settings"' in text
    assert not re.search(r"(src|href)=.https?://[^>]*(\.js|\.css)", text)
