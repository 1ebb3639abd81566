"""Which scores a study needs, part by part: each listed by hand for a small one, and what holds for the study of all methods."""

import pytest
from toy_study import FOURTH, STUDY, with_row, write_toy_study

from sra.content.catalogue import Catalogue
from sra.content.required import RequiredScore, training_points
from sra.content.studies import (
    PARTS,
    checked_study,
    diverged_before,
    longer_here,
    milestones_here,
    repeated_here,
    rows_here,
    scores_of_part,
    scores_of_whole,
    seeds_of,
    study_named,
    trials,
)
from sra.core.errors import InputError
from sra.spec.diverged import diverged_at, forget_diverged, write_diverged
from sra.spec.layout import Results
from sra.spec.seeds import Seeds, split_seed
from sra.spec.study import Study
from sra.spec.variants import split_variant

METHODS = ("sit_b2_sra", "sit_b2_layersync", "sit_b2_dispersive")


@pytest.fixture
def toy(checkout):
    """`toy(study, asked, milestones="...")`: the catalogue of a checkout whose preset has the toy study."""

    def make(study: str = STUDY, asked: Seeds = Seeds(), **preset: str) -> Catalogue:
        write_toy_study(checkout.folder, study, **preset)
        registry = Catalogue(checkout.folder, "toy", asked=asked)
        _ = registry.studies  # read before another is written
        return registry

    return make


def part_of(registry: Catalogue, part: str, tuned=None, guided=None) -> set[str]:
    """As `run milestone sampler`, each of which must come once."""
    wanted = scores_of_part(study_named("toy", registry), part, registry, tuned, guided)
    assert all(item.score.samples == 50000 for item in wanted)
    found = [f"{item.run} {item.score.milestone} {item.score.sampler}" for item in wanted]
    assert len(set(found)) == len(found)
    return set(found)


def seeds(run: str, *of: int) -> list[str]:
    return [run if seed == 0 else f"{run}__s{seed}" for seed in of]


def test_the_published_part_is_all_rows_and_seeds_and_the_longer_baseline(toy):
    expected = {f"{run} {milestone} sde250" for row in ("sit_b2", *METHODS) for run in seeds(row, 0, 1, 2) for milestone in ("m200k", "m400k")}
    assert part_of(toy(), "published") == expected | {f"{run} m800k sde250" for run in seeds("sit_b2", 0, 1, 2)}


def test_the_controls(toy):
    repeated = {f"sit_b2__s{seed} m400k sde250" for seed in (10, 11, 12)}
    assert part_of(toy(), "controls") == repeated
    control = STUDY.replace("label: SRA, family: From the model itself", "label: SRA, family: Controls, control: true")
    more = {f"{run} {milestone} sde250" for run in seeds("sit_b2_sra", 0, 1, 2) for milestone in ("m200k", "m400k")}
    registry = toy(control)
    assert part_of(registry, "controls") == repeated | more
    assert not any(name.startswith("sit_b2_sra") for name in part_of(registry, "published") | part_of(registry, "tuning"))


def test_the_trials_are_on_their_seed_alone_and_end_where_they_say(toy):
    expected = {f"{run}{varied}__s100 m200k sde250__s100" for run in METHODS for varied in ("", "__weight_x4")}
    assert part_of(toy(), "tuning") == expected | {f"sit_b2{varied}__s100 m200k sde250__s100" for varied in ("", "__rate_x2")}


def test_guidance_is_tried_where_it_is_asked_for(toy):
    guided = STUDY.replace("samplers: [ode50_heun]", "guided: [sde250_cfg125, sde250_cfg18]")
    registry = toy(guided)
    tried = part_of(registry, "tuning") - part_of(toy(), "tuning")
    of_rows = ("sit_b2", *METHODS)
    assert tried == {f"{run}__s100 m200k {sampler}__s100" for run in of_rows for sampler in ("sde250_cfg125", "sde250_cfg18")}
    chosen = part_of(toy(guided), "samplers", guided={"sit_b2": "sde250_cfg18", "sit_b2_sra": "sde250_cfg125"})
    assert chosen == {
        *(f"{run} m400k sde250_cfg18" for run in seeds("sit_b2", 0, 1, 2)),
        *(f"{run} m400k sde250_cfg125" for run in seeds("sit_b2_sra", 0, 1, 2)),
    }


def test_tuned_rows_follow_from_what_was_chosen(toy):
    registry = toy()
    assert part_of(registry, "tuned") == set()
    found = part_of(registry, "tuned", {"sit_b2_sra": 4.0, "sit_b2_layersync": 1.0})
    assert found == {f"{run} {milestone} sde250" for run in seeds("sit_b2_sra__weight_x4", 0, 1, 2) for milestone in ("m200k", "m400k")}


def test_further_samplers_draw_from_all_rows_at_the_last_milestone(toy):
    assert part_of(toy(), "samplers") == {f"{run} m400k ode50_heun" for row in ("sit_b2", *METHODS) for run in seeds(row, 0, 1, 2)}
    own = STUDY.replace("{run: sit_b2_sra, label: SRA,", "{run: sit_b2_sra, label: SRA, sampler: ode50,")
    assert {f"{run} m400k ode50" for run in seeds("sit_b2_sra", 0, 1, 2)} <= part_of(toy(own), "samplers")


def test_the_pilot(toy):
    redrawn = STUDY.replace("samplers: [ode50_heun]", "redrawn: [1, 2]")
    expected = {f"{run} {milestone} sde250" for run in seeds("sit_b2", 0, 1) for milestone in ("m200k", "m400k", "m800k")}
    expected |= {f"{run} {milestone} sde250" for run in seeds("sit_b2_sra", 0, 1) for milestone in ("m200k", "m400k")}
    expected |= {"sit_b2 m400k sde250__s1", "sit_b2 m400k sde250__s2"}
    expected |= {"sit_b2__s100 m200k sde250__s100", "sit_b2__rate_x2__s100 m200k sde250__s100"}
    assert part_of(toy(redrawn), "pilot") == expected
    assert part_of(toy(STUDY.replace("pilot:", "# pilot:")), "pilot") == set()


def test_a_study_without_trials_has_none(toy):
    registry = toy(STUDY.replace("tuning:", "# tuning:"))
    assert part_of(registry, "tuning") == set()
    assert trials(study_named("toy", registry), study_named("toy", registry).baseline) == {}


def test_seeds_are_the_studys_own_else_the_users_else_the_presets(toy):
    def found(registry: Catalogue) -> list[int]:
        return seeds_of(study_named("toy", registry), registry)

    assert found(toy()) == [0, 1, 2]
    assert found(toy(asked=Seeds(training=(4, 5)))) == [4, 5]
    assert found(toy(seeds="null")) == [0]
    assert found(toy(STUDY.replace("repeated:", "seeds: [7, 8]\nrepeated:"), asked=Seeds(training=(4, 5)))) == [7, 8]
    registry = toy(asked=Seeds(training=(4, 5)))
    assert repeated_here(study_named("toy", registry), registry) == [10, 11]


def test_milestones_that_the_preset_does_not_reach_are_left_out(toy):
    registry = toy(milestones="{m400k: 16}", study=STUDY.replace("milestone: m200k", "milestone: m400k"))
    study = checked_study("toy", registry)
    assert milestones_here(study, registry) == ["m400k"]
    assert longer_here(study, registry) is None
    assert registry.milestones("sit_b2") == ["m400k"]


def test_what_a_study_asks_for_is_where_its_trainings_stop(toy):
    """Whatever the experiments of its rows name; other runs stop where they did."""
    registry, without = toy(), toy(studies="[]")
    assert registry.milestones("sit_b2__s10") == ["m200k", "m400k", "m800k"]
    for run in METHODS:
        assert registry.milestones(f"{run}__weight_x4__s100") == registry.milestones(run) == ["m200k", "m400k"]
    assert [point.name for point in training_points(registry, "sit_b2")] == ["m200k", "m400k", "m800k"]
    assert registry.milestones("sit_b2_repa") == without.milestones("sit_b2_repa")
    assert without.milestones("sit_b2") == ["m200k", "m400k"]
    assert registry.spec("sit_b2").fingerprint == without.spec("sit_b2").fingerprint


def test_a_method_more_asks_for_its_own_scores_alone(toy):
    before = {part: part_of(toy(), part) for part in PARTS}
    after = {part: part_of(toy(with_row(FOURTH, STUDY)), part) for part in PARTS}
    for part in PARTS:
        assert before[part] <= after[part]
        assert all(name.startswith("sit_b2_contrastive") for name in after[part] - before[part])


def test_the_whole_is_all_parts_each_score_once(toy):
    registry = toy()
    study, chosen = study_named("toy", registry), {"sit_b2_sra": 4.0}
    whole = scores_of_whole(study, registry, chosen, {})
    assert len(set(whole)) == len(whole)
    assert set(whole) == {item for part in PARTS for item in scores_of_part(study, part, registry, chosen, {})}


def test_released_weights_leave_no_rows(toy):
    root = toy().root
    registry = Catalogue(root, "toy", released=True)
    study = study_named("toy", registry)
    assert rows_here(study, registry) == []
    assert scores_of_whole(study, registry, {}, {}) == []


def test_the_study_of_all_methods(checkout):
    """At its preset: every row with five seeds at six milestones, trials on seed 100 alone, every score of a run that can be resolved."""
    registry = Catalogue(checkout.folder, "fashion_cpu")
    study = checked_study("methods", registry)
    assert {row.run for row in rows_here(study, registry)} == {row.run for row in study.rows}
    published = scores_of_part(study, "published", registry)
    assert len(published) == 5 * 6 * (1 + len(study.methods)) + 5
    whole = scores_of_whole(study, registry, {row.run: 0.25 for row in study.methods}, {row.run: study.guided[0] for row in study.all_rows})
    assert len(set(whole)) == len(whole)
    for item in whole:
        name, seed = split_seed(item.run)
        assert registry.spec(item.run).training.seed == (seed or 0)
        assert item.score.milestone in registry.milestones(item.run)
        assert (seed == 100) == (split_seed(item.score.sampler)[1] == 100)
        if seed != 100:
            assert split_variant(name)[1] is None or split_variant(name)[1].factor == 0.25


def test_a_training_that_diverged(toy):
    """Counts from the milestone after it on, for the run as it is now."""
    registry = toy()
    run, study = "sit_b2_sra__s1", study_named("toy", registry)
    config = registry.root / Results("toy").config(run)
    config.parent.mkdir(parents=True)
    at = {name: RequiredScore(run, study.score_at(name)) for name in study.milestones}
    assert [diverged_before(item, registry) for item in at.values()] == [None, None]
    write_diverged(config, registry.spec(run), 12)
    assert {name: diverged_before(item, registry) for name, item in at.items()} == {"m200k": None, "m400k": 12}
    assert diverged_before(RequiredScore("sit_b2_sra__s2", study.score_at("m400k")), registry) is None
    file = registry.root / Results("toy").diverged(run)
    assert diverged_at(file, registry.spec("sit_b2_sra__s2")) is None
    forget_diverged(config)
    assert not file.exists()
    forget_diverged(config)
    file.write_text("{}")
    with pytest.raises(InputError, match=r"diverged\.json: run is missing"):
        diverged_before(at["m400k"], registry)


def test_the_repositorys_studies_are_as_their_schema_says(checkout):
    registry = Catalogue(checkout.folder, "fashion_cpu")
    assert all(isinstance(study, Study) for study in registry.studies.values())
    for name in {path.stem for path in (checkout.folder / "config/studies").glob("*.yaml")}:
        assert checked_study(name, registry).title
