"""A small preset, and score files written as scoring writes them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from score_files import HOSTILE, write_score_file

from sra.content.catalogue import Catalogue
from sra.core.files import write_json
from sra.spec.probe import ProbeRecord
from sra.spec.scale import Latent, Preset, ProbeTraining

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def hostile() -> str:
    return HOSTILE


@pytest.fixture
def root() -> Path:
    return ROOT


@pytest.fixture
def registry(tmp_path, root) -> Catalogue:
    """The repository's configuration and report files in a folder of their own, without any result."""
    for name in ("config", "report"):
        shutil.copytree(root / name, tmp_path / name)
    return Catalogue(tmp_path, "digits")


@pytest.fixture
def preset() -> Preset:
    return Preset(
        title="ten digits",
        comparable=False,
        dataset="digits",
        image_size=8,
        classes=10,
        latent=Latent(channels=1, size=4),
        vae="v",
        extractor="digits_cnn",
        encoders={},
        batch=1,
        milestones={"m200k": 200, "m400k": 400, "m4m": 900},
        paper_steps_per_step=1000,
        samples={50000: 500, 1000: 1000},
        reference_images=100,
    )


@pytest.fixture
def comparable(preset) -> Preset:
    return preset.model_copy(update={"comparable": True})


@pytest.fixture
def write_score(tmp_path):
    """write_score(run, fid=..., **) -> path of a score file; every call is another file."""

    def write(run, *conditions, **fields):
        return write_score_file(tmp_path / "scores" / f"{len(list(tmp_path.glob('scores/*')))}.json", run, *conditions, **fields)

    return write


@pytest.fixture
def write_published(tmp_path):
    """write_published("table_9", "key,fid,29.10", ...) -> folder. Source and confidence are filled in."""

    def write(stem, *rows):
        folder = tmp_path / "published"
        folder.mkdir(exist_ok=True)
        lines = ["key,metric,value,unit,source,confidence"]
        lines += [f'{stem}/{row},1,"a paper, Table 9",exact' for row in rows]
        (folder / f"{stem}.csv").write_text("\n".join(lines) + "\n")
        return folder

    return write


@pytest.fixture
def pack(tmp_path) -> Path:
    """40 images of 8 x 8: image i is grey level i throughout, its label i modulo 10."""
    path = tmp_path / "samples.npz"
    images = np.arange(40, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)
    np.savez(path, arr_0=images, labels=np.arange(40) % 10)
    return path


@pytest.fixture
def write_probe(tmp_path):
    """write_probe("base", {3: 0.5}) -> path of a probe file; every call is another file."""

    def write(run, accuracy, milestone="m4m", time=0.1, preset="small"):
        record = ProbeRecord(
            preset=preset,
            run=run,
            milestone=milestone,
            step=900,
            fingerprint="f",
            time=time,
            accuracy=accuracy,
            train_images=1150,
            held_out_images=287,
            training=ProbeTraining(),
            weights="w",
            latents="l",
            versions={},
            device="cpu",
        )
        path = tmp_path / "probes" / f"{len(list(tmp_path.glob('probes/*')))}.json"
        write_json(path, record.as_json())
        return path

    return write
