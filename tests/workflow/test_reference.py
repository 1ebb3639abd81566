"""Results that the checkout has, rendered anew in a copy of it: the same bytes as committed, without training; and README says what they say."""

import shutil
from pathlib import Path

import pytest

from sra.core.files import read_json
from sra.study.document import read_study

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "results" / "reference"
STUDIES = sorted(REFERENCE.glob("*/studies/*.json"))
DRAWN = ("studies/*.json", "tables/*.csv", "tables/*.md", "figures/*.svg")


def drawn(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for pattern in DRAWN for path in sorted(folder.glob(pattern))}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory, new_checkout):
    """A copy of the checkout whose committed results were rendered again after all that is drawn from them was taken away."""
    checkout = new_checkout(tmp_path_factory.mktemp("reference") / "checkout")
    kept = checkout.folder / "results" / "reference"
    shutil.copytree(REFERENCE, kept)
    for study in STUDIES:
        for name in drawn(study.parents[1]):
            (kept / study.parents[1].name / name).unlink()
    done = checkout.snakemake("reference_report", "--show-failed-logs")
    assert done.returncode == 0, done.stdout[-6000:]
    return kept


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.parents[1].name)
def test_committed_results_render_to_the_same_bytes(rendered, study):
    preset = study.parents[1]
    ours, committed = drawn(rendered / preset.name), drawn(preset)
    assert {f"studies/{study.name}", "tables/table_b1.csv", "figures/figure_b1.svg"} <= committed.keys()
    assert ours.keys() >= committed.keys()
    assert [name for name, content in committed.items() if ours[name] != content] == []
    assert all((rendered / preset.name / f"report.{kind}").stat().st_size > 100_000 for kind in ("html", "pdf"))


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.parents[1].name)
def test_the_readme_says_what_the_committed_study_says(study):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = read_study(study)
    assert len(found.short) == 4
    for sentence in found.short:
        assert sentence in readme
    assert f"results/reference/{found.preset}/figures/figure_b1.svg" in readme


def test_the_page_of_the_scale_says_what_the_committed_networks_tell():
    """Shares of held-out images or turns, from the receipts of the networks that stand for downloaded ones."""
    page = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    facts = [read_json(path)["facts"] for path in sorted((REFERENCE / "fashion_cpu" / "standins").glob("*.json"))]
    told = [f"{fact['held_out_accuracy']:.1%}".replace("%", " %") for fact in facts if "held_out_accuracy" in fact]
    assert len(told) == 3
    assert [share for share in told if share not in page] == []


def test_the_page_says_whether_a_run_on_a_gpu_is_committed():
    page = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    assert ("No run of `fashion` itself is committed" in page) == (not (REFERENCE / "fashion").exists())
