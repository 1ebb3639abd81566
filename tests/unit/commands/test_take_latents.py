"""What REPA's and SRA's preprocessing leaves is taken over as if extracted here, trained on and known as foreign; what differs is refused."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sra.commands.extract_latents import extract_latents
from sra.commands.finish_latents import finish_latents
from sra.commands.index import index as index_images
from sra.commands.take_latents import take_latents
from sra.commands.train import train
from sra.core.errors import InputError
from sra.core.files import read_json, write_json
from sra.core.receipts import receipt_of
from sra.data.images import ImageSplit
from sra.data.store import ArrayStore, shard_path
from sra.encoders.vae import Vae, small_network

COUNT, CLASSES = 11, 3


def labels_json(folder, names, labels):
    (folder / "dataset.json").write_text(json.dumps({"labels": [[name, int(label)] for name, label in zip(names, labels, strict=True)]}))


def preprocessed(root, network):
    """As dataset_tools.py convert and encode write it, small: ids in folders of five digits, arrays of means and standard deviations."""
    names = [f"00000/img{number:08d}.png" for number in range(COUNT)]
    arrays = [f"00000/img-mean-std-{number:08d}.npy" for number in range(COUNT)]
    labels = np.arange(COUNT) * CLASSES // COUNT
    for folder in ("images", "vae-sd"):
        (root / folder / "00000").mkdir(parents=True)
    for number in range(COUNT):
        pixels = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        Image.fromarray(pixels).save(root / "images" / names[number], compress_level=0)
        np.save(root / "vae-sd" / arrays[number], network.encode_moments(torch.from_numpy(pixels)[None])[0].numpy())
    labels_json(root / "images", names, labels)
    labels_json(root / "vae-sd", arrays, labels)
    return root


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder with vae/ and repa/."""
    folder = tmp_path_factory.mktemp("made")
    torch.manual_seed(0)
    small_network(4).save_pretrained(folder / "vae")
    preprocessed(folder / "repa", Vae.load(folder / "vae"))
    return folder


@pytest.fixture
def house(made, tmp_path):
    """A copy that a test may damage, and its index."""
    shutil.copytree(made, tmp_path / "house")
    index_images(tmp_path / "house/repa/images", 32, tmp_path / "index.json")
    return tmp_path / "house"


def taken(house, moments=None, shards=2, **options):
    """The store of all shards."""
    root = house.parent
    paths = [shard_path(root / "latents", "latents", number, shards) for number in range(shards)]
    for number, path in enumerate(paths):
        take_latents(root / "index.json", house / "vae", moments or house / "repa/vae-sd", number, shards, path, **options, device="cpu")
    finish_latents(root / "index.json", house / "vae", root / "latents/store.json", paths)
    return ArrayStore.open(root / "latents/store.json", "latents")


def test_the_index_has_the_labels_of_the_json(house):
    content = read_json(house.parent / "index.json")
    assert content["classes"] == ["0", "1", "2"]
    split = ImageSplit(house.parent / "index.json", "train")
    assert split.labels.tolist() == (np.arange(COUNT) * CLASSES // COUNT).tolist()
    assert split.whole().shape == (COUNT, 32, 32, 3)
    assert receipt_of(house.parent / "index.json")["facts"]["classes"] == CLASSES


def test_classes_beyond_nine_keep_the_order_of_their_numbers(tmp_path):
    (tmp_path / "images/00000").mkdir(parents=True)
    names = [f"00000/img{number:08d}.png" for number in range(12)]
    for name in names:
        Image.new("RGB", (8, 8)).save(tmp_path / "images" / name)
    labels_json(tmp_path / "images", names, range(11, -1, -1))
    index_images(tmp_path / "images", 8, tmp_path / "index.json")
    split = ImageSplit(tmp_path / "index.json", "train")
    assert {path: label for path, label in zip(split.paths, split.labels, strict=True)} == dict(zip(names, range(11, -1, -1), strict=True))


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_moments_are_those_of_an_extraction_and_known_as_foreign(house, tmp_path, kind):
    moments = house / "repa/vae-sd"
    if kind == "zip":
        with zipfile.ZipFile(house / "vae-sd.zip", "w") as archive:
            for file in sorted(moments.rglob("*.*")):
                archive.write(file, file.relative_to(moments).as_posix())
        moments = house / "vae-sd.zip"
    store = taken(house, moments, workers=2)
    extract_latents(tmp_path / "index.json", house / "vae", 0, 1, tmp_path / "own/latents_000_of_001.npy", device="cpu")
    finish_latents(tmp_path / "index.json", house / "vae", tmp_path / "own/store.json", [tmp_path / "own/latents_000_of_001.npy"])
    own = ArrayStore.open(tmp_path / "own/store.json", "latents")
    rows = np.arange(COUNT)
    np.testing.assert_allclose(store.rows(rows), own.rows(rows), atol=1e-5)
    assert store.labels.tolist() == own.labels.tolist()
    assert store.facts["scaling_factor"] == own.facts["scaling_factor"]
    assert store.facts["vae_sha256"] == own.facts["vae_sha256"]
    assert store.facts["foreign"]["layout"] == "REPA preprocessing"
    assert "foreign" not in own.facts
    shard = receipt_of(shard_path(tmp_path / "latents", "latents", 0, 2))["facts"]["foreign"]
    assert shard["checked"] == 4
    assert shard["largest_difference"] < 1e-4
    assert len(shard["sha256"]) == 64


def test_a_few_steps_are_trained_from_it_and_their_receipt_says_whose_latents_they_were(house, tmp_path, tiny_run):
    store = taken(house)
    spec = tiny_run("sit_b2_sra", training={"batch": 4})
    config = tmp_path / "run/config.json"
    write_json(config, {**spec.model_dump(mode="json"), "fingerprint": spec.fingerprint})
    train(config, store.manifest, 3, tmp_path / "run/3.safetensors", tmp_path / "run/3.jsonl", device="cpu")
    made_from = receipt_of(tmp_path / "run/3.safetensors")["made_from"]
    assert made_from["latents"] == store.sha256
    assert made_from["foreign_latents"] == store.facts["foreign"]["sha256"]


def test_without_their_images_moments_fit_an_index_of_the_images_they_were_made_of(house, tmp_path, made):
    """Images are numbered in the order of the paths they were converted from."""
    labels = ImageSplit(tmp_path / "index.json", "train").labels
    for number, label in enumerate(labels):
        (tmp_path / f"own/class-{label}").mkdir(parents=True, exist_ok=True)
        shutil.copy(made / f"repa/images/00000/img{number:08d}.png", tmp_path / f"own/class-{label}/picture {number:02d}.png")
    index_images(tmp_path / "own", 32, tmp_path / "index.json")
    assert len(taken(house)) == COUNT
    (tmp_path / "own/class-0/picture 00.png").rename(tmp_path / "own/class-0/picture 01b.png")
    index_images(tmp_path / "own", 32, tmp_path / "index.json")
    with pytest.raises(InputError, match=r"its (means|standard deviations) differ by \d+% from what .* makes of image 'class-0/picture 01.png'"):
        taken(house)


def array(house, number=0) -> Path:
    return house / f"repa/vae-sd/00000/img-mean-std-{number:08d}.npy"


def edited(change):
    def damage(house):
        for number in range(COUNT):
            np.save(array(house, number), change(np.load(array(house, number))))

    return damage


def log_variances(moments):
    return np.concatenate([moments[:4], 2 * np.log(moments[4:])])


def one_nan(moments):
    moments[2, 3, 3] = np.nan
    return moments


def relabelled(house):
    labels_json(house / "repa/vae-sd", [f"00000/img-mean-std-{number:08d}.npy" for number in range(COUNT)], [0] * COUNT)


def other_vae(house):
    torch.manual_seed(1)
    small_network(4).save_pretrained(house / "vae")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            other_vae,
            r"img-mean-std-00000000.npy': its .* differ by \d+% from what .*vae makes of image '00000/img00000000.png'; name the autoencoder",
        ),
        (edited(log_variances), r"the second half of its channels reaches -\d.*, as log variances or a latent drawn do"),
        (edited(lambda moments: np.abs(moments[:4])), r"holds \(4, 8, 8\), .* gives \(8, 8, 8\) for images of 32 pixels; name its autoencoder"),
        (edited(lambda moments: moments.astype(np.float64)), r"holds float64 \(8, 8, 8\), expected float32 \(2C, h, w\)"),
        (edited(one_nan), r"img-mean-std-00000000.npy' has values that are not finite"),
        (lambda house: array(house, 7).write_bytes(array(house, 7).read_bytes()[:300]), r"img-mean-std-00000007.npy' is not a whole .npy array"),
        (lambda house: array(house, 7).unlink(), r"vae-sd: holds moments of 10 images, .*index.json lists 11"),
        (lambda house: array(house, 7).rename(array(house, 70)), r"vae-sd: has no moments of image '00000/img00000007.png'"),
        (lambda house: array(house, 7).rename(house / "repa/vae-sd/7.npy"), r"member '7.npy' is not named as 00000/img-mean-std-00000000.npy"),
        (lambda house: (house / "repa/vae-sd/dataset.json").unlink(), r"vae-sd/dataset.json: no such file"),
        (relabelled, r"dataset.json: '00000/img-mean-std-00000004.npy' has label 0, its image '00000/img00000004.png' has 1"),
    ],
    ids=["other vae", "log variances", "means alone", "float64", "nan", "cut", "fewer", "gap", "other names", "no labels", "other labels"],
)
def test_what_differs_is_refused_in_one_line(house, damage, message):
    damage(house)
    with pytest.raises(InputError, match=message) as caught:
        taken(house)
    assert "\n" not in str(caught.value)
    assert not (house.parent / "latents/store.json").exists()


def test_an_array_that_is_not_among_the_compared_is_checked_for_its_shape_too(house):
    np.save(array(house, 4), np.load(array(house, 4))[:, :4])
    with pytest.raises(InputError, match=r"'00000/img-mean-std-00000004.npy' holds \(8, 4, 8\), others \(8, 8, 8\)"):
        taken(house, shards=1)


def test_shards_made_in_two_ways_are_not_joined(house, tmp_path):
    taken(house)
    (tmp_path / "latents/store.json").unlink()
    extract_latents(tmp_path / "index.json", house / "vae", 0, 2, tmp_path / "latents/latents_000_of_002.npy", device="cpu")
    shards = [shard_path(tmp_path / "latents", "latents", number, 2) for number in range(2)]
    with pytest.raises(InputError, match="1 of 2 shards are of REPA preprocessing, the others made here"):
        finish_latents(tmp_path / "index.json", house / "vae", tmp_path / "latents/store.json", shards)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"labels": None}, "its labels are null, expected one for each image"),
        ({"labels": [["00000/img00000000.png", 0]]}, "'00000/img00000001.png' has no label, and 9 more"),
        ({"labels": [[f"00000/img{n:08d}.png", n * 2] for n in range(COUNT)]}, "no image has label 1, the largest is 20"),
        ({"labels": [[f"00000/img{n:08d}.png", True] for n in range(COUNT)]}, "expected a name and a label from 0"),
        ({"labels": [[f"00000/img{n:08d}.png", -1] for n in range(COUNT)]}, "expected a name and a label from 0"),
        ({"labels": [[f"00000/img{n:08d}.png", 0] for n in range(COUNT + 1)]}, "'00000/img00000011.png' is not among the images, and 0 more"),
    ],
)
def test_labels_that_do_not_fit_the_images_are_refused(house, labels, message):
    (house / "repa/images/dataset.json").write_text(json.dumps(labels))
    with pytest.raises(InputError, match=message):
        index_images(house / "repa/images", 32, house.parent / "other.json")


def test_the_folder_above_names_the_one_that_is_meant(house):
    with pytest.raises(InputError, match=r"its folder images has the images and their dataset.json; give that"):
        index_images(house / "repa", 32, house.parent / "other.json")
