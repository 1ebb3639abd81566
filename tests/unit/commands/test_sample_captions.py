"""Sampling by captions: which ones are drawn, that shards and methods share them, and what is refused."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from random_clip import save_random_clip
from random_coco import write_random_coco
from safetensors.torch import save_file

from sra.commands.index_captions import index_captions
from sra.commands.pack import pack
from sra.commands.sample import sample
from sra.core.errors import InputError
from sra.core.files import sha256_of_file
from sra.core.npz import read_npz
from sra.core.receipts import read_receipt, recorded_sha256, write_receipt
from sra.data.captions import CaptionedSplit, sampled_captions
from sra.diffusion.flow import Flow
from sra.encoders.text import TextEncoder
from sra.encoders.vae import WEIGHTS, small_network
from sra.models.build import build_model
from sra.sampling.trained_model import load_trained
from sra.spec.run import read_run, write_run
from sra.spec.samplers import EulerSampler, Guidance, OfficialSeeding
from sra.spec.scale import Text

IMAGES = {"train": 2, "val": 9}
COUNT = 7
TEXT = Text(tokens=24, width=16)
IN_ORDER = EulerSampler(evaluations=3, seed=5, guidance=Guidance(scale=2.0))
AT_RANDOM = IN_ORDER.model_copy(update={"captions": "random"})


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    folder = tmp_path_factory.mktemp("captions")
    index_captions(write_random_coco(folder / "coco", IMAGES), 32, folder / "index.json", IMAGES["train"], IMAGES["val"])
    (folder / "vae").mkdir()
    torch.manual_seed(0)
    small_network().save_pretrained(folder / "vae")
    write_receipt(folder / "vae" / WEIGHTS, "vae")
    clip = save_random_clip(folder / "clip", tokens=TEXT.tokens, text_width=TEXT.width)
    return SimpleNamespace(index=folder / "index.json", vae=str(folder / "vae"), clip=str(clip))


@pytest.fixture
def drawn(tiny_run, tmp_path, given):
    """`drawn(sampler, shards)`: the packed set of COUNT images and its folder."""

    def draw(sampler=IN_ORDER, shards=1, run="mmdit", batch=4, count=COUNT, text=TEXT, trained_with=None, **options):
        folder, spec = tmp_path / f"{run}_{sampler.captions}_{shards}", tiny_run(run)
        folder.mkdir(exist_ok=True)
        if spec.model.text:
            spec = spec.model_copy(update={"model": spec.model.model_copy(update={"text": text})})
        write_run(folder / "config.json", spec)
        save_file(build_model(spec.model, seed=1).state_dict(), folder / "weights.safetensors")
        told = {"text_encoder": recorded_sha256(Path(trained_with or given.clip) / "model.safetensors")} if spec.model.text else {}
        write_receipt(folder / "weights.safetensors", "weights", hashes=told, run=run, fingerprint=spec.fingerprint, step=7)
        paths = [folder / f"shard_{number}.npz" for number in range(shards)]
        options = {"captions": given.index, "text_encoder": given.clip} | options
        for number, path in enumerate(paths):
            where = {"config": folder / "config.json", "shard": number, "shards": shards, "batch": batch, "device": "cpu"}
            sample(folder / "weights.safetensors", given.vae, sampler.model_dump_json(), count, path, **where, **options)
        pack(count, "m150k", "sampler", 40_192, folder / "samples.npz", paths)
        return read_npz(folder / "samples.npz"), folder

    return draw


def texts(pack):
    return [caption.decode() for caption in pack["captions"]]


def test_in_order_is_a_caption_of_each_validation_image_in_turn(drawn, given):
    pack, folder = drawn()
    split = CaptionedSplit(given.index, "val")
    assert set(pack) == {"arr_0", "captions"}
    assert pack["arr_0"].shape == (COUNT, 32, 32, 3)
    assert all(text in captions for text, captions in zip(texts(pack), split.captions, strict=False))
    receipt = read_receipt(folder / "samples.npz", "samples")
    assert (receipt["facts"]["label_policy"], receipt["facts"]["caption_policy"]) == (None, "in_order")
    assert receipt["made_from"]["captions"] == sha256_of_file(given.index)
    assert {"weights", "vae", "text_encoder", "text_tokenizer"} < set(receipt["made_from"])


def test_shards_change_nothing_and_the_captions_reach_the_model(drawn):
    (whole, _), (parts, _) = drawn(shards=1), drawn(shards=3, batch=2)
    assert np.array_equal(whole["captions"], parts["captions"])
    assert np.abs(whole["arr_0"].astype(int) - parts["arr_0"]).max() <= 1
    other, _ = drawn(AT_RANDOM)
    asked = np.array(texts(whole)) != np.array(texts(other))
    assert asked.any()
    assert (np.abs(whole["arr_0"].astype(int) - other["arr_0"]).max(axis=(1, 2, 3)) > 1)[asked].all()


def test_guidance_moves_away_from_the_empty_caption(drawn, given, monkeypatch):
    seen = []
    sample = Flow.sample

    def watched(self, denoise, sampler, noise, condition, null, *more):
        seen.append((condition, null))
        return sample(self, denoise, sampler, noise, condition, null, *more)

    monkeypatch.setattr(Flow, "sample", watched)
    pack, folder = drawn()
    encoder = TextEncoder.load(given.clip)
    # What is drawn from is the network's embedding of the captions, made once for all times.
    embed = load_trained(read_run(folder / "config.json"), folder / "weights.safetensors")[0].embed_condition
    for condition, null in seen:
        assert torch.allclose(null, embed(encoder.encode([""]))[0], atol=1e-5)
        assert condition.shape[1:] == null.shape
    assert torch.allclose(torch.cat([condition for condition, _ in seen]), embed(encoder.encode(texts(pack))), atol=1e-5)


def test_another_text_encoder_than_the_trainings_is_refused(drawn, tmp_path):
    other = save_random_clip(tmp_path / "other", seed=1, tokens=TEXT.tokens, text_width=TEXT.width)
    with pytest.raises(InputError, match=r"is another text encoder than .*weights.safetensors was trained with; give the one of the preset"):
        drawn(trained_with=other)


def test_methods_share_captions_and_noise(drawn):
    """The same initial weights, so nothing but what is shared is left to differ."""
    (first, _), (second, _) = drawn(run="mmdit"), drawn(run="mmdit_sra")
    assert np.array_equal(first["captions"], second["captions"])
    assert np.array_equal(first["arr_0"], second["arr_0"])


def test_at_random_any_caption_is_as_likely_as_another():
    first_captions = np.array([0, 1, 3, 6, 10])
    drawn = sampled_captions(0, 20_000, first_captions, "random")
    assert np.abs(np.bincount(drawn, minlength=10) / 20_000 - 0.1).max() < 0.01
    in_order = np.array([sampled_captions(seed, 4, first_captions, "in_order") for seed in range(4_000)])
    assert all(set(in_order[:, image]) == set(range(first_captions[image], first_captions[image + 1])) for image in range(4))
    assert np.array_equal(sampled_captions(3, 2, first_captions, "in_order"), sampled_captions(3, 4, first_captions, "in_order")[:2])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"captions": None}, "run mmdit: draws captions; give --captions INDEX.json and --text-encoder, the preset's scenes_clip"),
        ({"text_encoder": None}, "run mmdit: draws captions; give --captions INDEX.json and --text-encoder"),
        ({"count": 10}, "split val has 9 images, 10 samples of captions in order need as many; draw fewer, or at random"),
        ({"text": Text(tokens=24, width=64)}, r"encodes a caption as \(24, 16\), run mmdit was trained on \(24, 64\)"),
        ({"sampler": IN_ORDER.model_copy(update={"official_seeding": OfficialSeeding(processes=1)})}, "official_seeding repeats scripts that draw"),
        ({"run": "sit_b2"}, "run sit_b2: draws classes, not captions; leave out --captions and --text-encoder"),
    ],
)
def test_what_does_not_fit_is_refused(options, says, drawn):
    with pytest.raises(InputError, match=says):
        drawn(**options)
