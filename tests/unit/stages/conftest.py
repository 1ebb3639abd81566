"""What `sra score` needs: an extractor of random weights, a reference in the published layout, and samples that others drew."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sra.core.receipts import write_receipt
from sra.metrics.extractors import WEIGHTS_FILE, DigitsExtractor, DigitsNetwork
from sra.metrics.reference import Reference
from sra.metrics.suite import extract
from sra.spec.score import ScoreOptions
from sra.stages.score_samples import score_samples

COUNT = 120


def _scenes(seed, count):
    """Coarse blocks of colour: uint8 (count, 32, 32, 3)."""
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 200, (count, 4, 4, 3)).repeat(8, 1).repeat(8, 2)
    return (blocks + random.integers(0, 40, (count, 32, 32, 3))).astype(np.uint8)


@pytest.fixture(scope="session")
def scenes():
    """scenes(seed, count) -> images."""
    return _scenes


@pytest.fixture(scope="session")
def score_house(tmp_path_factory):
    """An extractor of random weights, a reference in the published layout, and foreign samples."""
    folder = tmp_path_factory.mktemp("house")
    torch.manual_seed(0)
    extractor = DigitsExtractor(DigitsNetwork(5))
    extractor.save(folder / "extractor")
    write_receipt(folder / "extractor" / WEIGHTS_FILE, "extractor", name=extractor.name)
    real = _scenes(0, 300)
    features = extract(real, extractor, 256, "real")
    Reference(features.pooled_statistics, features.spatial_statistics, real[:100]).write(folder / "ours.npz")
    with np.load(folder / "ours.npz") as arrays:
        np.savez(folder / "reference.npz", **{key: arrays[key] for key in ("mu", "sigma", "mu_s", "sigma_s", "arr_0")})
    np.savez(folder / "samples.npz", _scenes(1, COUNT), np.random.default_rng(0).integers(0, 5, COUNT))
    return SimpleNamespace(
        folder=folder, extractor=folder / "extractor", reference=folder / "reference.npz", samples=folder / "samples.npz", real=real
    )


@pytest.fixture
def scored(score_house, tmp_path):
    """scored(*samples, reference=..., **options) -> the record; its file is tmp_path/score.json."""

    def run(*samples, reference=score_house.reference, **options):
        asked = ScoreOptions(**({"extractor": score_house.extractor, "count": COUNT, "allow_count": True} | options))
        return score_samples(list(samples) or [score_house.samples], reference, tmp_path / "score.json", asked)

    return run
