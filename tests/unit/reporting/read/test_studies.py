"""A study read from the results: scores that are there, missing and diverged, what trials chose, and the rows that follow from it."""

from pathlib import Path

import numpy as np
import pytest
from score_files import write_score_file
from toy_study import STUDY, write_toy_study

from sra.content.catalogue import Catalogue
from sra.content.required import RequiredScore
from sra.content.studies import scores_of_part, scores_of_whole
from sra.core.errors import InputError
from sra.core.files import read_json, write_json
from sra.reporting.read.published import load_published
from sra.reporting.rendering import render_everything, render_study, study_files, write_choices
from sra.spec.diverged import write_diverged
from sra.spec.layout import Results
from sra.spec.metric import ScoreOf
from sra.spec.seeds import split_seed
from sra.study.document import read_choices, read_study

ROOT = Path(__file__).parents[4]
EFFECTS = {"sit_b2": 1.0, "sit_b2_sra": 0.8, "sit_b2_layersync": 1.1, "sit_b2_dispersive": 1.0}
STEPS = {"m200k": 1.0, "m400k": 0.7, "m800k": 0.5}


def fid(item: RequiredScore, tuned: float = 0.9) -> float:
    """By formula: the row, the milestone, a shift of the seed that all rows share, and a wobble of each training."""
    name, seed = split_seed(item.run)
    run, _, trial = name.partition("__")
    wobble = np.random.default_rng([*item.run.encode(), *item.score.milestone.encode()]).normal(0, 0.004)
    shared = 0.1 * np.sin(1 + (seed or 0))
    return 20 * EFFECTS[run] * STEPS[item.score.milestone] * (tuned if trial else 1) * float(np.exp(wobble + shared))


@pytest.fixture
def toy(checkout):
    """`toy(study)`: the catalogue of a checkout with the toy study and no results."""

    def make(study: str = STUDY) -> Catalogue:
        checkout.show_only()
        write_toy_study(checkout.folder, study)
        return Catalogue(checkout.folder, "toy")

    return make


def write_scores(registry: Catalogue, wanted: list[RequiredScore], tuned: float = 0.9) -> None:
    for item in wanted:
        path, score = registry.root / Results("toy").score(item.run, item.score), item.score
        write_score_file(path, item.run, score.milestone, score.sampler, preset="toy", fid=fid(item, tuned))


def all_scores(registry: Catalogue, chosen: dict[str, float]) -> list[RequiredScore]:
    return scores_of_whole(registry.studies["toy"], registry, chosen, {})


def rows_of(document) -> dict:
    return {row.run: row for row in document.rows}


def test_trials_choose_and_the_tuned_rows_follow(toy):
    registry = toy()
    write_scores(registry, scores_of_part(registry.studies["toy"], "tuning", registry), tuned=0.9)
    choices = write_choices(registry, "toy")
    assert read_choices(registry.root / Results("toy").study_choices("toy")) == choices
    assert [(sweep.run, sweep.what, sweep.chosen) for sweep in choices.sweeps] == [
        ("sit_b2", "rate", 2.0),
        ("sit_b2_sra", "weight", 4.0),
        ("sit_b2_layersync", "weight", 4.0),
        ("sit_b2_dispersive", "weight", 4.0),
    ]
    sra = choices.sweeps[1]
    assert [trial.run for trial in sra.trials] == ["sit_b2_sra__s100", "sit_b2_sra__weight_x4__s100"]
    gain = 1 - sra.trials[1].value / sra.trials[0].value
    assert sra.words == f"4 times what is published is better by {gain:.1%}"
    document = render_study(registry, "toy")
    tuned = [row for row in document.rows if row.kind == "tuned"]
    assert [(row.run, row.factor) for row in tuned] == [(f"{run}__weight_x4", 4.0) for run in list(EFFECTS)[1:]]
    assert {value.status for row in tuned for point in row.points for value in point.values} == {"not run"}


def test_without_a_gain_there_are_no_tuned_rows(toy):
    registry = toy()
    write_scores(registry, scores_of_part(registry.studies["toy"], "tuning", registry), tuned=1.3)
    assert {sweep.chosen for sweep in write_choices(registry, "toy").sweeps} == {1.0}
    assert "tuned" not in {row.kind for row in render_study(registry, "toy").rows}


def test_a_trial_that_is_missing_leaves_its_choice_open_and_one_that_diverged_loses(toy):
    registry = toy()
    wanted = scores_of_part(registry.studies["toy"], "tuning", registry)
    lost, waited = "sit_b2_sra__weight_x4__s100", "sit_b2_layersync__weight_x4__s100"
    write_scores(registry, [item for item in wanted if item.run not in (lost, waited)])
    write_diverged(registry.root / Results("toy").config(lost), registry.spec(lost), 3)
    sweeps = {sweep.run: sweep for sweep in write_choices(registry, "toy").sweeps}
    assert (sweeps["sit_b2_sra"].chosen, sweeps["sit_b2_sra"].words) == (1.0, "the published value is the best of its trials; 4 times it diverged")
    trial = sweeps["sit_b2_sra"].trials[1]
    assert (trial.value, trial.status, trial.reason) == (None, "diverged", "training diverged at step 3")
    assert (sweeps["sit_b2_layersync"].chosen, sweeps["sit_b2_layersync"].words) == (None, "waits for its trials at 4 times what is published")
    assert sweeps["sit_b2_dispersive"].chosen == 4.0


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        ("feature network", {"extractor": {"name": "digits_cnn", "sha256": "f" * 64, "held_out_accuracy": 0.975}}),
        ("reference", {"reference": {"sha256": "f" * 64, "images": 100, "statistics_count": 100}}),
        ("second feature network", {"about": {"fd_selfsup": {"extractor_sha256": "f" * 64}}}),
        ("second reference", {"about": {"fd_selfsup": {"reference_sha256": "f" * 64}}}),
    ],
)
def test_scores_by_two_networks_are_refused(toy, what, changed):
    """As when results of two kinds of processors meet, on which what is trained here differs."""
    registry = toy()
    write_scores(registry, all_scores(registry, {}))
    paths = sorted((registry.root / "results/toy/scores").rglob("n50000.json"))
    for path in paths:
        write_json(path, read_json(path) | {"about": {"fd_selfsup": dict.fromkeys(("extractor_sha256", "reference_sha256"), "a" * 64)}})
    render_study(registry, "toy")
    odd = registry.root / Results("toy").score("sit_b2_sra__s1", ScoreOf(milestone="m200k", sampler="sde250", samples=50000))
    write_json(odd, read_json(odd) | changed)
    with pytest.raises(
        InputError, match=rf"sit_b2_sra__s1/m200k/sde250/n50000.json: its {what} is ffffffff, expected .* in {len(paths) - 1} scores"
    ) as caught:
        render_study(registry, "toy")
    assert "\n" not in str(caught.value)


def test_ratios_are_those_of_the_files(toy):
    registry = toy()
    write_scores(registry, all_scores(registry, {}))
    document = render_study(registry, "toy")
    assert read_study(registry.root / Results("toy").study("toy")) == document

    def read(run: str, milestone: str) -> np.ndarray:
        paths = [registry.root / f"results/toy/scores/{name}/{milestone}/sde250/n50000.json" for name in (run, f"{run}__s1", f"{run}__s2")]
        return np.array([read_json(path)["metrics"]["fid"] for path in paths])

    for run in EFFECTS:
        row = rows_of(document)[run]
        assert [point.mean for point in row.points[:2]] == pytest.approx([np.exp(np.log(read(run, at)).mean()) for at in ("m200k", "m400k")])
        if run != "sit_b2":
            ratios = read(run, "m400k") / read("sit_b2", "m400k")
            assert [seed.effect for seed in row.effect().seeds] == pytest.approx(ratios.tolist())
            assert row.effect().mean == pytest.approx(np.exp(np.log(ratios).mean()))
    assert document.longer.mean == pytest.approx(np.exp(np.log(read("sit_b2", "m800k") / read("sit_b2", "m400k")).mean()))
    assert document.informative is True
    assert {run: rows_of(document)[run].effect().verdict for run in list(EFFECTS)[1:3]} == {"sit_b2_sra": "better", "sit_b2_layersync": "worse"}
    assert document.missing == 0


def test_missing_and_diverged_trainings_are_said(toy):
    registry = toy()
    write_scores(registry, [item for item in all_scores(registry, {}) if item.run not in ("sit_b2_sra__s1", "sit_b2_layersync__s2")])
    write_diverged(registry.root / Results("toy").config("sit_b2_layersync__s2"), registry.spec("sit_b2_layersync__s2"), 12)
    document = render_study(registry, "toy")
    points = {run: [[value.status for value in point.values] for point in rows_of(document)[run].points] for run in EFFECTS}
    assert points["sit_b2_sra"] == [["ok", "not run", "ok"]] * 2
    assert points["sit_b2_layersync"] == [["ok", "ok", "not run"], ["ok", "ok", "diverged"]]
    early, late = (point.values[2].reason for point in rows_of(document)["sit_b2_layersync"].points)
    assert (early, late) == ("training diverged later, at step 12", "training diverged at step 12")
    assert (document.missing, document.diverged) == (3, ["LayerSync, seed 2"])
    assert "3 of the numbers are not there yet. Diverged: LayerSync, seed 2." in document.findings[0]
    assert rows_of(document)["sit_b2_sra"].effect().verdict == "one seed"  # two seeds of three judge nothing
    # Another run of that name, as after an edit of its experiment, has not diverged.
    write_diverged(registry.root / Results("toy").config("sit_b2_layersync__s2"), registry.spec("sit_b2_layersync__s1"), 12)
    assert render_study(registry, "toy").diverged == []


def test_a_refresh_says_what_there_is_of_a_study_that_was_begun(toy):
    registry = toy()
    file = registry.root / Results("toy").study("toy")
    render_everything(registry)
    assert not file.exists()
    assert not study_files(registry, "toy").begun
    write_scores(registry, scores_of_part(registry.studies["toy"], "published", registry)[:1])
    render_everything(registry)
    assert read_study(file).missing == 3 * (3 + 3 * 2) - 1


def test_published_numbers_of_the_studies_are_there(checkout):
    """Their keys are looked up when a study is rendered, which is after it was trained."""
    registry = Catalogue(checkout.folder, "fashion_cpu")
    published = load_published(checkout.folder / "report/published")
    for study in registry.studies.values():
        for row in study.all_rows:
            if row.published:
                assert published.number(row.published, study.metric, study.id).value > 0
                assert row.protocol
