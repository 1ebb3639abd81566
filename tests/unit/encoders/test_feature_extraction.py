"""Images to stored tokens through the stage, with small random transformers: the stored rows are what the encoder says."""

import io
import re
import zipfile

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.models import save_for_hf
from typer.testing import CliRunner

from sra.commands import app
from sra.commands.extract_features import extract_features
from sra.commands.finish_features import finish_features
from sra.commands.index import index as index_images
from sra.core.errors import InputError
from sra.data.images import ImageSplit, load_split
from sra.data.store import ArrayStore, shard_path
from sra.encoders.vision import VisionEncoder

SMALL = {"embed_dim": 12, "depth": 1, "num_heads": 2, "patch_size": 4}
TRAIN = 16  # images of the train split


def write_images(folder, seed=0):
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for number in range(TRAIN + 4):
            buffer = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(buffer, "PNG")
            archive.writestr(f"{'held_out' if number < 4 else 'train'}/{number % 2}/{number}.png", buffer.getvalue())
    index_images(folder / "images.zip", 16, folder / "index.json")
    return folder / "index.json"


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("images"))


def save_encoder(folder, seed=0, scale=1.0):
    torch.manual_seed(seed)
    network = timm.create_model("vit_tiny_patch16_224", img_size=16, num_classes=2, **SMALL)
    network.norm.weight.data *= scale
    save_for_hf(network, folder, safe_serialization=True)
    return str(folder)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return save_encoder(tmp_path_factory.mktemp("vit"))


def extracted(index, encoder, folder, of=1, **options):
    shards = [shard_path(folder, "features", number, of) for number in range(of)]
    for number, shard in enumerate(shards):
        extract_features(index, encoder, number, of, shard, **options, device="cpu")
    return shards


def stored(index, encoder, folder, of=1, **options) -> ArrayStore:
    finish_features(index, encoder, folder / "store.json", extracted(index, encoder, folder, of, **options))
    return ArrayStore.open(folder / "store.json", "features")


@pytest.mark.parametrize("of", [1, 3])
def test_the_features_are_the_encoders_tokens(index, encoder, tmp_path, of):
    store = stored(index, encoder, tmp_path, of)
    images, labels = load_split(index, "train")
    assert store.row_shape == (16, 12)
    assert np.allclose(store.rows(np.arange(TRAIN)), VisionEncoder.load(encoder).tokens(torch.from_numpy(images)).numpy(), atol=1e-6)
    assert np.array_equal(store.labels, labels)


def test_the_grid_is_the_diffusion_models(index, encoder, tmp_path):
    assert stored(index, encoder, tmp_path, grid=2).row_shape == (4, 12)


def test_half_precision_is_stored_rounded(index, encoder, tmp_path):
    exact, half = (stored(index, encoder, tmp_path / dtype, dtype=dtype) for dtype in ("fp32", "fp16"))
    rows = np.arange(TRAIN)
    assert np.array_equal(half.rows(rows), exact.rows(rows).astype(np.float16).astype(np.float32))
    file = (tmp_path / "fp16" / half.shards[0].file).stat().st_size
    assert file < 0.6 * (tmp_path / "fp32" / exact.shards[0].file).stat().st_size


def test_what_half_precision_cannot_hold_is_refused(index, tmp_path):
    loud = save_encoder(tmp_path / "loud", scale=1e5)
    first = re.escape(ImageSplit(index, "train").paths[0])
    with pytest.raises(InputError, match=rf"'{first}': one of its tokens reaches \d.*, which fp16 cannot hold; give --dtype fp32"):
        extracted(index, loud, tmp_path / "half", dtype="fp16")
    assert stored(index, loud, tmp_path / "exact").rows(np.array([0])).max() > 65504


@pytest.mark.parametrize("dtype", ["fp16", "fp32"])
def test_an_encoder_that_gives_nan_stops_at_the_first_image(index, tmp_path, dtype):
    silent = save_encoder(tmp_path / "silent", scale=float("nan"))
    first = re.escape(ImageSplit(index, "train").paths[0])
    with pytest.raises(InputError, match=rf"images\.zip: '{first}': one of its tokens is not finite in float32, .* check the weights of encoder"):
        extracted(index, silent, tmp_path / "store", dtype=dtype)
    assert not list((tmp_path / "store").glob("*.npy"))


def test_workers_change_nothing(index, encoder, tmp_path):
    one, two = (extracted(index, encoder, tmp_path / str(workers), 2, workers=workers) for workers in (1, 2))
    assert [shard.read_bytes() for shard in one] == [shard.read_bytes() for shard in two]


def test_a_lost_shard_is_made_again_alone(index, encoder, tmp_path):
    shards = extracted(index, encoder, tmp_path, 3)
    before = [shard.read_bytes() for shard in shards]
    shards[1].unlink()
    extract_features(index, encoder, 1, 3, shards[1], device="cpu")
    assert [shard.read_bytes() for shard in shards] == before


def test_shards_of_another_encoder_are_refused(index, encoder, tmp_path):
    other = save_encoder(tmp_path / "other", seed=1)
    shards = extracted(index, other, tmp_path / "store")
    with pytest.raises(InputError, match=r"features_000_of_001\.npy: was made from another encoder than .*; delete it and run again"):
        finish_features(index, encoder, tmp_path / "store" / "store.json", shards)


def test_shards_of_other_images_are_refused(index, encoder, tmp_path):
    shards = extracted(write_images(tmp_path / "others", seed=1), encoder, tmp_path / "store")
    with pytest.raises(InputError, match=r"was made from another index than"):
        finish_features(index, encoder, tmp_path / "store" / "store.json", shards)


@pytest.fixture
def hub(monkeypatch):
    """What the hub would answer, without a network: the named architecture, with weights that the fixture's `seed` decides."""
    create = timm.create_model

    class Hub:
        seed, asked = 3, []

        def __call__(self, name, pretrained=False, **options):
            self.asked.append((name, pretrained))
            torch.manual_seed(self.seed)
            return create("vit_tiny_patch16_224", **{"img_size": 16, **SMALL, **options})

    answering = Hub()
    monkeypatch.setattr(timm, "create_model", answering)
    return answering


def test_any_timm_transformer_is_an_encoder_by_name(index, tmp_path, hub):
    store = stored(index, "timm/vit_tiny_patch16_224.augreg_in21k", tmp_path, grid=4)
    assert ("vit_tiny_patch16_224.augreg_in21k", True) in hub.asked
    assert store.row_shape == (16, 12)
    assert store.facts["encoder"] == "timm/vit_tiny_patch16_224.augreg_in21k"
    assert store.facts["encoder_sha256"] == store.facts["made_from"]["encoder"]
    assert len(store.facts["encoder_sha256"]) == 64


def test_a_hubs_weights_must_be_the_same_for_every_shard(index, tmp_path, hub):
    shards = [shard_path(tmp_path, "features", number, 2) for number in range(2)]
    for number, shard in enumerate(shards):
        hub.seed = number
        extract_features(index, "someone/vit-tiny", number, 2, shard, device="cpu")
    assert ("hf-hub:someone/vit-tiny", True) in hub.asked
    with pytest.raises(InputError, match=r"features_001_of_002\.npy: was made from other inputs than features_000_of_002\.npy"):
        finish_features(index, "someone/vit-tiny", tmp_path / "store.json", shards)
    with pytest.raises(InputError, match=r"was made by encoder someone/vit-tiny, not someone/vit-base"):
        finish_features(index, "someone/vit-base", tmp_path / "store.json", shards)


def test_the_command_line_makes_the_same_store(index, encoder, tmp_path):
    def sra(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    shards = [shard_path(tmp_path, "features", number, 2) for number in range(2)]
    for number, shard in enumerate(shards):
        options = ("--grid", 4, "--dtype", "fp16", "--workers", 2, "--device", "cpu", "--shard", number, "--shards", 2, "--output", shard)
        assert sra("extract-features", "--index", index, "--encoder", encoder, *options).exit_code == 0
    assert sra("finish-features", "--index", index, "--encoder", encoder, "--output", tmp_path / "store.json", *shards).exit_code == 0
    expected = stored(index, encoder, tmp_path / "expected", 2, dtype="fp16")
    rows = np.arange(TRAIN)
    assert np.array_equal(ArrayStore.open(tmp_path / "store.json", "features").rows(rows), expected.rows(rows))
    options = ("--dtype", "bf16", "--shard", 0, "--shards", 1, "--output", tmp_path / "none.npy")
    refused = sra("extract-features", "--index", index, "--encoder", encoder, *options)
    assert "unknown dtype 'bf16'" in str(refused.exception)
