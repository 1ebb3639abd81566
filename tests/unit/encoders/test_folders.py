"""A model's folder never holds the weights of one model beside the config of another; a hash names weights."""

import pytest
import torch

from sra.core.errors import StageError
from sra.core.receipts import receipt_path
from sra.encoders.folders import reproducible_training, saved_whole, sha256_of_weights
from sra.encoders.vae import VaeTraining, train_vae
from sra.encoders.vision_training import EncoderTraining, train_encoder


def save(folder, config, weights, fail=False):
    with saved_whole(folder, "weights") as temporary:
        (temporary / "config").write_text(config)
        (temporary / "weights").write_text(weights)
        if fail:
            raise RuntimeError("disk full")


def contents(folder):
    return {file.name: file.read_text() for file in folder.iterdir()}


def test_a_second_save_replaces_the_first_and_its_receipt(tmp_path):
    save(tmp_path / "model", "old", "old")
    receipt_path(tmp_path / "model" / "weights").write_text("of the old weights")
    save(tmp_path / "model", "new", "new")
    assert contents(tmp_path / "model") == {"config": "new", "weights": "new"}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_failed_save_changes_nothing(tmp_path):
    save(tmp_path / "model", "old", "old")
    with pytest.raises(RuntimeError, match="disk full"):
        save(tmp_path / "model", "new", "new", fail=True)
    assert contents(tmp_path / "model") == {"config": "old", "weights": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_training_settings_hold_inside_and_are_put_back():
    torch.manual_seed(7)
    expected = torch.randn(2)
    torch.manual_seed(7)
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with reproducible_training(3) as generator:
        assert torch.get_num_threads() == 1
        assert torch.are_deterministic_algorithms_enabled()
        first = torch.randn(2), torch.randn(2, generator=generator)
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before
    assert torch.equal(torch.randn(2), expected)
    with reproducible_training(3) as generator:
        assert torch.equal(torch.randn(2), first[0])
        assert torch.equal(torch.randn(2, generator=generator), first[1])


def test_a_hash_tells_weights_and_their_names_apart():
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 2)
    same, other = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    same.load_state_dict(layer.state_dict())
    other.load_state_dict(layer.state_dict())
    with torch.no_grad():
        other.bias[1] += 1e-6
    assert sha256_of_weights(layer) == sha256_of_weights(same)
    hashes = {sha256_of_weights(network) for network in (layer, other, torch.nn.Sequential(layer))}
    assert len(hashes) == 3
    assert all(len(sha256) == 64 for sha256 in hashes)


def test_a_network_whose_training_diverged_is_not_saved(tmp_path):
    images = torch.randint(0, 256, (16, 32, 32, 3), dtype=torch.uint8)
    with pytest.raises(StageError, match=r"train autoencoder: .* is not finite after training, nothing was saved"):
        train_vae(images, tmp_path / "vae", 0, VaeTraining(steps=4, batch=4, learning_rate=1e38))
    with pytest.raises(StageError, match=r"train encoder: .* is not finite after training, nothing was saved"):
        train_encoder(images, torch.arange(16) % 4, tmp_path / "encoder", 0, EncoderTraining(epochs=3, batch=4, learning_rate=1e38))
    assert not list(tmp_path.iterdir())
