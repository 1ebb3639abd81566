"""What a preset's report shows, presets that stand on another, and the seeds and small networks that a preset chooses."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from sra.content.catalogue import Catalogue
from sra.content.claims import load_claims
from sra.core.errors import InputError
from sra.plan import data, show
from sra.plan.workflow import checked_plan
from sra.spec.seeds import Seeds

ROOT = Path(__file__).resolve().parents[3]
DIGITS, FASHION, TOY = (Catalogue(ROOT, name) for name in ("digits", "fashion", "fashion_toy"))


def test_a_preset_shows_what_it_names_and_without_names_all_that_is_not_on_request():
    assert (FASHION.shown_tables, FASHION.shown_figures) == (["table_s5"], ["figure_s2", "figure_s4"])
    left_out = {*DIGITS.tables, *DIGITS.figures} - {*DIGITS.shown_tables, *DIGITS.shown_figures}
    of_the_study = {"table_b1", "figure_b1", "figure_b2", "figure_b3", "figure_b4", "figure_b5"}
    one_class_each = {f"figure_{number}" for number in range(10, 26)}
    assert left_out == {"table_s5", "figure_s2", "figure_s3", "figure_s4"} | of_the_study | one_class_each
    assert "figure_10_25" in DIGITS.shown_figures
    assert list(FASHION.tables) == list(DIGITS.tables)  # every table can still be asked for


def test_sixteen_figures_are_sixteen_at_the_papers_scale():
    shown = Catalogue(ROOT, "paper").shown_figures
    assert {f"figure_{number}" for number in range(10, 26)} <= set(shown)
    assert "figure_10_25" not in shown


def test_the_benchmarks_images_are_of_its_baseline_and_every_method():
    study, figure = FASHION.studies["methods"], FASHION.figures["figure_b5"]
    rows = [study.baseline, *(row for row in study.rows if not row.control)]
    assert [(each.run, each.label) for each in figure.runs] == [(row.run, row.label) for row in rows]
    assert (figure.score.milestone, figure.score.sampler, figure.score.samples) == (study.last, study.sampler, study.samples)


def test_no_claim_stands_on_what_is_not_shown():
    assert len(load_claims(DIGITS).claims) > 10
    assert [claim.id for claim in load_claims(FASHION).claims] == ["b2_most_of_repa"]


def test_the_fashion_report_needs_three_methods_with_three_seeds():
    plan = checked_plan(ROOT, {"preset": "fashion"})
    files = show.scores_of_table(plan, SimpleNamespace(preset="fashion", table="table_s5"))
    assert {Path(file).parents[2].name for file in files} == {
        f"{run}{seed}" for run in ("sit_b2", "sit_b2_sra", "sit_b2_repa") for seed in ("", "__s1", "__s2")
    }


def test_the_papers_pairs_of_blocks_are_the_fashion_presets():
    spec = FASHION.spec("sit_b2_sra")
    assert (spec.alignment.student_block, spec.alignment.teacher_block) == (3, 8)
    assert FASHION.spec("sit_b2_repa").alignment.block == 4


def test_the_toy_is_the_same_preset_but_for_what_it_says():
    own, base = TOY.preset, FASHION.preset
    assert (own.shows, own.latent, own.image_size, own.batch) == (base.shows, base.latent, base.image_size, 16)
    assert own.dataset == "fashion_toy"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("config/presets/fashion_toy.yaml", "based_on: fashion", "based_on: fasion"), "based_on: unknown preset 'fasion'; did you mean 'fashion'"),
        (("config/presets/fashion.yaml", "title:", "based_on: digits\ntitle:"), "fashion is based on another preset itself"),
        (("config/presets/fashion.yaml", "shows: [table_s5", "shows: [table_s9"), r"fashion_toy.yaml: shows: unknown table or figure 'table_s9'"),
        (("config/presets/fashion_toy.yaml", "seeds: [0, 1]", "seeds: [1, 1]"), r"seeds \[1, 1\]: name at least one, and each once"),
        (("config/presets/fashion_toy.yaml", "based_on: fashion\n", ""), "fashion_toy.yaml: comparable is missing"),
    ],
    ids=["unknown base", "base of a base", "unknown table", "seed twice", "no base"],
)
def test_a_wrong_preset_is_refused_in_one_line(checkout, change, message):
    file, old, new = change
    checkout.edit(file, old, new)
    with pytest.raises(InputError, match=message) as caught:
        _ = Catalogue(checkout.folder, "fashion_toy").shown_tables
    assert "\n" not in str(caught.value)


def test_the_users_seeds_come_before_the_presets():
    assert DIGITS.seeds == Seeds()
    assert FASHION.seeds == Seeds(training=(0, 1, 2))
    assert Catalogue(ROOT, "fashion", asked=Seeds(sampling=(0, 1))).seeds == Seeds(training=(0, 1, 2), sampling=(0, 1))
    assert Catalogue(ROOT, "fashion", asked=Seeds(training=(5,))).seeds == Seeds(training=(5,))


def test_small_networks_are_trained_as_their_preset_says_and_no_others():
    plan = checked_plan(ROOT, {"preset": "digits"})

    def options(dataset: str) -> list[str]:
        return data.standin_options(plan, SimpleNamespace(dataset=dataset), "vae")

    assert options("fashion_toy") == ["--steps", "60", "--batch", "16"]
    assert options("fashion") == ["--width", "16", "--steps", "4000", "--batch", "64", "--learning-rate", "0.002"]
    for dataset in ("digits", "scenes", "digits64"):
        assert options(dataset) == []


@pytest.mark.parametrize(("paths", "options"), [({}, ["--downloads", "downloads"]), ({"fashion": "/a b"}, ["--source", "/a b"])])
def test_fashion_mnist_comes_from_the_users_folder_or_is_downloaded(paths, options):
    plan = checked_plan(ROOT, {"preset": "fashion", "paths": paths})
    assert data.making_options(plan, SimpleNamespace(dataset="fashion")) == options
    assert data.making_options(plan, SimpleNamespace(dataset="digits")) == []
    assert '"images":2100' in data.row(plan, SimpleNamespace(dataset="fashion_toy"))
    assert data.makers(plan) == ["digits", "fashion"]
    assert data.made_by(plan, "fashion").split("|") == ["fashion", "fashion_toy"]
