"""Methods at a glance: every method of the suite, by its own options, with costs that are those of the forecast."""

import shutil
from pathlib import Path

import pytest

from sra.content.catalogue import Catalogue
from sra.forecast.flops import training_flops
from sra.reporting.report.methods import methods_at_a_glance
from sra.spec.encoders import ENCODERS
from sra.spec.methods.known import METHOD_OF

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="module")
def digits():
    return methods_at_a_glance(Catalogue(ROOT, "digits"))


@pytest.fixture
def of(digits):
    """of("sra") -> its line at preset digits."""
    return {method.method: method for method in digits.methods}.__getitem__


def test_every_method_is_there_and_combinations_by_name(digits):
    assert [method.method for method in digits.methods] == [name for name in METHOD_OF if "+" not in name]
    assert len(digits.combined) == sum("+" in name for name in METHOD_OF)
    assert "REPA + SRA" in digits.together
    assert (digits.model, digits.paper, digits.here) == ("SiT-B/2", "12 blocks of width 768, 256 tokens", "8 blocks of width 48, 16 tokens")


def test_blocks_are_the_papers_and_those_that_they_become_here(of):
    assert (of("sra").paper.blocks, of("sra").here.blocks) == ("3 → 8", "2 → 5")
    assert of("contrastive").paper.blocks == ""


def test_costs_are_those_of_the_forecast_with_the_encoder_stored_or_in_the_step(of):
    run = Catalogue(ROOT, "digits").spec("sit_b2_repa")
    flops, tower = training_flops(run, 64), ENCODERS[run.encoder]
    repa = of("repa").here
    assert repa.stored == flops.surcharge
    assert repa.in_step == pytest.approx((flops.heads + tower.flops(run.model.tokens)) / flops.student)
    assert 100 * of("repa").paper.in_step == pytest.approx(41.6, abs=0.3)  # as the protocol's table of costs has it
    assert (of("sra").paper.in_step, of("none").paper.stored) == (None, 0)
    assert (of("haste").paper.stored, of("reg").paper.stored) == (None, None)  # their encoder has to run in the step


def test_what_stays_in_the_model_is_told_from_what_is_dropped(of):
    assert [name for name in METHOD_OF if "+" not in name and of(name).paper.kept] == ["reg"]
    assert of("reg").paper.parameters - of("reg").paper.kept == pytest.approx(of("repa").paper.parameters)
    assert of("layersync").paper.parameters == 0


def test_words_about_encoder_stop_models_and_code(of):
    assert of("repa").when_encoded == "stored, or in each step"
    assert of("haste").when_encoded == "in each step, until step 100\u202f000"
    assert (of("sra").encoder, of("sra").trains, of("reg").trains) == (None, "SiT, DiT, MMDiT", "SiT")
    assert (of("sra2").checked, of("reg").checked) == ("○ not compared: no code is public", "✓ compared, equal")


def test_the_papers_own_preset_has_one_line_a_cell():
    paper = methods_at_a_glance(Catalogue(ROOT, "paper"))
    assert paper.here is None
    assert all(method.here is None for method in paper.methods)
    assert "Second lines" not in paper.caption


def test_what_a_preset_cannot_train_has_no_line_of_its_own(tmp_path):
    """Its batch is no multiple of the group of the dispersive loss."""
    for folder in ("config", "report"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    preset = tmp_path / "config/presets/fashion_toy.yaml"
    preset.write_text(preset.read_text(encoding="utf-8").replace("\nbatch: 16\n", "\nbatch: 24\n"), encoding="utf-8")
    toy = {method.method: method for method in methods_at_a_glance(Catalogue(tmp_path, "fashion_toy")).methods}
    assert toy["dispersive"].here is None
    assert toy["dispersive"].paper.stored > 0
    assert toy["sra"].here.blocks == "1 → 3"
