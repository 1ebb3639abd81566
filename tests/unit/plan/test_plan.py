"""The plan: which scores a table needs, where training stops on the way, and what each rule is told."""

import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from sra.content.catalogue import Catalogue
from sra.content.required import point_before, point_named, required_by_all, required_by_figure, required_by_table, training_points
from sra.content.tables import Row
from sra.core.errors import InputError
from sra.plan import analyse, assets, data, needs, sample, score, show, train
from sra.plan.sources import source_hash
from sra.plan.workflow import checked_plan

ROOT = Path(__file__).parents[3]
DIGITS, PAPER = Catalogue(ROOT, "digits"), Catalogue(ROOT, "paper")


def test_table_1_shares_its_default_run():
    table = DIGITS.tables["table_1"]
    wanted = required_by_table(table, DIGITS)
    assert len(table.rows) == 21
    assert len(wanted) == len({item.run for item in wanted}) == 18


def test_a_score_wanted_twice_is_planned_once():
    everything = required_by_all(DIGITS)
    assert len(everything) == len(set(everything))
    parts = [required_by_table(DIGITS.tables[name], DIGITS) for name in DIGITS.shown_tables]
    parts += [required_by_figure(DIGITS.figures[name], DIGITS) for name in DIGITS.shown_figures]
    assert set(everything) == {item for part in parts for item in part}
    assert len(everything) < sum(map(len, parts))


def test_milestones_that_a_preset_does_not_reach_are_not_wanted():
    figure = PAPER.figures["figure_4"]
    at_paper = {item.score.milestone for item in required_by_figure(figure, PAPER)}
    at_digits = {item.score.milestone for item in required_by_figure(figure, DIGITS)}
    assert at_paper == {"m200k", "m300k", "m400k", "m600k"}
    assert at_digits == at_paper & set(DIGITS.preset.milestones)


def test_a_table_may_not_ask_for_what_a_run_has_not():
    table = DIGITS.tables["table_6"]
    asked = table.model_copy(update={"rows": [Row(label="x", run="sit_b2_sra_ema0", score=table.score.model_copy(update={"milestone": "m600k"}))]})
    with pytest.raises(InputError, match=r"table table_6: run sit_b2_sra_ema0 has no milestone m600k.*it has m400k"):
        required_by_table(asked, DIGITS)


def test_segments_end_at_milestones_and_at_the_presets_length():
    steps = [(point.name, point.step) for point in training_points(PAPER, "sit_b2_sra")]
    assert steps == [("s0100000", 100_000), ("m200k", 200_000), ("m300k", 300_000), ("m400k", 400_000), ("s0500000", 500_000), ("m600k", 600_000)]
    assert [point.name for point in training_points(DIGITS, "sit_b2_sra")] == ["m200k", "m400k", "m600k"]


def test_each_point_continues_from_the_one_before():
    assert point_before(PAPER, "sit_b2_sra", "s0100000") is None
    assert point_before(PAPER, "sit_b2_sra", "m600k").name == "s0500000"
    with pytest.raises(InputError, match="run sit_b2_sra: unknown milestone 'm450k'"):
        point_named(PAPER, "sit_b2_sra", "m450k")


def test_rules_are_told_what_the_preset_says():
    plan = checked_plan(ROOT, {"preset": "digits"})
    run = SimpleNamespace(preset="digits", run="sit_xl2_repa_dinov2b", point="m400k", milestone="m400k", sampler="sde250", paper_count="50000")
    assert train.step(plan, run) == DIGITS.preset.milestones["m400k"]
    assert train.previous_state(plan, run) == ["results/digits/runs/sit_xl2_repa_dinov2b/state/m200k.safetensors"]
    assert train.targets(plan, run) == {"features": "results/shared/digits/features/digits_vit/store.json", "pixels": [], "encoder": []}
    assert train.options(plan, run) == ["--features", "results/shared/digits/features/digits_vit/store.json"]
    assert train.options(plan, SimpleNamespace(preset="digits", run="sit_b2_sra")) == []
    assert sample.count(plan, run) == DIGITS.preset.samples[50000]
    assert assets.source(plan, run, "vae") == "results/shared/digits/vae/digits_vae"
    assert assets.inputs(plan, run, "vae") == ["results/shared/digits/vae/digits_vae/diffusion_pytorch_model.safetensors"]
    assert score.check_options(plan, run) == []
    assert score.reference(plan, run) == "results/shared/digits/reference/digits_cnn/train_1437.npz"
    assert score.reference_features(plan, run) == "results/shared/digits/reference/digits_cnn/train_1437.features.npz"
    named = SimpleNamespace(dataset="digits", extractor="digits_cnn", reference="train_1437")
    assert score.reference(plan, named) == score.reference(plan, run)


def test_a_released_checkpoint_is_found_in_the_users_folder(tmp_path):
    plan = checked_plan(ROOT, {"preset": "paper", "weights": "released", "paths": {"downloads": str(tmp_path)}})
    run = SimpleNamespace(preset="paper", run="sit_xl2_sra_released")
    assert train.released_path(plan, run) == str(tmp_path / "sitxl-sra-res256-ep800.pt")
    assert train.released_file(plan, run) == []
    (tmp_path / "sitxl-sra-res256-ep800.pt").touch()
    assert train.released_file(plan, run) == [train.released_path(plan, run)]
    assert train.released_options(plan, run) == ["--from", "sra", "--step", "4000000", "--name", "sra_sit_xl2_256"]


def test_released_weights_replace_the_trained_ones_and_nothing_is_trained():
    released = Catalogue(ROOT, "paper", released=True)
    wanted = required_by_table(released.tables["table_3"], released)
    assert {item.run for item in wanted} == {"dit_xl2_released", "sit_xl2_released", "sit_xl2_repa_released", "sit_xl2_sra_released"}
    assert {item.run for item in required_by_table(PAPER.tables["table_3"], PAPER)} == {"sit_xl2_sra"}
    assert {released.checkpoint(item.run) is None for item in required_by_all(released)} == {False}


def test_released_weights_of_another_scale_are_not_wanted():
    assert required_by_all(Catalogue(ROOT, "digits", released=True)) == []


def test_the_names_of_released_runs_say_so(tmp_path):
    for folder in ("recipes", "experiments"):
        (tmp_path / "config" / folder).mkdir(parents=True)
    (tmp_path / "config/recipes/sit.yaml").write_text((ROOT / "config/recipes/sit.yaml").read_text())
    for name, weights in {"x": ", weights: {file: sit_xl2_256}", "x_released": ""}.items():
        (tmp_path / "config/experiments/a.yaml").write_text(
            f"recipe: sit\nmodel: SiT-XL/2\nmilestones: [m7m]\nruns: {{{name}: {{method: none{weights}}}}}\n"
        )
        with pytest.raises(InputError, match=rf"a.yaml: run {name}: the names of runs with weights, and of no others, end in _released"):
            _ = Catalogue(tmp_path, "paper").runs


def test_a_training_job_takes_one_gpu_a_process():
    plan, run = checked_plan(ROOT, {"preset": "paper", "processes": 8}), SimpleNamespace(preset="paper", run="sit_b2")
    assert (needs.gpu(plan, run, "train"), needs.gpu(plan, run, "sample")) == (8, 1)
    assert needs.gpu(checked_plan(ROOT, {"processes": 2}), SimpleNamespace(preset="digits"), "train") == 0


def test_models_that_the_user_fetches_are_no_inputs():
    plan = checked_plan(ROOT, {"preset": "paper"})
    run = SimpleNamespace(preset="paper", run="sit_b2")
    assert assets.inputs(plan, run, "vae") == assets.inputs(plan, run, "extractor") == score.reference_input(plan, run) == []
    assert assets.source(plan, run, "vae") == "stabilityai/sd-vae-ft-ema"
    assert score.reference(plan, run) == "downloads/VIRTUAL_imagenet256_labeled.npz"
    assert score.check_options(plan, run) == ["--extractor-name", "inception_2015", "--reference-name", "adm_imagenet256"]
    assert data.source_files(plan, SimpleNamespace(dataset="imagenet256")) == []


def test_imagenet_is_waited_for_where_it_is_and_named_where_it_is_not(tmp_path):
    plan = checked_plan(ROOT, {"preset": "paper", "paths": {"imagenet": str(tmp_path / "train.zip")}})
    imagenet = SimpleNamespace(dataset="imagenet256")
    assert (data.source_files(plan, imagenet), data.source(plan, imagenet)) == ([], str(tmp_path / "train.zip"))
    (tmp_path / "train.zip").touch()
    assert data.source_files(plan, imagenet) == [str(tmp_path / "train.zip")]


def test_a_run_in_two_files_is_refused(tmp_path):
    for folder in ("recipes", "experiments"):
        (tmp_path / "config" / folder).mkdir(parents=True)
    (tmp_path / "config/recipes/sit.yaml").write_text((ROOT / "config/recipes/sit.yaml").read_text())
    for name in ("a", "b"):
        (tmp_path / f"config/experiments/{name}.yaml").write_text(
            "recipe: sit\nmodel: SiT-B/2\nmilestones: [m400k]\nruns: {sit_b2: {method: none}}\n"
        )
    with pytest.raises(InputError, match=r"b.yaml: run sit_b2 is already defined in .*a.yaml"):
        _ = Catalogue(tmp_path, "digits").runs


def test_source_hashes_follow_the_code(monkeypatch, tmp_path):
    before = source_hash("metrics")
    assert before == source_hash("metrics") != source_hash("reporting")
    package = tmp_path / "sra"
    (package / "metrics").mkdir(parents=True)
    (package / "metrics/fid.py").write_text("a = 1\n")
    monkeypatch.setattr("sra.plan.sources.sra", SimpleNamespace(__file__=str(package / "__init__.py")))
    first = source_hash("metrics")
    (package / "metrics/fid.py").write_text("a = 2\n")
    assert source_hash("metrics") != first


def test_registries_are_values():
    assert replace(DIGITS) == DIGITS != PAPER


def test_a_subset_of_imagenet_has_its_own_number_of_images():
    imagenet, digits = SimpleNamespace(dataset="imagenet256"), SimpleNamespace(dataset="digits")
    whole, subset = checked_plan(ROOT, {"preset": "paper"}), checked_plan(ROOT, {"preset": "paper", "paths": {"expected_images": 5000}})
    assert data.expected_images(whole, imagenet) == "--expected-images 1281167 --expected-classes 1000"
    assert data.expected_images(subset, imagenet) == "--expected-images 5000"
    assert data.expected_images(subset, digits) == "--expected-images 1797 --expected-classes 10"


def test_what_the_user_fetched_is_used_and_waited_for(tmp_path):
    plan, run = checked_plan(ROOT, {"preset": "paper", "paths": {"downloads": str(tmp_path)}}), SimpleNamespace(preset="paper", run="sit_b2")
    (tmp_path / "sd-vae-ft-ema").mkdir()
    (tmp_path / "weights-inception-2015-12-05-6726825d.pth").touch()
    (tmp_path / "vit_small_patch16_224.dino").mkdir()
    assert assets.source(plan, run, "vae") == str(tmp_path / "sd-vae-ft-ema")
    assert assets.inputs(plan, run, "vae") == [str(tmp_path / "sd-vae-ft-ema" / "diffusion_pytorch_model.safetensors")]
    assert assets.inputs(plan, run, "extractor") == [str(tmp_path / "weights-inception-2015-12-05-6726825d.pth")]
    by_name = SimpleNamespace(dataset="imagenet256", encoder="timm/vit_small_patch16_224.dino")
    assert assets.source(plan, by_name, "encoder") == str(tmp_path / "vit_small_patch16_224.dino")
    assert assets.source(plan, SimpleNamespace(dataset="imagenet256", encoder="timm/resnet50"), "encoder") == "timm/resnet50"


def test_encoders_run_beside_the_training_where_the_preset_says_so():
    plan = checked_plan(ROOT, {"preset": "paper"})
    run = SimpleNamespace(preset="paper", run="sit_xl2_repa_dinov2b")
    assert train.targets(plan, run) == {"features": [], "pixels": "results/shared/imagenet256/pixels/store.json", "encoder": []}
    assert train.options(plan, run) == [
        "--pixels", "results/shared/imagenet256/pixels/store.json", "--encoder", "timm/vit_base_patch14_dinov2.lvd142m"
    ]  # fmt: skip


def test_official_seeding_draws_one_shard_a_process(tmp_path):
    for name in ("config", "report"):
        shutil.copytree(ROOT / name, tmp_path / name)
    samplers = tmp_path / "config/samplers.yaml"
    samplers.write_text(samplers.read_text() + "  published: {kind: sde, evaluations: 250, official_seeding: {processes: 8, batch: 64}}\n")
    run = SimpleNamespace(preset="paper", run="sit_b2", milestone="m400k", sampler="published", paper_count="50000")
    shards = sample.shards(checked_plan(tmp_path, {"preset": "paper"}), run)
    assert len(shards) == 8
    assert shards[7].endswith("published/n50000/shard_007_of_008.npz")


CAPTIONED = SimpleNamespace(preset="digits", run="mmdit_sra", point="m150k", milestone="m150k", sampler="ode50_cfg2", paper_count="40192")


def test_runs_on_captions_have_a_data_set_and_models_of_their_own():
    plan = checked_plan(ROOT, {"preset": "digits"})
    assert train.latents(plan, CAPTIONED) == "results/shared/scenes/latents/scenes_vae/store.json"
    assert train.options(plan, CAPTIONED) == ["--text", "results/shared/scenes/text/scenes_clip/store.json"]
    repa = SimpleNamespace(preset="digits", run="mmdit_repa")
    assert train.options(plan, repa)[:2] == ["--features", "results/shared/scenes/features/scenes_vit/store.json"]
    assert sample.prompts(plan, CAPTIONED) == {
        "captions": "results/shared/scenes/index.json",
        "text_encoder": ["results/shared/scenes/clip/scenes_clip/model.safetensors"],
    }
    assert assets.source(plan, CAPTIONED, "vae") == "results/shared/scenes/vae/scenes_vae"
    # The classifier of single digits scores scenes of them, as a classifier of ImageNet scores MS-COCO.
    assert assets.source(plan, CAPTIONED, "extractor") == "results/shared/digits/extractor/digits_cnn"
    assert score.reference(plan, CAPTIONED) == "results/shared/scenes/reference/digits_cnn/val_1600.npz"
    assert data.shards(plan, SimpleNamespace(dataset="scenes", clip="scenes_clip"), "text") == [
        "results/shared/scenes/text/scenes_clip/text_000_of_001.npy"
    ]
    assert train.step(plan, CAPTIONED) == 800
    assert data.expected_images(plan, SimpleNamespace(dataset="scenes")) == "--expected-train 6400 --expected-val 1600"


def test_a_run_of_classes_asks_for_no_captions():
    plan, run = checked_plan(ROOT, {"preset": "digits"}), SimpleNamespace(preset="digits", run="sit_b2", sampler="sde250")
    assert train.captions(plan, run) == {"text": [], "captions": [], "text_encoder": []}
    assert sample.prompts(plan, run) == {"captions": [], "text_encoder": []}
    assert "--captions" not in sample.options(plan, run)
    assert score.judges(plan, run) == score.pytorch_reference(plan, run) == []


def test_captions_at_the_papers_scale_are_scored_under_both_resizes_and_by_three_models(tmp_path):
    plan = checked_plan(ROOT, {"preset": "paper", "paths": {"coco": str(tmp_path), "expected_coco": {"train": 6, "val": 40192}}})
    run = SimpleNamespace(preset="paper", run="mmdit")
    assert score.reference_input(plan, run) == ["results/shared/coco256/reference/inception_2015/val_10000.npz"]
    assert score.pytorch_reference(plan, run) == ["results/shared/coco256/reference/inception_2015/val_0_pytorch.npz"]
    options = score.options(plan, run)
    assert options[options.index("--pick-model") + 1] == "yuvalkirstain/PickScore_v1"
    assert options[options.index("--cmmd-model") + 1] == "openai/clip-vit-large-patch14-336"
    coco = SimpleNamespace(dataset="coco256", clip="clip_l14")
    assert data.dtype(plan, coco, "text") == "fp16"
    assert data.expected_images(plan, coco) == "--expected-train 6 --expected-val 40192"
    assert data.source_files(plan, coco) == []
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/captions_val2014.json").touch()
    assert data.source_files(plan, coco) == [f"{tmp_path}/annotations/captions_val2014.json"]


def test_captions_are_encoded_in_each_step_where_the_preset_says_so(tmp_path):
    for name in ("config", "report"):
        shutil.copytree(ROOT / name, tmp_path / name)
    preset = tmp_path / "config/presets/paper.yaml"
    preset.write_text(preset.read_text().replace("text_dtype: fp16", "text_features: online\n  text_dtype: fp16"))
    plan, run = checked_plan(tmp_path, {"preset": "paper"}), SimpleNamespace(preset="paper", run="mmdit_sra")
    assert train.captions(plan, run)["captions"] == "results/shared/coco256/index.json"
    assert train.options(plan, run) == ["--captions", "results/shared/coco256/index.json", "--text-encoder", "openai/clip-vit-large-patch14"]


def test_a_preset_without_captions_leaves_their_runs_out(tmp_path):
    for name in ("config", "report"):
        shutil.copytree(ROOT / name, tmp_path / name)
    preset = tmp_path / "config/presets/digits.yaml"
    text = preset.read_text()
    preset.write_text(text[: text.index("text_to_image:")] + text[text.index("needs:") :])
    assert not any(item.run.startswith("mmdit") for item in required_by_all(Catalogue(tmp_path, "digits")))
    with pytest.raises(InputError, match="has no text_to_image; add it, or choose a preset that has"):
        Catalogue(tmp_path, "digits").spec("mmdit")


def test_code_outside_the_room_of_metrics_is_part_of_a_score():
    parts = ("metrics", "encoders/image_text.py")
    assert source_hash(*parts) != source_hash("metrics") != source_hash("encoders/image_text.py")
    with pytest.raises(FileNotFoundError):
        source_hash("encoders/none_such.py")


def test_probes_and_components_are_asked_for_as_the_figures_need_them():
    plan = checked_plan(ROOT, {"preset": "digits"})
    run = SimpleNamespace(preset="digits", run="sit_xl2", milestone="m4m", time="100")
    assert analyse.probe_time(plan, run) == "0.1"
    blocks = analyse.probe_blocks(plan, run)
    assert blocks[::2] == ["--block"] * (len(blocks) // 2)
    assert [int(block) for block in blocks[1::2]] == [1, 3, 4, 5, 6, 7, 8, 9]
    assert '"held_out":287' in analyse.probe_training(plan, run)
    options = analyse.component_options(plan, run)
    assert options[options.index("--class") + 1] == "88"
    assert [time for name, time in pairwise(options) if name == "--time"] == ["0.7", "0.5", "0.3", "0.1"]
    figure = SimpleNamespace(preset="digits", figure="figure_2b")
    assert analyse.probes_of_figure(plan, figure) == [f"results/digits/probes/sit_xl2/m4m/t{time}.json" for time in (100, 300, 500, 700)]
    assert analyse.components_of_figure(plan, figure) == show.scores_of_figure(plan, figure) == []
    assert analyse.components_of_figure(plan, SimpleNamespace(preset="digits", figure="figure_2a")) == ["results/digits/pca/sit_xl2/m4m.npz"]
    assert analyse.probes_of_figure(plan, SimpleNamespace(preset="digits", figure="figure_4")) == []


def test_the_released_model_is_probed_where_it_fits():
    figure = SimpleNamespace(preset="paper", figure="figure_2b")
    assert analyse.probes_of_figure(checked_plan(ROOT, {"preset": "paper"}), figure)[0] == "results/paper/probes/sit_xl2_released/m7m/t100.json"


def test_claims_need_no_score_that_nothing_shows():
    for preset in ("digits", "paper"):
        plan = checked_plan(ROOT, {"preset": preset})
        wildcards = SimpleNamespace(preset=preset)
        shown = {file for table in show.tables(plan) for file in show.scores_of_table(plan, SimpleNamespace(preset=preset, table=table))}
        shown |= {file for figure in show.figures(plan) for file in show.scores_of_figure(plan, SimpleNamespace(preset=preset, figure=figure))}
        assert set(show.scores_of_claims(plan, wildcards)) <= shown
        assert "report/tables/table_1.yaml" in show.targets_of_claims(plan, wildcards)


def test_a_table_of_settings_follows_the_configuration():
    plan = checked_plan(ROOT, {"preset": "digits"})
    files = show.settings_of_table(plan, SimpleNamespace(preset="digits", table="table_5"))
    assert {"config/recipes/sit.yaml", "config/presets/paper.yaml", "config/presets/digits.yaml"} < set(files)
    assert show.settings_of_table(plan, SimpleNamespace(preset="digits", table="table_1")) == []
    assert "report/published/table_1.csv" in show.published(plan, "table_s4")
