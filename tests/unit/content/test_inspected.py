"""Which models the figures look into at each preset, and that no file or run is asked for twice."""

from pathlib import Path

import pytest

from sra.content.catalogue import Catalogue
from sra.content.figures import FeaturesFigure, InspectedModel, ProbesFigure, TargetsFigure
from sra.content.inspected import (
    ComponentsFile,
    carriers,
    chosen_run,
    components_files,
    figure_at_preset,
    probe_files,
    runs_and_milestones,
    trained_points,
)
from sra.content.required import required_by_figure
from sra.core.errors import InputError

ROOT = Path(__file__).parents[3]
DIGITS, PAPER = Catalogue(ROOT, "digits"), Catalogue(ROOT, "paper")
VANILLA = InspectedModel(run="sit_xl2", milestones=["m4m"], released="sit_xl2_released", released_milestone="m7m")


def figures(registry):
    return [figure for figure in registry.figures.values() if isinstance(figure, ProbesFigure | TargetsFigure | FeaturesFigure)]


def test_a_released_run_stands_where_its_file_fits():
    assert runs_and_milestones(VANILLA, PAPER) == [("sit_xl2_released", "m7m")]
    assert runs_and_milestones(VANILLA, DIGITS) == [("sit_xl2", "m4m")]


def test_with_released_weights_alone_nothing_is_trained_for_a_figure():
    assert runs_and_milestones(VANILLA, Catalogue(ROOT, "paper", released=True)) == [("sit_xl2_released", "m7m")]
    assert runs_and_milestones(VANILLA, Catalogue(ROOT, "digits", released=True)) == []
    assert runs_and_milestones(InspectedModel(run="sit_xl2_sra", milestones=["m400k"]), Catalogue(ROOT, "paper", released=True)) == []


def test_milestones_that_a_preset_does_not_reach_are_left_out_and_unknown_ones_refused():
    growing = InspectedModel(run="sit_xl2_sra", milestones=["m200k", "m800k"])
    assert runs_and_milestones(growing, DIGITS) == [("sit_xl2_sra", "m200k")]
    assert runs_and_milestones(growing, PAPER) == [("sit_xl2_sra", "m200k"), ("sit_xl2_sra", "m800k")]
    with pytest.raises(InputError, match=r"run sit_b2_sra_w01 has no milestone m200k, which a figure looks into.*it has m400k"):
        runs_and_milestones(InspectedModel(run="sit_b2_sra_w01", milestones=["m200k"]), DIGITS)


def test_figures_show_what_stands_and_other_kinds_stay_as_they_are():
    shown = figure_at_preset(PAPER.figures["figure_7a"], PAPER)
    assert [(line.run, line.milestones) for line in shown.lines] == [("sit_xl2_released", ["m7m"]), ("sit_xl2_sra_released", ["m4m"])]
    targets = figure_at_preset(PAPER.figures["figure_7c"], PAPER)
    assert (targets.probed.run, targets.baseline) == ("sit_xl2_released", "sit_xl2")
    assert figure_at_preset(PAPER.figures["figure_2a"], PAPER).models == [chosen_run(VANILLA, PAPER)]
    assert figure_at_preset(PAPER.figures["figure_4"], PAPER) is PAPER.figures["figure_4"]
    assert figure_at_preset(DIGITS.figures["figure_7a"], DIGITS) == DIGITS.figures["figure_7a"]


def test_the_papers_blocks_are_carried_to_each_model():
    assert carriers(PAPER.figures["figure_2b"], PAPER)["sit_xl2_released"].block(20) == 20
    (carrier,) = carriers(DIGITS.figures["figure_2b"], DIGITS).values()
    depth = DIGITS.spec("sit_xl2").model.depth
    assert [carrier.block(block) for block in (1, 14, 28)] == [1, round(depth / 2), depth]
    assert carriers(DIGITS.figures["figure_4"], DIGITS) == {}


@pytest.mark.parametrize("registry", [DIGITS, PAPER], ids=["digits", "paper"])
def test_a_probe_file_is_asked_for_once_with_all_its_blocks(registry):
    files = probe_files(registry.figures.values(), registry)
    assert len({(file.run, file.milestone, file.time) for file in files}) == len(files)
    by_name = {(file.run, file.milestone, file.time): file.blocks for file in files}
    for figure in figures(registry):
        for file in probe_files([figure], registry):
            assert set(file.blocks) <= set(by_name[file.run, file.milestone, file.time])
    # Figures 8b and 9 probe the same model at t = 100, and 9 adds DiT's default target.
    dit = runs_and_milestones(registry.figures["figure_9"].probed, registry)[0]
    target = carriers(registry.figures["figure_9"], registry)[dit[0]].block(16)
    assert target in by_name[*dit, 0.1]
    assert sorted(by_name[*dit, 0.1]) == list(by_name[*dit, 0.1])


def test_components_are_asked_for_with_every_time_and_block():
    sit, dit = components_files(DIGITS.figures.values(), DIGITS)
    assert (sit.run, sit.times, sit.image_class) == ("sit_xl2", (0.7, 0.5, 0.3, 0.1), 88)
    figure = DIGITS.figures["figure_2a"]
    more = figure.model_copy(update={"id": "figure_20a", "times": [0.1, 0.9], "blocks": [28]})
    (both,) = components_files([figure, more], DIGITS)
    assert both == ComponentsFile("sit_xl2", "m4m", (0.7, 0.5, 0.3, 0.1, 0.9), sit.blocks, 88)
    assert dit.run == "dit_xl2"
    other = more.model_copy(update={"image_class": 3})
    with pytest.raises(InputError, match=r"figure figure_20a: shows class 3 of sit_xl2 at m4m, another figure class 88"):
        components_files([figure, other], DIGITS)


@pytest.mark.parametrize("registry", [DIGITS, PAPER], ids=["digits", "paper"])
@pytest.mark.parametrize("name", ["figure_7c", "figure_9"])
def test_targets_train_each_block_of_the_model_here_once(registry, name):
    figure = registry.figures[name]
    points = trained_points(figure, registry)
    targets = [registry.spec(point.run).alignment.teacher_block for point in points]
    assert len(set(targets)) == len(targets)
    (carrier,) = carriers(figure, registry).values()
    assert targets == [carrier.block(point.block) for point in points]
    assert set(targets) == {carrier.block(point.block) for point in figure.points if point.run}
    assert {registry.spec(point.run).alignment.student_block for point in points} == {carrier.block(8)}
    assert {wanted.run for wanted in required_by_figure(figure, registry)} == {figure.baseline, *(point.run for point in points)}


def test_the_runs_of_targets_differ_in_the_target_alone():
    for name in ("figure_7c", "figure_9"):
        for point in PAPER.figures[name].points:
            if point.run:
                alignment = PAPER.spec(point.run).alignment
                assert alignment.teacher_block == point.block
                assert alignment.model_copy(update={"teacher_block": 20}) == PAPER.spec("sit_xl2_sra").alignment
