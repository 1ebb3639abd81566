"""Resolution is part of the experiment; what stands for it is part of the preset. A run at the usual one is what it was before there was another."""

from pathlib import Path

import pytest

from sra.core.errors import InputError
from sra.spec.methods.sra import SraOptions
from sra.spec.recipe import Experiment
from sra.spec.registry import Registry
from sra.spec.run import read_run, resolve_run, write_run
from sra.spec.scale import AtResolution, Latent

ROOT = Path(__file__).parents[3]
PAPER, DIGITS = Registry(ROOT, "paper"), Registry(ROOT, "digits")
LARGE = [run for run in PAPER.runs if PAPER.spec(run).resolution == 512]
ROW = {"method": "sra", "schedule": "official_decay"}


def experiment(**changes) -> Experiment:
    return Experiment(**{"recipe": "sit", "model": "SiT-XL/2", "milestones": ["m1m"], "runs": {"x": ROW}} | changes)


def resolved(registry: Registry, **changes):
    of = experiment(**changes)
    return resolve_run("x", of.runs["x"], of, registry.recipes["sit"], registry.preset_id, registry.preset.at_resolution(of.resolution))


def test_the_papers_tokens_at_512():
    """64 x 64 latents in patches of 2; everything else as at 256."""
    large, usual = PAPER.spec("sit_xl2_512_sra"), PAPER.spec("sit_xl2_sra")
    assert (large.model.tokens, usual.model.tokens) == (1024, 256)
    assert (large.image_size, large.dataset) == (512, "imagenet512")
    own = {"run", "dataset", "image_size", "model", "resolution"}
    assert large.model_dump(exclude=own) == usual.model_dump(exclude=own)


def test_the_digits_are_twice_as_large_too():
    large, usual = DIGITS.spec("sit_xl2_512_sra"), DIGITS.spec("sit_xl2_sra")
    assert (large.image_size, large.model.tokens) == (2 * usual.image_size, 4 * usual.model.tokens)
    assert (large.vae, large.model.classes) == (usual.vae, usual.model.classes)


@pytest.mark.parametrize("registry", [PAPER, DIGITS], ids=["paper", "digits"])
def test_a_run_at_the_usual_resolution_does_not_mention_it(registry, tmp_path):
    """Its config.json and fingerprint stay those of a time without the key, so nothing trained then is trained again."""
    spec = registry.spec("sit_xl2_sra")
    assert spec.resolution == 256
    write_run(tmp_path / "config.json", spec)
    assert "resolution" not in (tmp_path / "config.json").read_text()
    assert read_run(tmp_path / "config.json") == spec
    assert spec.model_copy(update={"resolution": 512}).fingerprint != spec.fingerprint


def test_another_resolution_is_kept_with_the_run(tmp_path):
    write_run(tmp_path / "config.json", DIGITS.spec("sit_xl2_512"))
    assert read_run(tmp_path / "config.json").resolution == 512


def test_a_part_changes_what_it_names_alone():
    whole, part = PAPER.preset, PAPER.preset.resolutions[512]
    seen = whole.at_resolution(512)
    named = {name for name, value in part if value is not None}
    assert {"dataset", "image_size", "latent", "reference"} <= named
    assert all(getattr(seen, name) == getattr(part, name) for name in named)
    assert seen.model_dump(exclude=named) == whole.model_dump(exclude=named)
    assert whole.at_resolution(256) is whole


def test_statistics_of_another_resolution_are_never_inherited():
    """Images at 512 pixels compared with the reference at 256 would give a number that looks like an FID."""
    part = AtResolution(dataset="imagenet512", image_size=512, latent=Latent(channels=4, size=64))
    assert PAPER.preset.reference is not None
    assert PAPER.preset.model_copy(update={"resolutions": {512: part}}).at_resolution(512).reference is None


def test_the_papers_references_fit_their_resolutions():
    for resolution in (256, 512):
        preset = PAPER.preset.at_resolution(resolution)
        assert PAPER.weights_of(preset.reference, "reference").resolution == preset.image_size == resolution


def test_released_checkpoints_are_run_at_their_own_resolution():
    released = {run: PAPER.checkpoint(run).entry for run in PAPER.runs if PAPER.checkpoint(run)}
    assert {run for run, entry in released.items() if entry.resolution == 512} == {"dit_xl2_512_released", "sit_xl2_512_sra_released"}
    for run, entry in released.items():
        (milestone,) = PAPER.milestones(run)
        assert (entry.resolution, entry.model) == (PAPER.spec(run).resolution, PAPER.spec(run).model.name)
        assert PAPER.preset_of(run).milestones[milestone] == entry.step


def test_milestones_are_those_of_the_runs_own_part():
    assert [DIGITS.preset_of("sit_xl2_512_sra").milestones[name] for name in DIGITS.milestones("sit_xl2_512_sra")] == sorted(
        DIGITS.preset.resolutions[512].milestones.values()
    )
    assert "m400k" in DIGITS.preset.milestones
    assert "m400k" not in DIGITS.preset_of("sit_xl2_512_sra").milestones


@pytest.mark.parametrize("registry", [PAPER, DIGITS], ids=["paper", "digits"])
def test_the_released_decay_of_512_is_an_option_of_a_run(registry):
    """0.150 after 200 epochs at 512, 0.178 at 256 (FACTS of the released train.py), at whatever size the images have here."""
    from sra.alignment.sra import SraAlignment  # torch

    for resolution, weight in ((256, 0.178), (512, 0.150)):
        run = resolved(registry, resolution=resolution)
        alignment = SraAlignment.of_run(run.alignment, run, None, None)
        steps = 200 * 5004 / run.training.paper_steps_per_step
        assert alignment.weight(round(steps)) == pytest.approx(weight, abs=2e-3)


def test_a_preset_without_the_part_leaves_such_runs_out():
    bare = Registry(ROOT, "digits")
    bare.__dict__["preset"] = DIGITS.preset.model_copy(update={"resolutions": {}})
    assert not any(bare.has_part_of(run) or bare.milestones(run) for run in LARGE)
    assert all(DIGITS.has_part_of(run) for run in LARGE)
    with pytest.raises(InputError, match="has no resolution 512; add it to resolutions, or choose a preset that has"):
        bare.spec("sit_xl2_512")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolution": 384}, "Input should be 256 or 512"),
        ({"model": "MMDiT/2", "recipe": "mmdit", "resolution": 512}, "resolution 512 is for models of classes, MMDiT/2 is told captions"),
    ],
)
def test_a_resolution_that_no_experiment_has_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        experiment(**changes)


def test_the_method_is_the_same_at_both_resolutions():
    usual, large = (resolved(PAPER, resolution=resolution).alignment for resolution in (256, 512))
    assert usual == large == SraOptions(student_block=8, teacher_block=20, schedule="official_decay")
