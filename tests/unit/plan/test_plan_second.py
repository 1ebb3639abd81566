"""The second distance in the plan: which presets have one, what its rules are told, and that nothing changes where there is none."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from sra.content.catalogue import Catalogue
from sra.core.errors import InputError
from sra.plan import assets, data, score
from sra.plan.remaining import Remaining
from sra.plan.workflow import checked_plan
from sra.spec.assets import WeightsEntry
from sra.spec.layout import Shared

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("preset", "settings"), [("fashion", "--width 2 --steps 6000 --batch 64 --learning-rate 0.002"), ("fashion_toy", "--steps 80 --batch 8")]
)
def test_the_clothes_have_a_network_that_no_label_teaches(preset, settings):
    plan = checked_plan(ROOT, {"preset": preset})
    run, name = SimpleNamespace(preset=preset, run="sit_b2_repa"), f"{preset}_rotation"
    reference = Shared(preset).reference(name, "train_0")
    assert score.second_inputs(plan, run) == [f"{Shared(preset).model('extractor', name)}/model.safetensors", reference]
    words = " ".join(score.options(plan, run))
    assert f"--secondary fd_selfsup --second-extractor {Shared(preset).model('extractor', name)} --second-reference {reference}" in words
    of = SimpleNamespace(dataset=preset, extractor=name)
    assert data.extractor_options(plan, of) == ["--task", "rotation", *settings.split()]
    assert "--task" not in data.extractor_options(plan, SimpleNamespace(dataset=preset, extractor=f"{preset}_cnn"))
    assert assets.source(plan, of, "extractor") == Shared(preset).model("extractor", name)


@pytest.mark.parametrize("preset", ["digits", "paper"])
def test_where_there_is_none_the_rules_are_told_what_they_were(preset):
    plan, run = checked_plan(ROOT, {"preset": preset}), SimpleNamespace(preset=preset, run="sit_b2_sra")
    assert score.second_inputs(plan, run) == score.judges(plan, run) == []
    assert not [word for word in score.options(plan, run) if "second-" in word or "model" in word]


def test_what_it_takes_is_planned():
    chain = Remaining(checked_plan(ROOT, {"preset": "fashion_toy"}), from_nothing=True).chains_of("table_s5")[0]
    names = [task.name for task in chain]
    assert {"extractor fashion_toy_cnn", "extractor fashion_toy_rotation"} < set(names)
    assert [name for name in names if name.startswith("reference train_0")] == ["reference train_0 of fashion_toy by fashion_toy_rotation"]
    networks = [work.network for task in chain for work in task.work if work.what == "inception" and task.name.startswith("score")]
    assert networks == ["fashion_toy_cnn", "fashion_toy_rotation"]


def test_at_the_papers_scale_two_lines_add_the_distance_of_clip(tmp_path):
    """As config/README.md says."""
    for name in ("config", "report"):
        shutil.copytree(ROOT / name, tmp_path / name)
    preset = tmp_path / "config/presets/paper.yaml"
    preset.write_text(
        preset.read_text().replace("secondary: [kid, fid_infinity]", "secondary: [kid, fid_infinity, cmmd]\ncmmd_model: clip_l14_336", 1)
    )
    plan, run = checked_plan(tmp_path, {"preset": "paper"}), SimpleNamespace(preset="paper", run="sit_b2_sra")
    words = " ".join(score.options(plan, run))
    assert "--secondary cmmd" in words
    assert "--cmmd-model openai/clip-vit-large-patch14-336" in words
    captioned = SimpleNamespace(preset="paper", run="mmdit_sra")
    assert score.options(plan, captioned) == score.options(checked_plan(ROOT, {"preset": "paper"}), captioned)


def test_a_task_is_of_an_extractor_that_is_trained_here():
    row = {"name": "x", "source": "trained", "place": "digits", "licence": "MIT", "note": "n", "task": "rotation"}
    assert WeightsEntry(kind="extractor", **row).task == "rotation"
    with pytest.raises(ValueError, match="task rotation is of extractors that are trained here; empty that cell"):
        WeightsEntry(kind="encoder", **row)


def test_an_extractor_without_a_row_is_one_line():
    catalogue = Catalogue(ROOT, "fashion")
    with pytest.raises(InputError, match="unknown extractor 'fashion_rotatio'; did you mean 'fashion_rotation'"):
        catalogue.weights_of("fashion_rotatio", "extractor")
