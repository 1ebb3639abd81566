"""From a checkpoint as its trainer saved it to scored samples: `sra convert`, then the command that it prints, without any run."""

import argparse
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from random_networks import save_random_sd_vae
from released_files import network, willisma
from safetensors.torch import load_file

from sra.commands.convert import convert
from sra.commands.sample import sample
from sra.core.errors import InputError
from sra.core.receipts import read_receipt, verify_contents, write_receipt
from sra.diffusion.streams import SampleNoise, sample_labels
from sra.encoders.pixels import to_uint8
from sra.encoders.vae import Vae
from sra.metrics.samples import read_samples
from sra.models.heads import Projector
from sra.spec.samplers import DdpmSampler, EulerSampler, Guidance, Sampler, SdeSampler
from sra.spec.scale import PAPER_SIZES, Width
from sra.spec.score import DRAWN

CONFIG = Path(__file__).parents[3] / "config"
COUNT = 3
SHORT = SdeSampler(evaluations=3, seed=5)
REPA = {"model": "SiT-S/2", "resolution": 64, "num_classes": 10, "path_type": "linear", "prediction": "v", "enc_type": "dinov2-vit-b"}


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """A working folder with the repository's samplers, an autoencoder, and S as small as the files of the tests."""
    monkeypatch.setitem(PAPER_SIZES, "S", Width(depth=3, width=32, heads=4))
    (tmp_path / "config").mkdir()
    shutil.copy(CONFIG / "samplers.yaml", tmp_path / "config")
    save_random_sd_vae(tmp_path / "vae", small=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def released(path: Path, weights: dict, args: dict | None = None) -> Path:
    torch.save({"ema": weights, "args": argparse.Namespace(**args)} if args else weights, path)
    return path


@pytest.fixture
def repa(root) -> Path:
    """SiT-S/2 of REPA, with projectors, converted."""
    projectors = {f"projectors.0.{name}": tensor for name, tensor in Projector(32, 48, 24).state_dict().items()}
    convert(released(root / "repa.pt", network().state_dict() | projectors, REPA), "repa", root / "repa.safetensors")
    return root / "repa.safetensors"


def draw(root: Path, weights: Path, sampler: Sampler = SHORT, count: int = COUNT, **options) -> np.ndarray:
    sample(weights, str(root / "vae"), sampler.model_dump_json(), count, root / "samples.npz", batch=2, device="cpu", **options)
    return np.load(root / "samples.npz")["arr_0"]


def test_the_printed_command_draws_from_a_released_repa_s_2(root, repa, sra, capsys):
    convert(root / "repa.pt", "repa", repa)
    printed = re.search(r"  next        sra (sample .*)\n", capsys.readouterr().out)[1]
    words = shlex.split(printed.replace("stabilityai/sd-vae-ft-ema", "vae").replace("sde250", "ode50").replace("--count 16", f"--count {COUNT}"))
    code, err = sra(*words, "--seed", "7", "--family", "repa", "--device", "cpu")
    assert (code, "error" in err) == (0, False)
    samples = read_samples(root / "repa_samples.npz")
    assert samples.images.shape == (COUNT, 64, 64, 3)
    assert samples.labels.max() < 10
    receipt = verify_contents(root / "repa_samples.npz", DRAWN)
    facts = receipt["facts"]
    assert (facts["run"], facts["family"], facts["model"], facts["fingerprint"]) == ("repa.pt", "repa", "SiT-S/2", None)
    assert (facts["sampler_name"], facts["sampler"]["seed"], facts["count"], facts["vae"]) == ("ode50", 7, COUNT, "vae")
    assert facts["source_sha256"] == read_receipt(repa, "weights")["facts"]["source_sha256"]
    assert set(receipt["made_from"]) == {"weights", "vae"}


def test_the_images_are_those_of_the_network_in_its_own_convention(root):
    """willisma/SiT, time 1 is data, by Euler steps in its own time; ours starts from the same noise."""
    theirs = willisma()
    convert(released(root / "sit.pt", theirs.state_dict()), "sit", root / "sit.safetensors", classes=10)
    sampler = EulerSampler(evaluations=4, seed=5)
    x = SampleNoise(5, range(2), (4, 8, 8)).draw()
    labels = sample_labels(5, range(2), range(10), "random")
    for step in range(4):
        x = x + theirs(x, torch.full((2,), step / 4), labels)[0][:, :4].detach() / 4
    expected = to_uint8(Vae.load(root / "vae").decode(x), "floor").numpy()
    assert np.abs(draw(root, root / "sit.safetensors", sampler, 2).astype(int) - expected).max() <= 1
    assert np.array_equal(np.load(root / "samples.npz")["labels"], labels)


def test_seeds_and_batches(root, repa):
    first = draw(root, repa)
    assert np.array_equal(draw(root, repa), first)
    assert not np.array_equal(draw(root, repa, SHORT.model_copy(update={"seed": 6})), first)


def test_a_dit_is_drawn_by_the_ddpm_chain(root):
    convert(released(root / "dit.pt", network(outputs=2).state_dict()), "dit", root / "dit.safetensors", classes=10)
    assert draw(root, root / "dit.safetensors", DdpmSampler(evaluations=3)).shape == (COUNT, 64, 64, 3)
    with pytest.raises(InputError, match="sampler kind sde does not fit"):
        draw(root, root / "dit.safetensors")


def test_without_a_null_class_there_are_images_but_no_guidance(root):
    weights = network().state_dict()
    with_null = weights | {"y_embedder.embedding_table.weight": weights["y_embedder.embedding_table.weight"][:-1]}
    for name, tensors in (("with", weights), ("without", with_null)):
        convert(released(root / f"{name}.pt", tensors, REPA), "repa", root / f"{name}.safetensors")
    assert np.array_equal(draw(root, root / "with.safetensors"), draw(root, root / "without.safetensors"))
    guided = SHORT.model_copy(update={"guidance": Guidance(scale=1.5)})
    draw(root, root / "with.safetensors", guided)
    with pytest.raises(InputError, match=r"without.safetensors: has no null class, so it cannot be guided"):
        draw(root, root / "without.safetensors", guided)


def test_what_is_no_converted_file_is_refused(root, repa, sra):
    command = ("sample", "--vae", "vae", "--sampler", "sde250", "--count", 4, "--output", "s.npz", "--device", "cpu", "--weights")
    for words, message in (
        ((repa, "--family", "sit"), "was converted from a file of repa, --family says sit"),
        ((repa, "--shards", 2), "--shards 2: without a run's config.json a set is drawn in one piece"),
        (
            (root / "repa.pt",),
            "is no file that sra convert wrote, or repa.pt.receipt.json is not beside it; convert it first: sra convert",
        ),
        ((repa, "--sampler", "sde25"), "--sampler: unknown sampler 'sde25'; did you mean 'sde250'?"),
        ((root / "nothing.safetensors",), "nothing.safetensors: no such file"),
    ):
        code, err = sra(*command, *words)
        assert code == 2
        assert message in err
        assert err.count("\n") == 1
    assert not (root / "s.npz").exists()


def test_an_autoencoder_of_other_latents_is_refused(root, repa):
    from diffusers import AutoencoderKL

    AutoencoderKL(block_out_channels=(4,), norm_num_groups=2, latent_channels=16).save_pretrained(root / "vae")
    with pytest.raises(InputError, match=r"vae: is an autoencoder of 16 latent channels, the model of repa.pt has 4; give the one"):
        draw(root, repa)


def test_the_weights_are_the_files(root, repa):
    source = network().state_dict()
    assert all(torch.equal(tensor, source[name]) for name, tensor in load_file(repa).items())


def test_what_was_drawn_is_scored_like_samples_from_elsewhere(scored, score_house, tmp_path):
    shutil.copy(score_house.samples, tmp_path / "drawn.npz")
    write_receipt(tmp_path / "drawn.npz", DRAWN, run="repa.pt", fingerprint=None)
    drawn, foreign = scored(tmp_path / "drawn.npz"), scored(score_house.samples)
    assert drawn.metrics == foreign.metrics
    assert drawn.samples.sha256 == foreign.samples.sha256
    (tmp_path / "drawn.npz").write_bytes(score_house.samples.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match="its contents differ from its receipt"):
        scored(tmp_path / "drawn.npz")


def test_what_the_receipt_of_a_drawn_set_says_is_recorded_and_not_contradicted(scored, score_house, tmp_path):
    images = np.load(score_house.samples)["arr_0"]
    np.savez(tmp_path / "drawn.npz", arr_0=images, labels=np.array([1, 3] * (len(images) // 2)))
    sampler = SdeSampler(evaluations=3, classes=(1, 3), labels="balanced", uint8="round").model_dump(mode="json")
    write_receipt(tmp_path / "drawn.npz", DRAWN, run="repa.pt", fingerprint=None, sampler=sampler, classes=5, count=len(images))
    found = scored(tmp_path / "drawn.npz").samples
    assert (found.labels.policy, found.labels.classes, found.uint8) == ("balanced", 5, "round")
    for option, value, said in (("labels", "random", "balanced"), ("uint8", "floor", "round"), ("count", 7, len(images))):
        with pytest.raises(InputError, match=rf"drawn\.npz: --{option} {value}, its receipt says {said}; leave out --{option}"):
            scored(tmp_path / "drawn.npz", **{option: value})
    with pytest.raises(InputError, match="number of classes: --classes 6, the samples' receipt 5"):
        scored(tmp_path / "drawn.npz", classes=6)


def test_a_sampler_by_name_outside_the_checkout_says_where_names_are_looked_up(root, repa, sra, monkeypatch):
    (root / "config" / "samplers.yaml").unlink()
    code, err = sra("sample", "--weights", str(repa), "--vae", "vae", "--sampler", "sde250", "--count", "1", "--output", "s.npz")
    assert (code, err.count("\n")) == (2, 1)
    assert "--sampler sde250: is looked up in config/samplers.yaml, which is not here; run this in the checkout, or give a sampler as JSON" in err
