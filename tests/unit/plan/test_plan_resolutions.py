"""What rules are told about runs and data sets at another resolution, and what is left out where a preset has none."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from sra.content.catalogue import Catalogue
from sra.content.inspected import available
from sra.content.required import required_by_table, training_points
from sra.forecast.disk import latents_bytes, pack_bytes
from sra.plan import assets, data, sample, score, train
from sra.plan.remaining import Remaining
from sra.plan.workflow import checked_plan
from sra.reporting.rendering import _preset_of as preset_shown

ROOT = Path(__file__).parents[3]
DIGITS, PAPER = Catalogue(ROOT, "digits"), Catalogue(ROOT, "paper")
TABLE = "table_4"


def test_rules_of_a_data_set_are_told_its_own_size():
    plan = checked_plan(ROOT, {"preset": "paper", "paths": {"imagenet": "train.tar"}})
    sizes = {"imagenet256": (256, 16), "imagenet512": (512, 32), "digits": (32, 4), "digits64": (64, 8)}
    for dataset, expected in sizes.items():
        wildcards = SimpleNamespace(dataset=dataset)
        assert (data.image_size(plan, wildcards), data.token_grid(plan, wildcards)) == expected
    batches = {dataset: data.encoding_batch(plan, SimpleNamespace(dataset=dataset)) for dataset in sizes}
    assert batches == {"imagenet256": 64, "imagenet512": 16, "digits": 64, "digits64": 64}
    assert data.source(plan, SimpleNamespace(dataset="imagenet512")) == "train.tar"
    assert data.expected_images(plan, SimpleNamespace(dataset="imagenet512")) == "--expected-images 1281167 --expected-classes 1000"


def test_digits_of_every_size_are_made_by_one_rule():
    plan = checked_plan(ROOT, {"preset": "digits"})
    assert data.made_by(plan, "digits").split("|") == ["digits", "digits64"]
    for dataset in ("digits", "digits64"):
        assert data.source_files(plan, SimpleNamespace(dataset=dataset)) == [f"results/shared/{dataset}/images.zip"]


def test_a_run_reads_and_is_compared_with_images_of_its_own_resolution():
    plan = checked_plan(ROOT, {"preset": "digits"})
    run = SimpleNamespace(preset="digits", run="sit_xl2_512_sra", point="m2m", milestone="m2m", sampler="sde250_cfg25", paper_count="50000")
    assert train.latents(plan, run) == "results/shared/digits64/latents/digits_vae/store.json"
    assert score.reference(plan, run) == "results/shared/digits64/reference/digits_cnn/train_1437.npz"
    assert assets.source(plan, run, "vae") == "results/shared/digits/vae/digits_vae"  # trained once, on the usual digits
    assert assets.source(plan, run, "extractor") == "results/shared/digits/extractor/digits_cnn"
    assert train.step(plan, run) == DIGITS.preset.resolutions[512].milestones["m2m"]
    assert train.previous_state(plan, run) == ["results/digits/runs/sit_xl2_512_sra/state/m1m.safetensors"]
    batch = DIGITS.preset.resolutions[512].sampling_batch
    assert sample.options(plan, run)[:2] == ["--batch", str(batch)]
    assert batch != DIGITS.preset.sampling_batch


def test_the_papers_reference_at_512_is_held_against_its_own_row():
    plan = checked_plan(ROOT, {"preset": "paper"})
    run = SimpleNamespace(preset="paper", run="sit_xl2_512_sra")
    assert score.reference(plan, run) == "downloads/VIRTUAL_imagenet512.npz"
    assert score.check_options(plan, run) == ["--extractor-name", "inception_2015", "--reference-name", "adm_imagenet512"]
    assert score.reference_features(plan, run) == "results/shared/imagenet512/reference/inception_2015/adm_imagenet512.features.npz"


def test_table_4_trains_sra_at_two_lengths_and_a_baseline():
    for registry in (DIGITS, PAPER):
        wanted = [(item.run, item.score.milestone) for item in required_by_table(registry.tables[TABLE], registry)]
        assert wanted == [("sit_xl2_512", "m1m"), ("sit_xl2_512_sra", "m1m"), ("sit_xl2_512_sra", "m2m")]


def test_table_4_of_released_checkpoints_trains_nothing():
    registry = Catalogue(ROOT, "paper", released=True)
    wanted = [(item.run, item.score.milestone, item.score.sampler) for item in required_by_table(registry.tables[TABLE], registry)]
    assert wanted == [("dit_xl2_512_released", "m3m", "ddpm250_cfg15"), ("sit_xl2_512_sra_released", "m2m", "sde250_cfg25")]
    assert required_by_table(registry.tables[TABLE], Catalogue(ROOT, "digits", released=True)) == []


def test_a_checkpoint_fits_the_run_of_its_resolution():
    assert available(PAPER, "sit_xl2_512_sra_released")
    assert available(PAPER, "sit_xl2_sra_released")
    assert not available(DIGITS, "sit_xl2_512_sra_released")


def test_without_the_part_the_table_wants_nothing():
    bare = Catalogue(ROOT, "digits")
    bare.__dict__["preset"] = DIGITS.preset.model_copy(update={"resolutions": {}})
    assert required_by_table(DIGITS.tables[TABLE], bare) == []
    assert required_by_table(DIGITS.tables["table_3"], bare) == required_by_table(DIGITS.tables["table_3"], DIGITS)


def test_segments_of_a_run_end_at_its_own_milestones():
    part = DIGITS.preset.resolutions[512]
    assert [(point.name, point.step) for point in training_points(DIGITS, "sit_xl2_512_sra")] == list(part.milestones.items())
    assert [point.name for point in training_points(PAPER, "sit_xl2_512_sra") if point.name.startswith("m")] == ["m1m", "m2m"]


def test_a_table_of_one_resolution_is_shown_with_its_part():
    assert preset_shown(DIGITS, ["sit_xl2_512", "sit_xl2_512_sra"]).dataset == "digits64"
    assert preset_shown(DIGITS, ["sit_xl2_512", "sit_xl2_sra"]).dataset == "digits"
    assert preset_shown(DIGITS, []).dataset == "digits"
    assert DIGITS.preset.datasets == ["digits", "scenes", "digits64"]


@pytest.mark.parametrize(("preset", "size", "latents"), [("paper", 512, 64), ("digits", 64, 16)])
def test_disk_and_work_are_those_of_the_larger_images(preset, size, latents, monkeypatch):
    plan = checked_plan(ROOT, {"preset": preset})
    remaining = Remaining(plan)
    monkeypatch.setattr(remaining, "_exists", lambda *_: False)
    tasks = {task.name: task for chain in remaining.chains_of(TABLE) for task in chain}
    spec = plan.catalogue(preset).spec("sit_xl2_512_sra")
    images = remaining._images(spec.dataset)
    assert tasks[f"latents of {spec.dataset} by {spec.vae}"].kept == latents_bytes(images, spec.model.latent, "fp32")
    assert spec.model.latent.size == latents
    count = plan.catalogue(preset).sample_count(50_000)
    packs = [task for name, task in tasks.items() if name.startswith("samples of")]
    assert [task.kept for task in packs] == [pack_bytes(count, size)] * 3
    assert all(any(work.what == "decode" for work in task.work) for task in packs)
    assert not remaining.works.unknown
    usual = {"index of digits"} if preset == "digits" else set()  # which small models are trained on
    assert {name for name in tasks if name.startswith("index of")} == {f"index of {spec.dataset}"} | usual
