"""What several seeds add to the plan: every number once a seed, nothing twice, and pictures of one seed alone."""

from pathlib import Path
from types import SimpleNamespace

from sra.content.catalogue import Catalogue
from sra.content.claims import load_claims
from sra.content.figures import SampleFigure
from sra.content.inspected import components_files, probe_files
from sra.content.required import packs_of_figure, required_by_all, required_by_claims, required_by_figure, required_by_table
from sra.plan import analyse, show
from sra.plan.remaining import Remaining
from sra.plan.workflow import checked_plan
from sra.spec.layout import Results
from sra.spec.seeds import Seeds, split_seed

ROOT = Path(__file__).resolve().parents[3]
ONE = Catalogue(ROOT, "digits")
SIX = Catalogue(ROOT, "digits", asked=Seeds(training=(0, 1, 2), sampling=(0, 1)))


def test_a_table_wants_every_seed_and_what_it_had():
    one, six = (required_by_table(registry.tables["table_1"], registry) for registry in (ONE, SIX))
    assert len(set(six)) == 6 * len(one)
    assert set(one) <= set(six)


def test_pictures_show_one_seed():
    for name, figure in ONE.figures.items():
        assert packs_of_figure(figure, ONE) == packs_of_figure(SIX.figures[name], SIX), name
        same = required_by_figure(figure, ONE) == required_by_figure(SIX.figures[name], SIX)
        assert same == (isinstance(figure, SampleFigure) or not required_by_figure(figure, ONE)), name


def test_claims_stay_part_of_what_is_shown():
    assert set(required_by_claims(load_claims(SIX), SIX)) <= set(required_by_all(SIX))


def test_samplers_with_a_seed_of_their_own_are_drawn_from_the_seeds_that_are_asked_for():
    names = {item.score.sampler for item in required_by_table(SIX.tables["table_s2"], SIX)}
    assert {split_seed(name)[1] for name in names if name.startswith("ode50_cfg2_uvit")} == {0, 1}


def test_trainings_multiply_by_training_seeds_alone():
    def trained(**seeds) -> int:
        remaining = Remaining(checked_plan(ROOT, {"preset": "paper", **seeds}))
        return len({task.run for chain in remaining.chains_of("table_6") for task in chain if task.stage == "training"} - {""})

    assert trained(seeds=[0, 1, 2]) == 3 * trained() == 3 * trained(sampling_seeds=[0, 1])


def test_the_rules_are_told_which_seeds_are_shown():
    assert show.display_options(checked_plan(ROOT, {"seeds": [0, 1], "sampling_seeds": [3]})) == [
        "--weights",
        "trained",
        "--seeds",
        "0,1",
        "--sampling-seeds",
        "3",
    ]
    assert show.display_options(checked_plan(ROOT, {})) == ["--weights", "trained"]


def test_files_of_seeds_lie_beside_each_other():
    paths = {Results("digits").score(item.run, item.score) for item in required_by_table(SIX.tables["table_6"], SIX)}
    assert "results/digits/scores/sit_b2_sra__s1/m400k/sde250__s1/n50000.json" in paths


def test_probes_are_trained_on_every_training_and_components_on_one():
    one, six = (probe_files(registry.figures.values(), registry) for registry in (ONE, SIX))
    assert len(six) == 3 * len(one)
    assert set(one) <= set(six)
    assert components_files(ONE.figures.values(), ONE) == components_files(SIX.figures.values(), SIX)
    plan, seeded = checked_plan(ROOT, {"seeds": [0, 1]}), SimpleNamespace(preset="digits", run="sit_xl2__s1", milestone="m4m", time="100")
    own = SimpleNamespace(preset="digits", run="sit_xl2", milestone="m4m", time="100")
    assert analyse.probe_blocks(plan, seeded) == analyse.probe_blocks(plan, own)
