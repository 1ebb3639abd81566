"""The fashion preset's chain, at toy size on a CPU."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from sra.core.files import read_json
from sra.data.fashion import read_fashion, write_fashion

INSTALLED = Path("/usr/share/datasets/fashion-mnist")  # Debian's dataset-fashion-mnist
RUNS = ["sit_b2", "sit_b2_repa", "sit_b2_sra"]


def clothes(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of ten classes, a bright bar at a height of its own each, and their labels."""
    random = np.random.default_rng(count)
    labels = (np.arange(count) % 10).astype(np.uint8)
    images = random.integers(0, 60, (count, 28, 28), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 + 2 * label : 6 + 2 * label, 4:24] = random.integers(150, 256)
    return images, labels


def write_source(folder: Path) -> None:
    """The four files of Fashion-MNIST with images of ours, as many as the toy preset takes."""
    folder.mkdir()
    for split, count in (("train", 1800), ("t10k", 300)):
        for name, array in zip((f"{split}-images-idx3-ubyte", f"{split}-labels-idx1-ubyte"), clothes(count), strict=True):
            head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
            (folder / f"{name}.gz").write_bytes(gzip.compress(head + array.tobytes()))


def config_of(source: Path) -> list[str]:
    return ["--config", "preset=fashion_toy", f"paths={json.dumps({'fashion': str(source)})}"]


def test_the_second_distance_has_a_network_and_a_reference_of_its_own(checkout, tmp_path):
    write_source(tmp_path / "source")
    jobs = checkout.planned("results/fashion_toy/scores/sit_b2/m400k/sde250/n50000.json", *config_of(tmp_path / "source"))
    assert (jobs["train_extractor"], jobs["make_reference"], jobs["reference_features"], jobs["score_samples"]) == (2, 2, 1, 1)
    reference = "results/shared/fashion_toy/reference/fashion_toy_rotation/train_0.npz"
    assert checkout.planned(reference, *config_of(tmp_path / "source")) == {
        "make_fashion": 1,
        "index_images": 1,
        "train_extractor": 1,
        "make_reference": 1,
    }


@pytest.mark.slow
def test_the_toy_chain(checkout, tmp_path):
    write_source(tmp_path / "source")
    config = [*config_of(tmp_path / "source"), "seeds=[0]"]
    done = checkout.snakemake("--show-failed-logs", *config)
    assert done.returncode == 0, done.stdout[-6000:]

    results = checkout.folder / "results/fashion_toy"
    figure, table = read_json(results / "figures/figure_s2.json"), read_json(results / "tables/table_s5.json")
    lines = figure["panels"][0]["lines"]
    assert [line["method"] for line in lines] == ["none", "sra", "repa"]
    scored = [point for line in lines for point in line["points"] if point["step"]]
    assert [point["step"] for point in scored] == [20, 40] * 3
    assert all(point["value"] > 0 for point in scored)
    second = read_json(checkout.folder / "results/shared/fashion_toy/extractor/fashion_toy_rotation/model.safetensors.receipt.json")
    scores = [read_json(path) for path in (results / "scores").rglob("*.json") if not path.name.endswith(".receipt.json")]
    assert all(score["metrics"]["fd_selfsup"] > 0 for score in scores)
    assert {score["about"]["fd_selfsup"]["extractor_sha256"] for score in scores} == {second["sha256"]}
    assert second["facts"]["task"] == "rotation"
    assert len(figure["findings"]) == 2  # of SRA and of REPA
    assert all(cell["value"] is not None for row in table["rows"] for cell in row["cells"])
    assert sorted(path.name for path in (results / "runs").iterdir()) == RUNS
    page = (results / "report.html").read_text(encoding="utf-8")
    assert figure["findings"][0].split(" ")[0] in page
    assert "Figure S2" in page
    assert not checkout.planned(*config)


@pytest.mark.skipif(not INSTALLED.exists(), reason=f"{INSTALLED} is not there: apt-get install dataset-fashion-mnist")
def test_the_real_files_hold_seventy_thousand_images(tmp_path):
    source = read_fashion(INSTALLED)
    assert [len(source[split]) for split in ("train", "held_out")] == [60_000, 10_000]
    assert all(np.bincount(source[split].targets.numpy()).tolist() == [count] * 10 for split, count in (("train", 6000), ("held_out", 1000)))
    write_fashion(tmp_path / "images.zip", source, 700)  # the first of them
    assert (tmp_path / "images.zip").stat().st_size > 500_000
