"""Several seeds: the names they give to runs and samplers, and what a registry makes of them."""

import shutil
from pathlib import Path

import pytest

from sra.core.errors import InputError
from sra.spec.config import UserConfig
from sra.spec.load import checked
from sra.spec.metric import ScoreOf
from sra.spec.registry import Registry
from sra.spec.seeds import Seeds, seeded, split_seed

ROOT = Path(__file__).resolve().parents[3]
DIGITS = Registry(ROOT, "digits")
SCORE = ScoreOf(milestone="m400k", sampler="sde250", samples=50000)


@pytest.mark.parametrize(("name", "seed"), [("sit_b2", 0), ("sit_b2_sra", 12), ("ode50_cfg2_uvit", 1234)])
def test_a_name_says_its_seed_where_it_is_not_its_own(name, seed):
    assert seeded(name, seed, own=seed) == name
    assert split_seed(seeded(name, seed, own=7)) == (name, seed)
    assert split_seed(name) == (name, None)


def test_another_seed_changes_the_seed_and_the_name_alone():
    own, other = DIGITS.spec("sit_b2_sra"), DIGITS.spec("sit_b2_sra__s3")
    assert (own.training.seed, other.training.seed) == (0, 3)
    assert own.fingerprint != other.fingerprint
    training = other.training.model_copy(update={"seed": 0})
    assert other.model_copy(update={"run": "sit_b2_sra", "training": training}) == own
    assert DIGITS.milestones("sit_b2_sra__s3") == DIGITS.milestones("sit_b2_sra")


def test_a_sampler_takes_the_seed_of_its_name():
    own, other = DIGITS.sampler("ode50_cfg2_uvit"), DIGITS.sampler("ode50_cfg2_uvit__s5")
    assert (own.seed, other.seed) == (1234, 5)
    assert other.model_copy(update={"seed": 1234}) == own


@pytest.mark.parametrize(
    ("run", "message"),
    [("sit_b2__s0", "has seed 0 itself; ask for sit_b2"), ("sit_xl2_released__s1", "is not trained here"), ("sit_b3__s1", "'sit_b3'")],
)
def test_one_thing_has_one_name(run, message):
    with pytest.raises(InputError, match=message):
        DIGITS.spec(run)


def test_each_pair_of_seeds_is_one_score():
    registry = Registry(ROOT, "digits", asked=Seeds(training=(0, 2), sampling=(0, 1)))
    found = [(run, score.sampler) for run, score in registry.with_seeds("sit_b2", SCORE)]
    assert found == [("sit_b2", "sde250"), ("sit_b2", "sde250__s1"), ("sit_b2__s2", "sde250"), ("sit_b2__s2", "sde250__s1")]
    assert DIGITS.with_seeds("sit_b2", SCORE) == [("sit_b2", SCORE)]


def test_a_run_whose_row_has_a_seed_of_its_own_is_paired_by_that(tmp_path):
    shutil.copytree(ROOT / "config", tmp_path / "config")
    experiment = tmp_path / "config/experiments/sit_b2.yaml"
    changed = experiment.read_text().replace("sit_b2_sra: {method: sra}", "sit_b2_sra: {method: sra, seed: 1}")
    experiment.write_text(changed)
    registry = Registry(tmp_path, "digits", asked=Seeds(training=(0, 1, 2)))
    for run in ("sit_b2", "sit_b2_sra"):
        names = registry.with_training_seeds(run)
        assert [registry.seeds.of_run(name) for name in names] == [registry.spec(name).training.seed for name in names] == [0, 1, 2]
    assert registry.with_training_seeds("sit_b2_sra") == ["sit_b2_sra__s0", "sit_b2_sra", "sit_b2_sra__s2"]


def test_released_weights_have_no_training_seed():
    registry = Registry(ROOT, "paper", asked=Seeds(training=(0, 1, 2), sampling=(0, 1)))
    assert [run for run, _ in registry.with_seeds("sit_xl2_released", SCORE)] == ["sit_xl2_released"] * 2


def test_a_run_may_not_be_called_like_a_seed(tmp_path):
    folder = tmp_path / "mine" / "config"
    (folder / "experiments").mkdir(parents=True)
    for name in ("recipes", "presets"):
        (folder / name).symlink_to(ROOT / "config" / name)
    (folder / "experiments" / "mine.yaml").write_text("recipe: sit\nmodel: SiT-B/2\nmilestones: [m400k]\nruns:\n  mine__s1: {method: none}\n")
    with pytest.raises(InputError, match=r"mine\.yaml: run id 'mine__s1' ends as if it named a seed"):
        _ = Registry(tmp_path / "mine", "digits").runs


@pytest.mark.parametrize(
    ("given", "message"), [([0, 0], "given twice in"), ([], "at least one seed"), ([-1], "greater than or equal to 0"), ([1.5], "valid integer")]
)
def test_bad_seeds_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        checked({"seeds": given}, UserConfig, "config/config.yaml")
