"""The paper preset's own rules on a miniature ImageNet: a folder of class folders with every odd kind of file, and networks of the real classes
with random weights in the files that a user fetches. Only counts and the autoencoder's width are reduced (test_vae.py has the real one's), and the
precision is a CPU's.
"""

import io
import json
import re
import time

import numpy as np
import pytest
from PIL import Image
from random_networks import save_random_dinov2, save_random_inception, save_random_sd_vae

from sra.core.files import sha256_of_file
from sra.core.npz import write_npz
from sra.core.receipts import read_receipt

CLASSES = ("n01440764", "n01443537", "n01484850", "n01491361")
TABLE = """
id: table_s9
title: Miniature ImageNet
paper: none
columns: [{metric: fid, better: lower, format: ".2f"}, {metric: is, better: higher, format: ".2f"}]
score: {milestone: m400k, sampler: sde250_cfg18, samples: 50000}
rows:
  - {label: SRA, run: sit_s2_sra}
"""
RUNS = """
recipe: sit
model: SiT-S/2
milestones: [m400k]
runs:
  sit_s2_sra: {method: sra, student_block: 3, teacher_block: 8}
  sit_s2_repa: {method: repa, block: 4}
"""
SAMPLED = "results/paper/samples/sit_s2_sra/m400k/sde250_cfg18/n50000/samples.npz"
REPA_STATE = "results/paper/runs/sit_s2_repa/state/m400k.safetensors"  # trained alone: drawing images of 256 pixels is what takes the time
IMAGES, SAMPLES = 12, 4


def picture(seed, width=500, height=375):
    """Something with edges and slopes, so that crops differ."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    waves = [np.sin(columns / random.uniform(9, 60) + rows / random.uniform(9, 60) + phase) for phase in range(3)]
    return Image.fromarray((np.stack(waves, axis=-1) * 127 + 128).astype(np.uint8))


def saved(image, path, kind="JPEG", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, kind, **options)


def miniature_imagenet(folder):
    """Three images in each of four classes, half of them odd, and two files that no one can use."""
    exif = Image.Exif()
    exif[0x0112] = 6
    saved(picture(0), folder / CLASSES[0] / "n01440764_10026.JPEG")
    saved(picture(1).convert("L"), folder / CLASSES[0] / "n01440764_grey.JPEG")
    saved(picture(2).convert("CMYK"), folder / CLASSES[0] / "n01440764_cmyk.JPEG")
    saved(picture(3), folder / CLASSES[1] / "n01443537_10.JPEG")
    saved(picture(4).quantize(16), folder / CLASSES[1] / "n01443537_palette.JPEG", "PNG")
    saved(picture(5), folder / CLASSES[1] / "n01443537_png.JPEG", "PNG")
    saved(picture(6), folder / CLASSES[2] / "n01484850_exif.JPEG", exif=exif.tobytes())
    saved(picture(7, 90, 120), folder / CLASSES[2] / "n01484850_small.JPEG")
    saved(picture(8, 1200, 1100), folder / CLASSES[2] / "n01484850_large.JPEG")
    for number in range(3):
        saved(picture(9 + number), folder / CLASSES[3] / f"n01491361_{number}.JPEG")
    whole = io.BytesIO()
    picture(20).save(whole, "JPEG")
    (folder / CLASSES[3] / "n01491361_cut.JPEG").write_bytes(whole.getvalue()[:-2000])
    saved(Image.fromarray(np.full((300, 300), 40_000, dtype=np.uint16)), folder / CLASSES[3] / "n01491361_deep.JPEG", "PNG")


def fetched(downloads):
    """What the user would download, with random weights and made-up statistics. Returns the hash of the Inception weights."""
    downloads.mkdir()
    save_random_sd_vae(downloads / "sd-vae-ft-ema", small=True)
    save_random_dinov2(downloads / "vit_base_patch14_dinov2.lvd142m")
    random = np.random.default_rng(0)
    arrays = {}
    for mean, covariance, dimension in (("mu", "sigma", 2048), ("mu_s", "sigma_s", 2023)):
        factor = random.standard_normal((dimension, 64)) / 8
        arrays |= {mean: random.standard_normal(dimension), covariance: factor @ factor.T + 0.01 * np.eye(dimension)}
    images = np.stack([np.asarray(picture(seed, 256, 256)) for seed in range(30, 36)])
    write_npz(downloads / "VIRTUAL_imagenet256_labeled.npz", {"arr_0": images, **arrays})
    return save_random_inception(downloads / "weights-inception-2015-12-05-6726825d.pth")


@pytest.fixture(scope="module")
def suite(tmp_path_factory, new_checkout):
    """The checkout of a user who has ImageNet and has fetched the files; two images are not as they should be yet."""
    checkout = new_checkout(tmp_path_factory.mktemp("imagenet") / "checkout")
    miniature_imagenet(checkout.folder / "train")
    inception = fetched(checkout.folder / "downloads")
    checkout.edit("config/config.yaml", "imagenet: null", "imagenet: train")
    checkout.edit("config/config.yaml", "expected_images: null", f"expected_images: {IMAGES}")
    checkout.edit("config/weights.tsv", "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2", inception)
    (checkout.folder / "report/tables/table_s9.yaml").write_text(TABLE)
    (checkout.folder / "config/experiments/miniature.yaml").write_text(RUNS)
    checkout.shorten_paper(
        ("batch: 256", "batch: 2\nduplicates: 1.0"),  # random networks decode to grey
        ("m400k: 400000", "m400k: 2"),
        (r"  m(450k|550k|600k|800k|1m|2m|4m|7m): \d+\n", ""),
        (r"  m(50k|100k|200k|250k|300k|350k): \d+\n", ""),
        (r"samples: \{50000: 50000", f"samples: {{50000: {SAMPLES}"),
        (r"\nsecondary: .*", ""),  # 1,000 and 10,000 images at least
        ("shard_samples: .*", "shard_samples: 3"),
    )
    return checkout


@pytest.fixture(scope="module")
def finished(suite):
    for name in ("n01491361_cut.JPEG", "n01491361_deep.JPEG"):
        (suite.folder / "train" / CLASSES[3] / name).unlink(missing_ok=True)
    start = time.monotonic()
    done = suite.snakemake("table_s9", REPA_STATE, "--show-failed-logs")
    assert done.returncode == 0, done.stdout[-6000:]
    print(f"{time.monotonic() - start:.0f} s")
    return suite


@pytest.mark.slow
def test_images_that_cannot_be_used_are_named_before_any_work(suite):
    suite.edit("config/config.yaml", f"expected_images: {IMAGES}", f"expected_images: {IMAGES + 2}")
    done = suite.snakemake("results/shared/imagenet256/index.json", "--show-failed-logs")
    assert done.returncode != 0
    assert "2 images cannot be read: n01491361/n01491361_cut.JPEG, n01491361/n01491361_deep.JPEG" in done.stdout
    assert "n01491361_deep.JPEG' has mode I;16, expected 8 bits a channel" in done.stdout
    suite.edit("config/config.yaml", f"expected_images: {IMAGES + 2}", f"expected_images: {IMAGES}")
    done = suite.snakemake("results/shared/imagenet256/index.json", "--show-failed-logs")
    assert f"holds {IMAGES + 2} images of 4 classes, expected {IMAGES} of 4; its largest classes: n01491361 5, " in done.stdout


@pytest.mark.slow
def test_every_image_reaches_the_latents_and_every_score_names_its_files(finished):
    shared, downloads = finished.folder / "results/shared/imagenet256", finished.folder / "downloads"
    index = json.loads((shared / "index.json").read_text())
    assert index["classes"] == list(CLASSES)
    assert len(index["images"]) == IMAGES
    latents = json.loads((shared / "latents/sd_vae_ft_ema/store.json").read_text())
    assert (latents["count"], latents["row_shape"], len(latents["shards"])) == (IMAGES, [8, 32, 32], 2)
    assert latents["facts"]["scaling_factor"] == 0.18215
    pixels = json.loads((shared / "pixels/store.json").read_text())
    assert (pixels["count"], pixels["row_shape"]) == (IMAGES, [256, 256, 3])
    score = json.loads((finished.folder / "results/paper/scores/sit_s2_sra/m400k/sde250_cfg18/n50000.json").read_text())
    assert score["count"] == SAMPLES
    assert score["reference"]["sha256"] == sha256_of_file(downloads / "VIRTUAL_imagenet256_labeled.npz")
    assert score["extractor"]["name"] == "inception_2015"
    assert score["extractor"]["sha256"] == sha256_of_file(downloads / "weights-inception-2015-12-05-6726825d.pth")
    assert set(score["metrics"]) == {"fid", "sfid", "is", "precision", "recall"}
    assert all(np.isfinite(value) for value in score["metrics"].values())
    vae = downloads / "sd-vae-ft-ema/diffusion_pytorch_model.safetensors"
    assert read_receipt(finished.folder / SAMPLED, "samples")["made_from"]["vae"] == sha256_of_file(vae)
    assert {"pixels", "encoder"} <= read_receipt(finished.folder / REPA_STATE, "training state")["made_from"].keys()
    assert (finished.folder / "config/checksums/adm_imagenet256.sha256").exists()


@pytest.mark.slow
def test_the_pack_is_what_adms_evaluator_reads(finished):
    """arr_0 of an uncompressed npz, uint8 NHWC, C order."""
    with np.load(finished.folder / SAMPLED) as arrays:
        assert arrays["arr_0"].shape == (SAMPLES, 256, 256, 3)
        assert arrays["arr_0"].dtype == np.uint8
        assert set(arrays["labels"].tolist()) <= set(range(1000))


@pytest.mark.slow
def test_nothing_is_left_to_do(finished):
    assert finished.planned("table_s9", REPA_STATE) == {}


@pytest.mark.slow
def test_a_missing_download_is_one_line_that_says_what_to_fetch(finished, tmp_path, new_checkout):
    without = new_checkout(tmp_path / "checkout")
    without.edit("config/config.yaml", "preset: digits", "preset: paper")
    target = "results/shared/imagenet256/reference/inception_2015/adm_imagenet256.features.npz"
    done = without.snakemake(target, "--show-failed-logs")
    assert done.returncode != 0
    errors = [line for line in done.stdout.splitlines() if "error: " in line]
    assert len(errors) == 1
    assert re.search(r"downloads/(VIRTUAL|weights-inception).*no such file; download https://", errors[0])
