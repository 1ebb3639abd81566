"""The real chain on real digits, shorter: from the archive of images to a cell of the page, then what reruns after which change."""

import argparse
import json

import numpy as np
import pytest
import scipy.linalg
import torch
from safetensors.torch import load_file

from sra.core.files import sha256_of_file
from sra.core.receipts import read_receipt
from sra.metrics.extractor_files import load_extractor
from sra.models.dit import DiffusionTransformer
from sra.models.heads import Projector
from sra.spec.run import read_run

TABLE = """
id: table_s9
title: SRA and its baseline
paper: none
columns: [{metric: fid, better: lower, format: ".2f"}, {metric: label_agreement, better: higher, format: ".3f"}]
score: {milestone: m400k, sampler: sde250, samples: 50000}
rows:
  - {label: baseline, run: sit_b2}
  - {label: SRA, run: sit_b2_sra}
"""
FIGURE = """
kind: grid
id: figure_s9
title: Samples
paper: none
caption: Samples by rule.
score: {milestone: m400k, sampler: sde250, samples: 50000}
runs: [{method: sra, run: sit_b2_sra}]
per_class: 2
"""
RUNS = ("sit_b2", "sit_b2_sra")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, new_checkout):
    """The default target, run from nothing at a preset of 40 steps and 64 samples."""
    checkout = new_checkout(tmp_path_factory.mktemp("chain") / "checkout")
    checkout.show_only(table_s9=TABLE, figure_s9=FIGURE)
    checkout.shorten(
        milestones="{m200k: 20, m400k: 40}",
        samples="{50000: 64, 1000: 64}",
        evaluations="{250: 4}",
        shard_samples="40",
        reference_images="300",
        B="{depth: 8, width: 32, heads: 2}",
    )
    done = checkout.snakemake("--show-failed-logs")
    assert done.returncode == 0, done.stdout[-4000:]
    return checkout


def score_of(checkout, run):
    return json.loads((checkout.folder / f"results/tiny/scores/{run}/m400k/sde250/n50000.json").read_text())


def samples_of(checkout, run):
    return checkout.folder / f"results/tiny/samples/{run}/m400k/sde250/n50000/samples.npz"


@pytest.mark.slow
def test_the_scores_are_those_of_the_samples(finished):
    """FID by another formula and label agreement by hand, from the bytes that were scored."""
    shared = finished.folder / "results/shared/digits"
    extractor = load_extractor(shared / "extractor/digits_cnn")
    with np.load(shared / "reference/digits_cnn/train_300.npz") as reference:
        mean, covariance = reference["mu"], reference["sigma"]
    for run in RUNS:
        score = score_of(finished, run)
        with np.load(samples_of(finished, run)) as pack:
            images, labels = pack["arr_0"], pack["labels"]
        assert images.shape == (64, 32, 32, 3)
        features = extractor.features(torch.from_numpy(images))
        pooled = features.pooled.double().numpy()
        root = scipy.linalg.sqrtm(covariance @ np.cov(pooled, rowvar=False)).real
        fid = np.square(mean - pooled.mean(0)).sum() + np.trace(covariance) + np.trace(np.cov(pooled, rowvar=False)) - 2 * np.trace(root)
        assert score["metrics"]["fid"] == pytest.approx(fid, rel=1e-4)
        assert score["metrics"]["label_agreement"] == (features.predicted.numpy() == labels).mean()
        assert 1 <= score["metrics"]["is"] <= 10
        assert all(0 <= score["metrics"][name] <= 1 for name in ("precision", "recall"))
        assert score["extractor"]["held_out_accuracy"] >= 0.97


@pytest.mark.slow
def test_receipts_chain_from_the_score_to_the_archive(finished):
    folder = finished.folder / "results"
    for run in RUNS:
        score = score_of(finished, run)
        weights = folder / f"tiny/runs/{run}/weights/m400k.safetensors"
        state = folder / f"tiny/runs/{run}/state/m400k.safetensors"
        assert score["samples"]["sha256"] == sha256_of_file(samples_of(finished, run))
        assert score["weights"]["sha256"] == sha256_of_file(weights)
        assert read_receipt(weights, "weights")["made_from"]["state"] == sha256_of_file(state)
        latents = folder / "shared/digits/latents/digits_vae/store.json"
        assert read_receipt(state, "training state")["made_from"] == {"latents": sha256_of_file(latents)}
        assert score["fingerprint"] == json.loads((folder / f"tiny/runs/{run}/config.json").read_text())["fingerprint"]
    vae = folder / "shared/digits/vae/digits_vae/diffusion_pytorch_model.safetensors"
    index = folder / "shared/digits/index.json"
    assert read_receipt(vae, "vae")["made_from"]["index"] == sha256_of_file(index)
    assert read_receipt(index, "index")["made_from"]["images"] == sha256_of_file(folder / "shared/digits/images.zip")
    assert read_receipt(folder / "shared/digits/latents/digits_vae/store.json", "latents")["made_from"]["vae"] == sha256_of_file(vae)


@pytest.mark.slow
def test_the_page_shows_what_was_scored(finished):
    page = (finished.folder / "results/tiny/report.html").read_text(encoding="utf-8")
    table = json.loads((finished.folder / "results/tiny/tables/table_s9.json").read_text())
    values = [next(cell["value"] for cell in row["cells"] if cell["metric"] == "fid") for row in table["rows"]]
    assert values == [score_of(finished, run)["metrics"]["fid"] for run in RUNS]
    for value in values:
        assert f"{value:.2f}" in page
    assert "not comparable with the paper" in page
    for picture in ("svg", "png"):
        assert (finished.folder / f"results/tiny/figures/figure_s9.{picture}").stat().st_size > 1000


@pytest.mark.slow
def test_training_changed_the_weights_and_the_methods_differ(finished):
    curves = [
        [json.loads(line) for line in (finished.folder / f"results/tiny/runs/{run}/curve/m400k.jsonl").read_text().splitlines()] for run in RUNS
    ]
    assert [entry["step"] for entry in curves[0]] == [10, 20, 30, 40]
    assert curves[0][-1]["generation"] < curves[0][0]["generation"]
    assert all(entry["alignment_share"] == 0 and "sra" not in entry for entry in curves[0])
    assert all(0 < entry["alignment_share"] < 1 and entry["sra_weight"] == 0.2 for entry in curves[1])
    assert score_of(finished, "sit_b2")["metrics"] != score_of(finished, "sit_b2_sra")["metrics"]


@pytest.mark.slow
def test_a_released_checkpoint_of_the_same_weights_gives_the_same_images(finished):
    """The baseline's own weights, packed as REPA's trainer would, imported into a run that is not trained."""
    trained = load_file(finished.folder / "results/tiny/runs/sit_b2/weights/m400k.safetensors")
    model = DiffusionTransformer(read_run(finished.folder / "results/tiny/runs/sit_b2/config.json").model)
    model.load_state_dict(trained, strict=False)
    projector = {f"projectors.0.{name}": tensor for name, tensor in Projector(32, 48, 24).state_dict().items()}
    ema = {f"module.{name}": tensor for name, tensor in (model.state_dict() | projector).items()}
    (finished.folder / "mine").mkdir()
    torch.save({"ema": ema, "model": ema, "args": argparse.Namespace(seed=0), "steps": 400_000}, finished.folder / "mine/0400000.pt")
    (finished.folder / "config/experiments/mine.yaml").write_text(
        "recipe: sit\nmodel: SiT-B/2\nmilestones: [m400k]\nruns:\n"
        "  sit_b2_released: {method: none, weights: {file: mine/0400000.pt, family: repa, step: 400000}}\n"
    )
    target = "results/tiny/scores/sit_b2_released/m400k/sde250/n50000.json"
    jobs = {"resolve_run": 1, "import_weights": 1, "sample_shard": 2, "pack_samples": 1, "score_samples": 1}
    assert finished.planned(target) == jobs
    done = finished.snakemake(target, "--show-failed-logs")
    assert done.returncode == 0, done.stdout[-4000:]
    assert score_of(finished, "sit_b2_released")["metrics"] == score_of(finished, "sit_b2")["metrics"]
    with np.load(samples_of(finished, "sit_b2_released")) as released, np.load(samples_of(finished, "sit_b2")) as ours:
        assert np.array_equal(released["arr_0"], ours["arr_0"])


@pytest.mark.slow
def test_nothing_reruns_after_a_finished_run_and_nothing_half_written_stays(finished):
    assert finished.planned() == {}
    left = [path for path in (finished.folder / "results").rglob("*") if path.name.startswith(".") or path.name.endswith(".partial")]
    assert left == []
    assert not list((finished.folder / "results").rglob("shard_*.npz"))


@pytest.mark.slow
def test_editing_one_run_reruns_that_run_alone(finished):
    path, old, new = "config/experiments/sit_b2.yaml", "sit_b2_sra: {method: sra}", "sit_b2_sra: {method: sra, weight: 0.3}"
    finished.edit(path, old, new)
    jobs = finished.planned()
    finished.edit(path, new, old)
    assert jobs == {
        **{"resolve_run": 1, "train_segment": 2, "export_ema": 1, "sample_shard": 2, "pack_samples": 1, "score_samples": 1},
        **{"render_table": 1, "render_figure": 1, "render_report": 1, "write_registry": 1, "write_appendix": 1, "all": 1},
    }
    assert finished.planned() == {}


@pytest.mark.slow
def test_a_changed_sampler_samples_again_without_training(finished):
    path, old, new = "config/samplers.yaml", "sde250: {kind: sde, evaluations: 250}", "sde250: {kind: sde, evaluations: 250, last_step: 0.03}"
    finished.edit(path, old, new)
    jobs = finished.planned()
    finished.edit(path, new, old)
    assert jobs["sample_shard"] == 4
    assert not {"train_segment", "export_ema", "resolve_run"} & set(jobs)


@pytest.mark.slow
def test_refresh_prints_missing_scores_as_not_run(finished):
    score = finished.folder / "results/tiny/scores/sit_b2/m400k/sde250/n50000.json"
    kept = score.read_bytes()
    score.unlink()
    done = finished.snakemake("refresh")
    assert done.returncode == 0, done.stdout
    assert "not run" in (finished.folder / "results/tiny/tables/table_s9.md").read_text()
    score.write_bytes(kept)
    assert finished.snakemake("refresh").returncode == 0
    assert "not run" not in (finished.folder / "results/tiny/tables/table_s9.md").read_text()
