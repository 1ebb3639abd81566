"""Images to stored moments and tokens through the stages, with small random networks: the stored rows are what the networks say."""

import io
import zipfile

import numpy as np
import pytest
import timm
import torch
from diffusers import AutoencoderKL
from PIL import Image
from timm.models import save_for_hf

from sra.core.errors import InputError
from sra.data.images import load_split
from sra.data.store import ArrayStore, shard_path
from sra.encoders.vae import Vae
from sra.encoders.vision import VisionEncoder
from sra.stages.extract_features import extract_features
from sra.stages.extract_latents import extract_latents, finish_latents
from sra.stages.index_images import index_images


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for number in range(20):
            buffer = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(buffer, "PNG")
            archive.writestr(f"{'held_out' if number < 4 else 'train'}/{number % 2}/{number}.png", buffer.getvalue())
    index_images(folder / "images.zip", 16, folder / "index.json")
    return folder / "index.json"


def save_vae(folder, seed):
    torch.manual_seed(seed)
    AutoencoderKL(block_out_channels=(4,), norm_num_groups=2, latent_channels=2, scaling_factor=0.25).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def vae(tmp_path_factory):
    return save_vae(tmp_path_factory.mktemp("vae"), 0)


def extracted(index, vae, folder, of):
    shards = [shard_path(folder, "latents", number, of) for number in range(of)]
    for number, shard in enumerate(shards):
        extract_latents(index, vae, number, of, shard)
    return shards


@pytest.mark.parametrize("of", [1, 3])
def test_the_store_holds_the_moments_of_the_train_split(index, vae, tmp_path, of):
    finish_latents(extracted(index, vae, tmp_path, of), index, vae, tmp_path / "store.json")
    store = ArrayStore.open(tmp_path / "store.json", "latents")
    images, labels = load_split(index, "train")
    expected = Vae.load(vae).encode_moments(torch.from_numpy(images)).numpy()
    assert np.allclose(store.rows(np.arange(16)), expected, atol=1e-6)
    assert np.array_equal(store.labels, labels)
    assert store.facts["scaling_factor"] == 0.25


def test_extraction_repeats_byte_for_byte(index, vae, tmp_path):
    for name in ("a", "b"):
        finish_latents(extracted(index, vae, tmp_path / name, 2), index, vae, tmp_path / name / "store.json")
    files = sorted(file.name for file in (tmp_path / "a").iterdir())
    assert len(files) == 7  # two shards and the manifest with their receipts, and the labels
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)


def test_shards_of_another_autoencoder_are_refused(index, vae, tmp_path):
    other = save_vae(tmp_path / "other", 1)
    shards = extracted(index, other, tmp_path / "store", 1)
    with pytest.raises(InputError, match=r"latents_000_of_001\.npy: was made from another vae than .*; delete it and run again"):
        finish_latents(shards, index, vae, tmp_path / "store" / "store.json")


def test_an_index_without_receipt_is_refused_before_any_work(index, vae, tmp_path):
    (tmp_path / "index.json").write_bytes(index.read_bytes())
    with pytest.raises(InputError, match="receipt"):
        extract_latents(tmp_path / "index.json", vae, 0, 1, tmp_path / "latents.npy")


def test_the_features_are_the_encoders_tokens(index, tmp_path):
    torch.manual_seed(0)
    network = timm.create_model("vit_tiny_patch16_224", img_size=16, patch_size=4, embed_dim=12, depth=1, num_heads=2, num_classes=2)
    save_for_hf(network, tmp_path / "vit", safe_serialization=True)
    extract_features(index, tmp_path / "vit", tmp_path / "features" / "store.json")
    store = ArrayStore.open(tmp_path / "features" / "store.json", "features")
    images, labels = load_split(index, "train")
    assert store.row_shape == (16, 12)
    assert np.allclose(store.rows(np.arange(16)), VisionEncoder.load(tmp_path / "vit").tokens(torch.from_numpy(images)).numpy(), atol=1e-6)
    assert np.array_equal(store.labels, labels)
    extract_features(index, tmp_path / "vit", tmp_path / "coarse" / "store.json", grid=2)
    assert ArrayStore.open(tmp_path / "coarse" / "store.json", "features").row_shape == (4, 12)


def test_any_timm_transformer_is_an_encoder_by_name(index, tmp_path, monkeypatch):
    create, asked = timm.create_model, []

    def from_hub(name, pretrained=False, **options):
        """What the hub would answer, without a network: the named architecture with weights of its own."""
        asked.append((name, pretrained))
        torch.manual_seed(3)
        return create("vit_tiny_patch16_224", embed_dim=12, depth=1, num_heads=2, patch_size=4, **{"img_size": 16, **options})

    monkeypatch.setattr(timm, "create_model", from_hub)
    extract_features(index, "timm/vit_tiny_patch16_224.augreg_in21k", tmp_path / "store.json", grid=4)
    store = ArrayStore.open(tmp_path / "store.json", "features")
    assert ("hf-hub:timm/vit_tiny_patch16_224.augreg_in21k", True) in asked
    assert store.row_shape == (16, 12)
    assert store.facts["encoder"] == "timm/vit_tiny_patch16_224.augreg_in21k"
    assert len(store.facts["encoder_sha256"]) == 64
