"""What the rules of studies ask and what a study would take: targets, files, and sums by hand for a small one."""

from types import SimpleNamespace

import pytest
from cost_files import cost_of
from toy_study import STUDY, write_toy_study

from sra.content.catalogue import Catalogue
from sra.core.errors import InputError
from sra.core.files import write_json
from sra.forecast import flops
from sra.forecast.estimate import estimate
from sra.forecast.rates import Prices, Rate, Rates
from sra.plan import study
from sra.plan.context import Context
from sra.plan.cost import json_of, text_of
from sra.plan.remaining import Remaining
from sra.plan.workflow import checked_plan
from sra.spec.diverged import write_diverged
from sra.spec.layout import Results
from sra.study.document import GuidanceChoice, StudyChoices, Sweep

METHODS = ("sit_b2_sra", "sit_b2_layersync", "sit_b2_dispersive")
SPEED = 1e7  # FLOPs a second, of everything; a job takes a second to start
RATES = Rates(
    "cpu",
    tuple(
        Rate(what=what, device="cpu", value=value, unit=unit, source="assumed", evidence="for a test", confidence="low")
        for what, value, unit in (*((each, SPEED, "FLOP/s") for each in ("train", "sample", "decode", "encode", "inception")), ("start", 1, "s/job"))
    ),
)
WILDCARDS = SimpleNamespace(preset="toy", study="toy")


@pytest.fixture
def toy(checkout):
    """`toy(study, **choices)`: the context of a checkout with the toy study."""

    def make(text: str = STUDY, **user) -> Context:
        checkout.show_only()
        write_toy_study(checkout.folder, text)
        return checked_plan(checkout.folder, {"preset": "toy", **user})

    return make


def write_chosen(context: Context, **factors: float) -> None:
    """By run the factor of its weights."""
    sweeps = [Sweep(run=run, label=run, what="weight", trials=[], chosen=factor, words="for a test") for run, factor in factors.items()]
    choices = StudyChoices(study="toy", preset="toy", sweeps=sweeps, guidance=[GuidanceChoice(run="sit_b2", label="SiT", trials={}, chosen=None)])
    write_json(context.root / Results("toy").study_choices("toy"), choices.model_dump(mode="json"))


# Targets and files


def test_parts_and_rows_can_be_asked_for(toy):
    context = toy()
    assert study.names(context) == ["toy"]
    files = study.parts(context)
    assert list(files) == [f"study_toy_{name}" for name in ("pilot", "published", "controls", "tuning", "sit_b2", *METHODS)]
    assert files["study_toy_sit_b2_sra"] == [
        f"results/toy/scores/{run}/{milestone}/sde250/n50000.json"
        for run in ("sit_b2_sra", "sit_b2_sra__s1", "sit_b2_sra__s2")
        for milestone in ("m200k", "m400k")
    ]
    assert len(files["study_toy_published"]) == 4 * 3 * 2 + 3
    assert study.parts(toy(weights="released")) == {}
    assert study.parts(checked_plan(context.root, {"preset": "digits"})) == {}


def test_the_whole_asks_at_once_for_all_that_is_known(toy):
    context = toy()
    files = study.whole_files(context, "toy")
    assert files[-1] == "results/toy/studies/toy.json"
    assert len(set(files)) == len(files)
    assert set(files[:-1]) == {file for part in ("pilot", "published", "controls", "tuning") for file in study.parts(context)[f"study_toy_{part}"]}


def test_what_trials_chose_is_asked_for_after_them(toy):
    context = toy()
    write_chosen(context, sit_b2_sra=4.0, sit_b2_layersync=1.0)
    choices = Results("toy").study_choices("toy")
    files = study.scores(context, WILDCARDS, choices)
    tuned = [file for file in files if "__weight_x4/" in file or "__weight_x4__s1/" in file]
    assert tuned == [f"results/toy/scores/sit_b2_sra__weight_x4{seed}/{at}/sde250/n50000.json" for seed in ("", "__s1") for at in ("m200k", "m400k")]
    assert set(study.trial_scores(context, WILDCARDS)) < set(files)
    assert study.definition(context, WILDCARDS) == "config/studies/toy.yaml"


def test_what_diverged_is_not_asked_for_again(toy):
    """From the milestone on that it did not reach; of the trials that are looked at as well."""
    context = toy()
    whole = study.whole_files(context, "toy")
    for run, step in (("sit_b2_sra__s1", 12), ("sit_b2_sra__weight_x4__s100", 3)):
        write_diverged(context.root / Results("toy").config(run), context.catalogue().spec(run), step)
    left = {*whole} - {*study.whole_files(context, "toy")}
    assert left == {
        "results/toy/scores/sit_b2_sra__s1/m400k/sde250/n50000.json",
        "results/toy/scores/sit_b2_sra__weight_x4__s100/m200k/sde250__s100/n50000.json",
    }
    assert not left & {*study.trial_scores(context, WILDCARDS)}
    write_chosen(context)
    assert not left & {*study.scores(context, WILDCARDS, Results("toy").study_choices("toy"))}


@pytest.mark.parametrize(
    ("target", "user", "message"),
    [
        ("study_toi", {}, "unknown study 'study_toi'; did you mean 'study_toy'?"),
        ("study_toy_pilots", {}, "unknown study 'study_toy_pilots'; did you mean 'study_toy_pilot'?"),
        ("study_toy", {"weights": "released"}, "study_toy: a study trains its runs; leave weights=released away"),
        (
            "study_toy",
            {"preset": "digits"},
            "study_toy: preset digits has no study; name one of config/studies under studies in config/presets/digits.yaml",
        ),
    ],
)
def test_targets_that_do_not_exist(toy, target, user, message):
    context = checked_plan(toy().root, {"preset": "toy", **user})
    with pytest.raises(InputError) as error:
        study.wanted_by(context, target)
    assert str(error.value) == message


def test_seeds_of_the_user_are_passed_on(toy):
    assert study.seed_options(toy()) == []
    assert study.seed_options(toy(seeds=[0, 4])) == ["--seeds", "0,4"]


def test_steps_are_timed_of_every_row_and_its_stores_once(toy):
    context = toy()
    assert study.baseline_config(context, WILDCARDS) == "results/toy/runs/sit_b2/config.json"
    assert study.timed_configs(context, WILDCARDS) == [f"results/toy/runs/{run}/config.json" for run in METHODS]
    stores = study.timed_stores(context, WILDCARDS)
    assert stores["latents"] == ["results/shared/digits/latents/digits_vae/store.json"]
    write_diverged(context.root / Results("toy").config("sit_b2_sra"), context.catalogue().spec("sit_b2_sra"), 1)
    assert study.timed_configs(context, WILDCARDS) == [f"results/toy/runs/{run}/config.json" for run in METHODS[1:]]
    repa = STUDY.replace("run: sit_b2_dispersive,", "run: sit_b2_repa,")
    assert study.timed_stores(toy(repa), WILDCARDS)["features"] == ["results/shared/digits/features/digits_vit/store.json"]


# What it takes


def left_of(context: Context, *targets: str):
    remaining = Remaining(context)
    return estimate("all", "", [chain for target in targets for chain in remaining.chains_of(target)], Prices(RATES), 1)


@pytest.mark.parametrize(
    ("part", "trainings", "steps", "sets"),
    [
        ("_published", 12, 12 * 16 + 3 * 16, 12 * 2 + 3),  # four rows, three seeds, two milestones; the baseline goes on to 32
        ("_controls", 3, 3 * 16, 3),
        ("_tuning", 8, 8 * 8, 8),  # two trials of four rows
        ("_pilot", 6, 2 * 32 + 2 * 16 + 2 * 8, 2 * 3 + 2 * 2 + 2),
        ("_sit_b2_sra", 3, 3 * 16, 6),
        ("", 12 + 3 + 8 + 9, 240 + 48 + 64 + 9 * 16, 27 + 3 + 8 + 9 * 2 + 12),  # all three methods tuned, and all rows by one sampler more
    ],
)
def test_sums_by_hand(toy, part, trainings, steps, sets):
    found = left_of(toy(), f"study_toy{part}")
    assert (len(found.runs), found.steps, found.sets, found.images) == (trainings, steps, sets, 48 * sets)


def test_hours_of_a_part_by_hand(toy):
    """Trials: eight steps of batches of 32, one segment and one export a run."""
    context = toy()
    registry = context.catalogue()
    each = [flops.training_flops(registry.spec(run)).total for run in ("sit_b2", *METHODS)]
    found = left_of(context, "study_toy_tuning")
    assert found.seconds["training"] == pytest.approx(2 * sum(each) * 32 * 8 / SPEED + 8 * 2)


def test_what_parts_share_is_counted_once(toy):
    context = toy()
    parts = [f"study_toy_{part}" for part in ("pilot", "published", "controls", "tuning")]
    assert left_of(context, *parts).steps == 240 + 48 + 64  # the pilot is in the others
    assert left_of(context, "study_toy", *parts).total_seconds == left_of(context, "study_toy").total_seconds


def test_once_trials_have_chosen_the_bound_is_what_they_chose(toy):
    context = toy()
    write_chosen(context, sit_b2_sra=4.0, sit_b2_layersync=1.0, sit_b2_dispersive=1.0)
    found = left_of(context, "study_toy")
    assert found.steps == 240 + 48 + 64 + 3 * 16
    assert {"sit_b2_sra__weight_x4", "sit_b2_sra__weight_x4__s1"} <= {run.run for run in found.runs}
    assert study.wanted_by(context, "study_toy").assumed == ("what timing the steps of study toy takes, which is minutes",)


def test_what_is_there_or_diverged_is_not_counted(toy):
    context = toy()
    registry = context.catalogue()
    score = registry.studies["toy"].score_at("m200k", "sde250__s100")
    facts = {
        "fingerprint": registry.spec("sit_b2_sra__s100").fingerprint,
        "sampler": registry.sampler(score.sampler).model_dump(mode="json"),
        "count": 48,
    }
    write_json(context.root / Results("toy").score("sit_b2_sra__s100", score), facts)
    write_diverged(context.root / Results("toy").config("sit_b2__s100"), registry.spec("sit_b2__s100"), 5)
    assert (left_of(context, "study_toy_tuning").steps, left_of(context, "study_toy_tuning").sets) == (6 * 8, 6)
    nothing = Remaining(context, from_nothing=True)
    assert len(nothing.chains_of("study_toy_tuning")) == 8


def test_words(toy):
    toy()
    registry = Catalogue(toy().root, "toy")
    found = cost_of(registry, ["study_toy", "study_toy_sit_b2_sra"])
    text = text_of(found)
    assert "2 tables, figures and studies, preset toy" in text
    assert "sit_b2_sra, 3 seeds" in text
    assert "SRA as published, all seeds" in text
    bound = "until its trials have chosen, all 3 methods count as trained once more with another weight, which is the most that it can come to"
    assert any(bound in line for line in found.not_counted)
    assert bound in json_of(found)
    assert not any("until its trials" in line for line in cost_of(registry, ["study_toy_pilot"]).not_counted)
