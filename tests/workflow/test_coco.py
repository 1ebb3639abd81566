"""The paper preset's own rules on a miniature MS-COCO, from captions to Table 2: networks of the real classes with random weights in the files that
a user fetches. Only counts and the sizes of transformer and autoencoder are reduced, and the precision is a CPU's.
"""

import json
import re
import time

import numpy as np
import pytest
from random_clip import save_random_clip
from random_coco import write_random_coco
from random_networks import save_random_dinov2, save_random_inception, save_random_sd_vae

from sra.core.npz import read_npz
from sra.core.receipts import read_receipt

IMAGES, SAMPLES = {"train": 6, "val": 8}, 5
RUNS = ("mmdit", "mmdit_repa", "mmdit_sra")
SCORE = "results/paper/scores/{run}/m150k/ode50_cfg2/n40192.json"
PACK = "results/paper/samples/{run}/m150k/ode50_cfg2/n40192/samples.npz"


@pytest.fixture(scope="module")
def suite(tmp_path_factory, new_checkout):
    """The checkout of a user who has MS-COCO and has fetched the files."""
    checkout = new_checkout(tmp_path_factory.mktemp("coco") / "checkout")
    downloads = checkout.folder / "downloads"
    downloads.mkdir()
    write_random_coco(checkout.folder / "coco", IMAGES, size=(400, 300))
    save_random_sd_vae(downloads / "sd-vae-ft-ema", small=True)
    save_random_dinov2(downloads / "vit_base_patch14_dinov2.lvd142m")
    for seed, name in enumerate(("clip-vit-large-patch14", "clip-vit-large-patch14-336", "PickScore_v1")):
        save_random_clip(downloads / name, seed, image_size=56)
    inception = save_random_inception(downloads / "weights-inception-2015-12-05-6726825d.pth")
    checkout.edit("config/config.yaml", "expected_coco: null", "expected_coco: {train: 6, val: 8}")
    checkout.edit("config/config.yaml", "  coco: null", "  coco: coco")
    checkout.edit("config/weights.tsv", "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2", inception)
    checkout.shorten_paper(
        ("batch: 256", "batch: 2\nmodels: {MMDiT: {depth: 8, width: 96, heads: 4}}"),
        ("m150k: 150000", "m150k: 2"),
        ("40192: 40192, 30000: 30000", f"40192: {SAMPLES}, 30000: {SAMPLES}"),
        ("shard_samples: .*", f"shard_samples: {SAMPLES}"),
        ("  reference_images: 10000 .*", "  reference_images: 6\n  duplicates: 1.0"),  # random networks decode to grey
    )
    return checkout


@pytest.fixture(scope="module")
def finished(suite):
    start = time.monotonic()
    done = suite.snakemake("table_2", "figure_t2i", "--show-failed-logs")
    assert done.returncode == 0, done.stdout[-6000:]
    print(f"{time.monotonic() - start:.0f} s")
    return suite


@pytest.mark.slow
def test_a_broken_annotation_is_named_before_any_work(suite):
    annotations = suite.folder / "coco/annotations/captions_val2014.json"
    whole = annotations.read_text()
    content = json.loads(whole)
    content["annotations"][0]["image_id"] = 123_456
    annotations.write_text(json.dumps(content))
    done = suite.snakemake("results/shared/coco256/index.json", "--show-failed-logs")
    annotations.write_text(whole)
    assert done.returncode != 0
    assert re.search(r"captions_val2014.json: annotation whose image_id is not among its images, 1 found: id \d+ \(image_id 123456\)", done.stdout)


@pytest.mark.slow
def test_captions_reach_the_three_trainings_in_the_same_way(finished):
    shared = finished.folder / "results/shared/coco256"
    index = json.loads((shared / "index.json").read_text())
    assert (index["splits"], index["crop"], index["image_size"]) == (IMAGES, "lanczos", 256)
    text = json.loads((shared / "text/clip_l14/store.json").read_text())
    captions = sum(len(image["captions"]) for image in index["images"] if image["split"] == "train")
    assert (text["count"], text["row_shape"]) == (captions + 1, [77, 768])
    assert json.loads((shared / "latents/sd_vae_ft_ema/store.json").read_text())["count"] == IMAGES["train"]
    made_from = [read_receipt(finished.folder / f"results/paper/runs/{run}/state/m150k.safetensors", "training state")["made_from"] for run in RUNS]
    assert [set(roles) - {"latents", "text", "text_encoder"} for roles in made_from] == [set(), {"pixels", "encoder", "encoder_config"}, set()]
    assert len({roles["text"] for roles in made_from}) == len({roles["latents"] for roles in made_from}) == 1


@pytest.mark.slow
def test_every_score_says_what_it_is(finished):
    for run in RUNS:
        score = json.loads((finished.folder / SCORE.format(run=run)).read_text())
        metrics = score["metrics"]
        assert set(metrics) == {"fid", "sfid", "is", "precision", "recall", "fid_pytorch", "clip_score", "pick_score", "cmmd"}
        assert all(np.isfinite(value) for value in metrics.values())
        assert metrics["fid"] != metrics["fid_pytorch"]
        assert (score["names"]["fid_pytorch"], score["count"], score["caption_policy"]) == ("FID-pytorch@5", SAMPLES, "in_order")
        assert score["reference"]["statistics_count"] == IMAGES["val"]
        judges = {name: score["about"][name] for name in ("clip_score", "pick_score", "cmmd")}
        assert [judge["model"] for judge in judges.values()] == ["clip-vit-large-patch14", "PickScore_v1", "clip-vit-large-patch14-336"]
        assert len({judge["model_sha256"] for judge in judges.values()}) == 3


@pytest.mark.slow
def test_the_methods_draw_the_same_captions(finished):
    packs = [read_npz(finished.folder / PACK.format(run=run)) for run in RUNS]
    index = json.loads((finished.folder / "results/shared/coco256/index.json").read_text())
    validation = [image["captions"] for image in index["images"] if image["split"] == "val"]
    for pack in packs:
        assert pack["arr_0"].shape == (SAMPLES, 256, 256, 3)
        assert np.array_equal(pack["captions"], packs[0]["captions"])
    assert all(caption.decode() in said for caption, said in zip(packs[0]["captions"], validation, strict=False))


@pytest.mark.slow
def test_the_table_stands_beside_the_published_numbers(finished):
    table = (finished.folder / "results/paper/tables/table_2.md").read_text()
    for printed in ("4.85", "4.75", "4.74", "21.14"):
        assert printed in table
    assert json.loads((finished.folder / "results/paper/figures/figure_t2i.json").read_text())["kind"] == "captions"


@pytest.mark.slow
def test_nothing_is_left_to_do(finished):
    assert finished.planned("table_2", "figure_t2i") == {}


@pytest.mark.slow
def test_random_captions_of_the_other_protocol_and_captions_encoded_in_each_step(finished):
    other = "results/paper/scores/mmdit_sra/m150k/ode50_cfg2_uvit/n30000.json"
    finished.edit("config/presets/paper.yaml", "text_dtype: fp16", "text_features: online\n  text_dtype: fp16")
    planned = finished.planned(other)
    assert planned["train_segment"] == 1  # it is told the same by another way
    assert "extract_text" not in planned
    done = finished.snakemake(other, "--show-failed-logs")
    assert done.returncode == 0, done.stdout[-6000:]
    score = json.loads((finished.folder / other).read_text())
    assert (score["caption_policy"], score["samples"]["uint8"], score["seed"]) == ("random", "round", 1234)
    made_from = read_receipt(finished.folder / "results/paper/runs/mmdit_sra/state/m150k.safetensors", "training state")["made_from"]
    assert set(made_from) == {"latents", "captions", "text_encoder", "text_encoder_config", "text_tokenizer"}
