"""The fashion preset's chain, at toy size on a CPU: first in pieces without Snakemake, one of them cut off in training, then by Snakemake."""

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest
from checkout import JOBS

from sra.core.files import read_json
from sra.data.fashion import read_fashion, write_fashion

INSTALLED = Path("/usr/share/datasets/fashion-mnist")  # Debian's dataset-fashion-mnist
RUNS = [f"{run}{seed}" for run in ("sit_b2", "sit_b2_sra", "sit_b2_repa") for seed in ("", "__s1")]


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


@pytest.mark.slow
def test_the_toy_chain_in_pieces_and_then_by_snakemake(checkout, tmp_path):
    write_source(tmp_path / "source")
    config = config_of(tmp_path / "source")
    done = checkout.list_jobs(*config)
    assert done.returncode == 0, done.stdout
    jobs = read_json(checkout.folder / JOBS)["jobs"]

    first = checkout.run_jobs("--minutes", "0.3")
    assert first.returncode == 75, first.stdout
    said = re.search(rf"(\d+) of {len(jobs)} jobs done, .*; the same command goes on", first.stdout)
    assert said, first.stdout
    rest = checkout.run_jobs()
    assert rest.returncode == 0, rest.stdout
    assert f"{len(jobs)} of {len(jobs)} jobs done" in rest.stdout

    # Snakemake takes over what it did not make: nothing is trained or sampled again, what is left is drawing.
    taken = checkout.snakemake("--touch", "--forceall", *config)
    assert taken.returncode == 0, taken.stdout
    left = checkout.planned(*config)
    assert set(left) <= {"all", "render_table", "render_figure", "judge_claims", "render_report", "write_registry", "write_appendix"}
    finished = checkout.snakemake("--quiet", "all", *config)
    assert finished.returncode == 0, finished.stdout

    results = checkout.folder / "results/fashion_toy"
    figure, table = read_json(results / "figures/figure_s2.json"), read_json(results / "tables/table_s5.json")
    lines = figure["panels"][0]["lines"]
    assert [line["method"] for line in lines] == ["none", "sra", "repa"]
    scored = [point for line in lines for point in line["points"] if point["step"]]
    assert [point["step"] for point in scored] == [20, 40] * 3
    assert all(point["value"] > 0 and point["spread"]["training"] == 2 for point in scored)
    assert len(figure["findings"]) == 2  # of SRA and of REPA
    assert all("from 2 and 2 trainings" in finding for finding in figure["findings"])
    assert all(cell["value"] is not None for row in table["rows"] for cell in row["cells"])
    assert sorted(path.name for path in (results / "runs").iterdir()) == sorted(RUNS)
    page = (results / "report.html").read_text(encoding="utf-8")
    assert figure["findings"][0].split(" ")[0] in page
    assert "Figure S2" in page
    assert not checkout.planned(*config)

    # And it knows how the files were made: another setting makes its runs anew.
    checkout.edit("config/presets/fashion_toy.yaml", "learning_rate_factor: 40", "learning_rate_factor: 30")
    assert checkout.planned(*config)["train_segment"] == 2 * len(RUNS)


@pytest.mark.skipif(not INSTALLED.exists(), reason=f"{INSTALLED} is not there: apt-get install dataset-fashion-mnist")
def test_the_real_files_hold_seventy_thousand_images(tmp_path):
    source = read_fashion(INSTALLED)
    assert [len(source[split]) for split in ("train", "held_out")] == [60_000, 10_000]
    assert all(np.bincount(source[split].targets.numpy()).tolist() == [count] * 10 for split, count in (("train", 6000), ("held_out", 1000)))
    write_fashion(tmp_path / "images.zip", source, 700)  # the first of them
    assert (tmp_path / "images.zip").stat().st_size > 500_000
