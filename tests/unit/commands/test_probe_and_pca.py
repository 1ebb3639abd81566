"""Probing and components through their stages and the command line: what is written, from what, and what is refused."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

from sra.analysis.features import image_noise
from sra.analysis.pca import component_colours
from sra.commands import app
from sra.commands.pca import pca
from sra.commands.probe import probe
from sra.core.errors import InputError
from sra.core.files import sha256_of_file
from sra.core.npz import read_npz
from sra.core.receipts import read_receipt, write_receipt
from sra.data.images import write_index
from sra.data.store import ArrayStore, shard_path, write_manifest, write_shard
from sra.models.build import build_model
from sra.spec.probe import read_probe
from sra.spec.run import write_run
from sra.spec.scale import ProbeTraining

TRAINING = ProbeTraining(epochs=30, batch=32, learning_rate=0.05, held_out=40)
COUNT = 200


@pytest.fixture
def given(tiny_run, tmp_path):
    """A run whose weights are random, and latents whose class is in their mean."""
    spec = tiny_run("sit_b2")
    write_run(tmp_path / "config.json", spec)
    model = build_model(spec.model, seed=1)
    for parameter in model.parameters():  # adaLN-zero would leave every block the identity
        torch.nn.init.normal_(parameter, std=0.05)
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    write_receipt(tmp_path / "weights.safetensors", "weights", run=spec.run, fingerprint=spec.fingerprint, step=7)
    random, labels = np.random.default_rng(0), np.arange(COUNT) % 10
    for number, label in enumerate(labels):
        folder = tmp_path / "images" / "train" / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(folder / f"{number:03d}.png")
    write_index(tmp_path / "images", tmp_path / "index.json", 32)
    write_receipt(tmp_path / "index.json", "index")
    means = random.standard_normal((10, 4, 8, 8))[labels] + 0.1 * random.standard_normal((COUNT, 4, 8, 8))
    moments = np.concatenate([means, np.full_like(means, 0.1)], axis=1).astype(np.float32)
    shard = shard_path(tmp_path / "latents", "latents", 0, 1)
    inputs = {"index": tmp_path / "index.json"}
    write_shard(shard, "latents", range(COUNT), [moments], inputs)
    write_manifest(tmp_path / "latents/store.json", "latents", [shard], labels.astype(np.int64), inputs, scaling_factor=1.0)
    return SimpleNamespace(
        folder=tmp_path,
        spec=spec,
        model=model.eval(),
        config=tmp_path / "config.json",
        weights=tmp_path / "weights.safetensors",
        latents=tmp_path / "latents/store.json",
        index=tmp_path / "index.json",
    )


def probed(given, output="p.json", time=0.1, blocks=(1, 4), **changes):
    training = TRAINING.model_copy(update=changes)
    told = training.model_dump_json()
    return probe(given.config, given.weights, given.latents, "m400k", time, list(blocks), given.folder / output, told, "cpu")


def test_classes_that_the_latents_show_are_found_and_the_record_says_by_what(given):
    record = probed(given)
    assert set(record.accuracy) == {1, 4}
    assert min(record.accuracy.values()) > 0.5
    assert (record.train_images, record.held_out_images, record.step, record.time) == (160, 40, 7, 0.1)
    assert record.weights == sha256_of_file(given.weights)
    assert record.latents == ArrayStore.open(given.latents, "latents").sha256
    assert read_probe(given.folder / "p.json") == record
    assert [path.name for path in given.folder.iterdir() if path.name.startswith(".probe")] == []


def test_more_noise_hides_the_classes_and_the_same_again_is_the_same(given):
    clear, again, noisy = probed(given), probed(given, "q.json"), probed(given, "r.json", time=0.95)
    assert (given.folder / "p.json").read_bytes() == (given.folder / "q.json").read_bytes()
    assert noisy.accuracy[1] < clear.accuracy[1] == again.accuracy[1]


def test_components_are_those_of_the_first_image_of_the_class(given):
    output = given.folder / "c.npz"
    pca(given.config, given.weights, given.latents, given.index, "m400k", [0.7, 0.1], [2, 4], output, image_class=13, device="cpu")
    pack, facts = read_npz(output), read_receipt(output, "components")["facts"]
    assert (facts["label"], facts["times"], facts["blocks"]) == (3, [0.7, 0.1], [2, 4])
    assert pack["colours"].shape == (2, 2, 4, 4, 3)
    assert pack["image"].shape == (32, 32, 3)
    store = ArrayStore.open(given.latents, "latents")
    assert store.labels[facts["image"]] == 3
    assert facts["image"] == int(np.flatnonzero(np.asarray(store.labels) == 3)[0])
    mean = torch.from_numpy(store.rows(np.array([facts["image"]])))[:, :4]
    noise = image_noise(0, "components", [facts["image"]], (4, 8, 8))
    t = torch.tensor([0.1])
    with torch.no_grad():
        tokens = given.model(0.9 * mean + 0.1 * noise, t, torch.tensor([10]), taps=(4,))[1][4][0]
    assert np.abs(pack["colours"][1, 1].astype(int) - component_colours(tokens).view(4, 4, 3).numpy()).max() <= 1


def test_the_command_line_does_the_same(given):
    shared = [str(given.config), "--weights", str(given.weights), "--latents", str(given.latents), "--milestone", "m400k"]
    training = json.dumps(TRAINING.model_dump(mode="json"))
    options = ["--time", "0.1", "--block", "1", "--block", "4", "--training", training, "--output", str(given.folder / "cli.json")]
    assert CliRunner().invoke(app, ["probe", *shared, *options, "--device", "cpu"], catch_exceptions=False).exit_code == 0
    probed(given)
    assert (given.folder / "cli.json").read_bytes() == (given.folder / "p.json").read_bytes()
    options = ["--index", str(given.index), "--time", "0.1", "--block", "2", "--output", str(given.folder / "cli.npz")]
    assert CliRunner().invoke(app, ["pca", *shared, *options, "--device", "cpu"], catch_exceptions=False).exit_code == 0
    assert read_receipt(given.folder / "cli.npz", "components")["facts"]["label"] == 8


def test_what_cannot_be_probed_is_refused(given, tiny_run):
    with pytest.raises(InputError, match="200 images held out of 200 leave none"):
        probed(given, held_out=200)
    with pytest.raises(InputError, match="--block 9: SiT-B/2 of run sit_b2 has blocks 1 to 8; give one of them"):
        probed(given, blocks=[9])
    with pytest.raises(InputError, match="expected a share of the time range"):
        CliRunner().invoke(app, ["probe", str(given.config), "--time", "1", *_needed(given)], catch_exceptions=False)
    write_run(given.config, tiny_run("mmdit"))
    with pytest.raises(InputError, match="run mmdit: is told captions; probes and components are of models of classes"):
        probed(given)
    write_run(given.config, tiny_run("sit_b2_sra"))
    with pytest.raises(InputError, match="belongs to run sit_b2 with other settings, not to sit_b2_sra"):
        probed(given)


def _needed(given):
    files = ["--weights", str(given.weights), "--latents", str(given.latents), "--output", str(given.folder / "x.json")]
    return [*files, "--milestone", "m400k", "--block", "1"]
