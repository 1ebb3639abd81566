"""Images to stored moments and pixels through the stages, with small random autoencoders: the stored rows are what the networks say."""

import io
import sys
import zipfile

import huggingface_hub
import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image

from sra import commands
from sra.commands.extract_latents import extract_latents
from sra.commands.finish_latents import finish_latents
from sra.commands.finish_pixels import finish_pixels
from sra.commands.index import index as index_images
from sra.commands.pack_images import pack_images
from sra.core.errors import InputError
from sra.core.receipts import read_receipt
from sra.data.images import ImageSplit, load_split
from sra.data.store import ArrayStore, shard_path
from sra.encoders.vae import Vae


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


def extracted(index, vae, folder, of, **options):
    shards = [shard_path(folder, "latents", number, of) for number in range(of)]
    for number, shard in enumerate(shards):
        extract_latents(index, vae, number, of, shard, **options, device="cpu")
    return shards


@pytest.mark.parametrize("of", [1, 3])
def test_the_store_holds_the_moments_of_the_train_split(index, vae, tmp_path, of):
    finish_latents(index, vae, tmp_path / "store.json", extracted(index, vae, tmp_path, of))
    store = ArrayStore.open(tmp_path / "store.json", "latents")
    images, labels = load_split(index, "train")
    expected = Vae.load(vae).encode_moments(torch.from_numpy(images)).numpy()
    assert np.allclose(store.rows(np.arange(16)), expected, atol=1e-6)
    assert np.array_equal(store.labels, labels)
    assert store.facts["scaling_factor"] == 0.25


def test_extraction_repeats_byte_for_byte(index, vae, tmp_path):
    for name in ("a", "b"):
        finish_latents(index, vae, tmp_path / name / "store.json", extracted(index, vae, tmp_path / name, 2))
    files = sorted(file.name for file in (tmp_path / "a").iterdir())
    assert len(files) == 8  # two shards and the manifest with their receipts, the labels and the checksums
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)


def test_shards_of_another_autoencoder_are_refused(index, vae, tmp_path):
    other = save_vae(tmp_path / "other", 1)
    shards = extracted(index, other, tmp_path / "store", 1)
    with pytest.raises(InputError, match=r"latents_000_of_001\.npy: was made from another vae than .*; delete it and run again"):
        finish_latents(index, vae, tmp_path / "store" / "store.json", shards)


def test_an_index_without_receipt_is_refused_before_any_work(index, vae, tmp_path):
    (tmp_path / "index.json").write_bytes(index.read_bytes())
    with pytest.raises(InputError, match="receipt"):
        extract_latents(tmp_path / "index.json", vae, 0, 1, tmp_path / "latents.npy", device="cpu")


def test_half_precision_halves_the_files_and_rounds_the_moments(index, vae, tmp_path):
    shards = extracted(index, vae, tmp_path, 2, dtype="fp16")
    finish_latents(index, vae, tmp_path / "store.json", shards)
    store = ArrayStore.open(tmp_path / "store.json", "latents")
    images, _ = load_split(index, "train")
    expected = Vae.load(vae).encode_moments(torch.from_numpy(images)).half().float().numpy()
    assert store.dtype == np.load(shards[1]).dtype == np.float16
    assert store.rows(np.arange(16)).dtype == np.float32
    # One unit in the last place, where a value lies on the edge between two.
    assert np.allclose(store.rows(np.arange(16)), expected, rtol=2**-10, atol=1e-6)


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        (70_000.0, "fp16", r"its latent reaches 7e\+04, which fp16 cannot hold; give --dtype fp32"),
        (float("nan"), "fp16", r"its latent is not finite in float32, expected numbers; check the weights of .*vae"),
        (float("nan"), "fp32", r"its latent is not finite"),
        (float("-inf"), "fp32", r"its latent is not finite"),
        (70_000.0, "fp32", None),
        (65_504.0, "fp16", None),
    ],
)
def test_what_cannot_be_stored_is_refused_by_the_images_name(index, vae, tmp_path, monkeypatch, value, dtype, message):
    images, encode = load_split(index, "train")[0], Vae.encode_moments

    def spoiled(self, batch):
        moments = encode(self, batch).clone()
        moments[(batch == torch.from_numpy(images[13])).flatten(1).all(1), 1, 3, 3] = value
        return moments

    monkeypatch.setattr(Vae, "encode_moments", spoiled)
    run = {"index": index, "vae": vae, "shard": 1, "shards": 2, "output": tmp_path / "latents.npy", "dtype": dtype, "batch": 3}
    if message is None:
        extract_latents(**run, device="cpu")
        assert np.load(tmp_path / "latents.npy")[13 - 8, 1, 3, 3] == value
        return
    name = ImageSplit(index, "train").paths[13]
    with pytest.raises(InputError, match=rf"images\.zip: '{name}': {message}"):
        extract_latents(**run, device="cpu")
    assert list(tmp_path.iterdir()) == []


def test_workers_do_not_change_a_byte(index, vae, tmp_path):
    for workers in (1, 3):
        extract_latents(index, vae, 0, 1, tmp_path / f"{workers}.npy", workers=workers, batch=5, device="cpu")
    assert (tmp_path / "1.npy").read_bytes() == (tmp_path / "3.npy").read_bytes()
    assert read_receipt(tmp_path / "1.npy", "latents") == read_receipt(tmp_path / "3.npy", "latents")


def test_the_receipt_says_how_it_was_encoded(index, vae, tmp_path, monkeypatch):
    encode, sizes = Vae.encode_moments, []
    monkeypatch.setattr(Vae, "encode_moments", lambda self, images: (sizes.append(len(images)), encode(self, images))[1])
    extract_latents(index, vae, 0, 2, tmp_path / "latents.npy", dtype="fp16", batch=5, device="cpu")
    facts = read_receipt(tmp_path / "latents.npy", "latents")["facts"]
    given = {"batch": 5, "dtype": "float16", "precision": "float32", "scaling_factor": 0.25}
    assert facts == {**given, "first_row": 0, "rows": 8, "row_shape": [4, 16, 16]}
    assert sizes == [5, 3]


def test_shards_of_two_types_are_refused(index, vae, tmp_path):
    shards = extracted(index, vae, tmp_path, 2)
    extract_latents(index, vae, 1, 2, shards[1], dtype="fp16", device="cpu")
    with pytest.raises(InputError, match=r"001_of_002\.npy: holds float16, latents_000_of_002\.npy float32; make all shards with one --dtype"):
        finish_latents(index, vae, tmp_path / "store.json", shards)


@pytest.fixture
def hub(vae, monkeypatch):
    """`hub("owner/name", folder)`: what the hub would answer from now on, without a network."""
    answers = {}
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda source, file: str(answers[source] / file))
    return answers.__setitem__


def test_an_autoencoder_of_the_hub_is_known_by_its_name_and_the_hash_of_its_weights(index, vae, tmp_path, hub):
    hub("owner/name", vae)
    shards = extracted(index, "owner/name", tmp_path, 2)
    finish_latents(index, "owner/name", tmp_path / "store.json", shards)
    store, sha256 = ArrayStore.open(tmp_path / "store.json", "latents"), Vae.load(vae).sha256()
    assert store.facts["vae"] == "owner/name"
    assert store.facts["vae_sha256"] == store.facts["made_from"]["vae"] == sha256
    assert read_receipt(tmp_path / "store.json", "latents")["made_from"]["vae"] == sha256
    images, _ = load_split(index, "train")
    assert np.allclose(store.rows(np.arange(16)), Vae.load(vae).encode_moments(torch.from_numpy(images)).numpy(), atol=1e-6)
    for other in ("owner/other", vae):
        with pytest.raises(InputError, match=r"latents_000_of_002\.npy: was made (by the autoencoder owner/name, not owner/other|from another vae)"):
            finish_latents(index, other, tmp_path / "store.json", shards)


def test_a_name_whose_weights_changed_between_shards_is_refused(index, vae, tmp_path, hub):
    hub("owner/name", vae)
    shards = extracted(index, "owner/name", tmp_path / "store", 2)
    hub("owner/name", save_vae(tmp_path / "newer", 1))
    extract_latents(index, "owner/name", 1, 2, shards[1], device="cpu")
    with pytest.raises(InputError, match=r"001_of_002\.npy: was made from other inputs than latents_000_of_002\.npy"):
        finish_latents(index, "owner/name", tmp_path / "store" / "store.json", shards)


def test_shards_of_a_folder_are_not_those_of_a_name(index, vae, tmp_path):
    shards = extracted(index, vae, tmp_path, 1)
    with pytest.raises(InputError, match=r"was made by the autoencoder of a folder, not owner/name; delete it and run again"):
        finish_latents(index, "owner/name", tmp_path / "store.json", shards)


@pytest.mark.parametrize("of", [1, 3])
def test_packed_images_are_the_cropped_ones(index, tmp_path, of):
    shards = [shard_path(tmp_path, "pixels", number, of) for number in range(of)]
    for number, shard in enumerate(shards):
        pack_images(index, number, of, shard, workers=2)
    finish_pixels(index, tmp_path / "store.json", shards)
    store, (images, labels) = ArrayStore.open(tmp_path / "store.json", "pixels"), load_split(index, "train")
    places = np.random.default_rng(0).integers(0, 16, 40)
    assert store.dtype == store.rows(places).dtype == np.uint8
    assert np.array_equal(store.rows(places), images[places])
    assert np.array_equal(store.labels, labels)


def test_packed_images_of_another_index_are_refused(index, tmp_path):
    pack_images(index, 0, 1, tmp_path / "pixels_000_of_001.npy")
    index_images(index.parent / "images.zip", 8, tmp_path / "index.json")
    with pytest.raises(InputError, match=r"pixels_000_of_001\.npy: was made from another index than .*; delete it and run again"):
        finish_pixels(tmp_path / "index.json", tmp_path / "store.json", [tmp_path / "pixels_000_of_001.npy"])


def command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["sra", *map(str, arguments)])
    commands.main()


def test_the_commands_make_both_stores(index, vae, tmp_path, monkeypatch):
    part = ("--index", index, "--shard", 0, "--shards", 1, "--workers", 2)
    store, shard = tmp_path / "latents" / "store.json", tmp_path / "latents" / "latents_000_of_001.npy"
    packed, pixels = tmp_path / "pixels" / "store.json", tmp_path / "pixels" / "pixels_000_of_001.npy"
    for arguments in (
        ("extract-latents", *part, "--vae", vae, "--dtype", "fp16", "--batch", 4, "--output", shard, "--device", "cpu"),
        ("finish-latents", "--index", index, "--vae", vae, "--output", store, shard),
        ("pack-images", *part, "--output", pixels),
        ("finish-pixels", "--index", index, "--output", packed, pixels),
    ):
        with pytest.raises(SystemExit) as stop:
            command(monkeypatch, *arguments)
        assert stop.value.code == 0
    assert ArrayStore.open(store, "latents").dtype == np.float16
    assert ArrayStore.open(packed, "pixels").row_shape == (16, 16, 3)
    with pytest.raises(SystemExit) as stop:
        command(monkeypatch, "extract-latents", *part, "--vae", vae, "--dtype", "fp15", "--output", shard)
    assert stop.value.code == 2
