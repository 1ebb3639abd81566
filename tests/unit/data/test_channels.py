"""Statistics of a store's channels are those of draws from it."""

import numpy as np
import pytest

from sra.core.errors import InputError
from sra.data.channels import channel_statistics
from sra.data.latents import sample_posterior
from sra.data.store import ArrayStore, shard_path, write_manifest, write_shard


@pytest.fixture
def stored(tmp_path):
    def make(moments: np.ndarray, scaling: float = 0.5) -> ArrayStore:
        shard = shard_path(tmp_path / "latents", "latents", 0, 1)
        write_shard(shard, "latents", range(len(moments)), [moments], {})
        write_manifest(tmp_path / "latents" / "store.json", "latents", [shard], np.zeros(len(moments), dtype=np.int64), {}, scaling_factor=scaling)
        return ArrayStore.open(tmp_path / "latents" / "store.json", "latents")

    return make


def moments_of(images: int) -> np.ndarray:
    """Channels of means 3 and -1, deviations 2 and 0.1 between places, and 0.5 and 0.2 of the posterior."""
    random = np.random.default_rng(0)
    moments = np.empty((images, 4, 4, 4), dtype=np.float32)
    moments[:, 0] = 3 + 2 * random.standard_normal((images, 4, 4))
    moments[:, 1] = -1 + 0.1 * random.standard_normal((images, 4, 4))
    moments[:, 2], moments[:, 3] = 0.5, 0.2
    return moments


def test_they_are_those_of_many_draws(stored):
    moments = moments_of(2000)
    mean, deviation = channel_statistics(stored(moments))
    drawn = sample_posterior(moments, np.random.default_rng(1).standard_normal((2000, 2, 4, 4)), 0.5)
    assert mean == pytest.approx(drawn.mean(axis=(0, 2, 3)), abs=0.02)
    assert deviation == pytest.approx(drawn.std(axis=(0, 2, 3)), rel=0.02)
    assert deviation == pytest.approx([0.5 * (2**2 + 0.5**2) ** 0.5, 0.5 * (0.1**2 + 0.2**2) ** 0.5], rel=0.02)


def test_a_large_store_is_read_in_part_and_from_end_to_end(stored, monkeypatch):
    moments = moments_of(100)
    moments[50:] += 10
    monkeypatch.setattr("sra.data.channels.MOST_IMAGES", 10)
    monkeypatch.setattr("sra.data.channels.ROWS_AT_A_TIME", 3)
    store, expected = stored(moments), moments[::10, :2].astype(np.float64).mean(axis=(0, 2, 3))
    assert channel_statistics(store)[0] == pytest.approx(0.5 * expected, rel=1e-6)


def test_a_channel_that_says_nothing_is_named(stored):
    moments = moments_of(5)
    moments[:, 1], moments[:, 3] = 0.3, 0.0
    with pytest.raises(InputError, match="channel 1 is the same in all latents, which scale: unit would divide by; give scale: model"):
        channel_statistics(stored(moments))
