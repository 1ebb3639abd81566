"""Trials of a study: their names, what they change, and the seeds that come after."""

from pathlib import Path

import pytest

from sra.core.errors import InputError
from sra.spec.registry import Registry
from sra.spec.seeds import split_seed
from sra.spec.variants import FACTORS, Variant, split_variant, varied

ROOT = Path(__file__).parents[3]
CPU = Registry(ROOT, "fashion_cpu")
ROWS = [row.run for row in CPU.studies["methods"].methods]


@pytest.mark.parametrize("what", ["weight", "rate"])
@pytest.mark.parametrize("run", ["sit_b2", "sit_b2_sra", "a__b"])
def test_names_say_what_is_varied(run, what):
    assert varied(run, what, 1) == run
    assert split_variant(run) == (run, None)
    names = {varied(run, what, factor) for factor in FACTORS.values()}
    assert len(names) == len(FACTORS)
    for factor in FACTORS.values():
        assert split_variant(varied(run, what, factor)) == (run, Variant(what, factor))


@pytest.mark.parametrize("name", ["sit_b2__weight_x3", "sit_b2__weight_4", "sit_b2_weight_x4", "sit_b2__width_x4", "__weight_x4"])
def test_other_names_are_no_trials(name):
    assert split_variant(name) == (name, None)


@pytest.mark.parametrize("run", ROWS)
@pytest.mark.parametrize("factor", [0.25, 4.0])
def test_a_trial_differs_from_its_run_in_its_weights_alone(run, factor):
    own, trial = CPU.spec(run), CPU.spec(varied(run, "weight", factor))
    assert [part.weight for part in trial.alignment.parts] == [factor * part.weight for part in own.alignment.parts]
    assert trial.fingerprint != own.fingerprint
    assert trial.model_copy(update={"run": run, "alignment": trial.alignment.scaled(1 / factor)}) == own
    assert CPU.milestones(trial.run) == CPU.milestones(run)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_trial_of_the_learning_rate_changes_that_alone(factor):
    own, trial = CPU.spec("sit_b2"), CPU.spec(varied("sit_b2", "rate", factor))
    assert trial.training.learning_rate == factor * own.training.learning_rate
    training = trial.training.model_copy(update={"learning_rate": own.training.learning_rate})
    assert trial.model_copy(update={"run": "sit_b2", "training": training}) == own
    assert CPU.milestones(trial.run) == CPU.milestones("sit_b2")


def test_a_seed_comes_after():
    name = "sit_b2_sra__weight_x4__s100"
    assert split_seed(name) == ("sit_b2_sra__weight_x4", 100)
    trial, seeded = CPU.spec("sit_b2_sra__weight_x4"), CPU.spec(name)
    assert seeded.training.seed == 100
    training = seeded.training.model_copy(update={"seed": 0})
    assert seeded.model_copy(update={"run": trial.run, "training": training}) == trial
    assert CPU.milestones(name) == CPU.milestones("sit_b2_sra")


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("sit_b2_sra__weight_x3", "unknown run 'sit_b2_sra__weight_x3'"),
        ("sit_b2_sra__s1__weight_x4", "unknown run 'sit_b2_sra__s1'"),
        ("sit_b2_sra__weight_x4__s0", "sit_b2_sra has seed 0 itself; ask for sit_b2_sra__weight_x4"),
        ("sit_b2__weight_x4", "run sit_b2__weight_x4: method none has no weight"),
        ("sit_b2_srra__rate_x2", "unknown run 'sit_b2_srra'; did you mean 'sit_b2_sra'"),
    ],
)
def test_what_is_no_trial_is_refused(run, message):
    with pytest.raises(InputError, match=message):
        CPU.spec(run)
