"""Sampling and packing: shards, batches and the order of the released scripts; receipts name all that drew the images."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sra.commands.pack import pack
from sra.commands.sample import REMEDY, sample
from sra.core.errors import InputError, StageError
from sra.core.files import read_json, sha256_of_file, write_json
from sra.core.npz import read_npz
from sra.core.receipts import read_receipt, write_receipt
from sra.diffusion.process import build_process
from sra.diffusion.streams import SampleNoise
from sra.encoders.pixels import to_uint8
from sra.encoders.vae import WEIGHTS, Vae, small_network
from sra.models.dit import DiffusionTransformer
from sra.spec.samplers import DdpmSampler, Guidance, OfficialSeeding, SdeSampler
from sra.spec.scale import PRECISIONS

COUNT = 11
PER_SAMPLE = SdeSampler(evaluations=3, seed=5)
OFFICIAL = {
    "sit_b2": SdeSampler(evaluations=3, seed=5, guidance=Guidance(scale=1.8), official_seeding=OfficialSeeding(processes=2, batch=3)),
    "dit_b2": DdpmSampler(
        evaluations=3,
        seed=5,
        guidance=Guidance(scale=1.5, channels="first_three"),
        official_seeding=OfficialSeeding(processes=2, batch=3),
    ),
}


@pytest.fixture(scope="module")
def vae(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vae")
    torch.manual_seed(0)
    small_network().save_pretrained(folder)
    write_receipt(folder / WEIGHTS, "vae")
    return folder


@pytest.fixture
def drawn(tiny_run, tmp_path, vae):
    """`drawn(run, sampler, shards, batch)`: the packed set of COUNT images, and the folder of its shards."""

    def draw(run, sampler, shards, batch=4):
        folder, spec = tmp_path / f"{run}_{shards}_{batch}", tiny_run(run)
        folder.mkdir(exist_ok=True)
        write_json(folder / "config.json", {**spec.model_dump(mode="json"), "fingerprint": spec.fingerprint})
        torch.manual_seed(1)
        model = DiffusionTransformer(spec.model)
        for parameter in model.parameters():  # adaLN-zero would leave the class without effect
            torch.nn.init.normal_(parameter, std=0.05)
        save_file(dict(model.state_dict()), folder / "weights.safetensors")
        write_receipt(folder / "weights.safetensors", "weights", run=run, fingerprint=spec.fingerprint, step=7)
        paths = [folder / f"shard_{number}.npz" for number in range(shards)]
        for number, path in enumerate(paths):
            where = {"config": folder / "config.json", "shard": number, "shards": shards, "batch": batch, "device": "cpu"}
            sample(folder / "weights.safetensors", str(vae), sampler.model_dump_json(), COUNT, path, **where)
        pack(COUNT, "m400k", "sampler", 50_000, folder / "samples.npz", paths)
        return read_npz(folder / "samples.npz"), folder

    return draw


def test_shards_and_batches_change_nothing(drawn, vae):
    (whole, folder), (parts, _) = drawn("sit_b2", PER_SAMPLE, 1, batch=4), drawn("sit_b2", PER_SAMPLE, 3, batch=2)
    assert whole["arr_0"].shape == (COUNT, 32, 32, 3)
    assert np.array_equal(whole["labels"], parts["labels"])
    # Another batch rounds differently in the last bit, which may move a byte by one level.
    assert np.abs(whole["arr_0"].astype(int) - parts["arr_0"]).max() <= 1
    receipt = read_receipt(folder / "samples.npz", "samples")
    assert receipt["made_from"] == {"weights": sha256_of_file(folder / "weights.safetensors"), "vae": sha256_of_file(vae / WEIGHTS)}
    assert receipt["facts"]["classes"] == read_json(folder / "config.json")["model"]["classes"] > whole["labels"].max()


def test_more_shards_than_images_leave_some_empty(drawn):
    whole, _ = drawn("sit_b2", PER_SAMPLE, 1)
    many, _ = drawn("sit_b2", PER_SAMPLE, 12)
    assert np.array_equal(whole["labels"], many["labels"])


@pytest.mark.parametrize("run", OFFICIAL)
def test_official_seeding_deals_out_images_as_the_released_scripts_do(drawn, tiny_run, vae, run):
    """The loop of generate.py and sample_ddp.py, with torch's global generator: image number i P + rank + total of each batch."""
    sampler = OFFICIAL[run]
    packed, folder = drawn(run, sampler, 2)
    spec, decoder = tiny_run(run), Vae.load(vae)
    model = DiffusionTransformer(spec.model).eval()
    model.load_state_dict(load_file(folder / "weights.safetensors"), strict=False)
    images, labels = np.zeros_like(packed["arr_0"]), np.zeros_like(packed["labels"])
    processes, batch = 2, 3
    copies = 2 if sampler.kind == "ddpm" else 1
    for rank in range(processes):
        torch.manual_seed(5 * processes + rank)
        for total in range(0, 12, processes * batch):
            z = torch.randn(batch, 4, 8, 8)
            y = torch.randint(0, 10, (batch,))
            like = torch.cat([z] * copies) if sampler.kind == "ddpm" else z.double()
            latents = build_process(spec.process).sample(
                lambda x, t, c: model(x, t, c)[0], sampler, z, y, torch.tensor(10), lambda like=like: torch.randn_like(like)[:batch]
            )
            if sampler.kind == "ddpm":
                torch.randn_like(like)  # the script draws for the step at 0, too
            decoded = to_uint8(decoder.decode(latents), sampler.uint8).numpy()
            for i in range(batch):
                index = i * processes + rank + total
                if index < COUNT:
                    images[index], labels[index] = decoded[i], y[i]
    assert np.array_equal(packed["labels"], labels)
    assert np.array_equal(packed["arr_0"], images)


def test_official_seeding_needs_a_shard_a_process(drawn):
    with pytest.raises(InputError, match="--shards 3: official_seeding draws one shard a process; give 2"):
        drawn("sit_b2", OFFICIAL["sit_b2"], 3)


def test_balanced_labels_are_not_official():
    with pytest.raises(ValueError, match="official_seeding draws random labels"):
        SdeSampler(evaluations=3, labels="balanced", official_seeding=OfficialSeeding())


def test_a_shard_that_was_stopped_leaves_nothing_and_is_drawn_again_the_same(drawn, monkeypatch):
    undisturbed, _ = drawn("sit_b2", PER_SAMPLE, 1, batch=4)
    decode, calls = Vae.decode, []

    def stopped(self, latents):
        calls.append(len(latents))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return decode(self, latents)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Vae, "decode", stopped)
        drawn("sit_b2", PER_SAMPLE, 2, batch=4)
    assert calls == [4, 2]
    again, folder = drawn("sit_b2", PER_SAMPLE, 2, batch=4)
    assert sorted(path.name for path in folder.iterdir() if path.suffix == ".npz" or path.name.startswith(".")) == [
        "samples.npz",
        "shard_0.npz",
        "shard_1.npz",
    ]
    assert np.array_equal(again["labels"], undisturbed["labels"])


@pytest.mark.parametrize("policy", ["random", "balanced"])
def test_some_classes_alone(drawn, policy):
    pack, _ = drawn("sit_b2", PER_SAMPLE.model_copy(update={"classes": [7, 2], "labels": policy}), 2)
    assert set(pack["labels"].tolist()) == {2, 7}
    assert policy == "random" or pack["labels"].tolist() == [7, 2] * 5 + [7]


def test_a_class_that_the_model_has_not_is_refused(drawn):
    with pytest.raises(InputError, match=r"class 10 does not exist, run sit_b2 has 10 from 0"):
        drawn("sit_b2", PER_SAMPLE.model_copy(update={"classes": [3, 10]}), 1)


def test_every_precision_has_its_advice():
    assert set(REMEDY) == set(PRECISIONS)


@pytest.mark.parametrize(("broken", "said"), [("model", "sampling in fp32 gave a latent"), ("decoder", "decoding in float32 gave an image")])
def test_what_is_not_finite_stops_at_its_image_and_leaves_nothing(drawn, tmp_path, monkeypatch, broken, said):
    """As bytes it would be black pixels, scored without a word."""
    if broken == "model":

        class Poisoned(SampleNoise):
            def __init__(self, seed, indices, shape):
                super().__init__(seed, indices, shape)
                self.broken = [row for row, index in enumerate(indices) if index == 5]

            def draw(self):
                return super().draw().index_fill(0, torch.tensor(self.broken, dtype=torch.int64), torch.nan)

        monkeypatch.setattr("sra.sampling.draw.SampleNoise", Poisoned)
    else:
        decode = Vae.decode
        monkeypatch.setattr(Vae, "decode", lambda self, latents: decode(self, latents).index_fill(0, torch.tensor([1]), torch.inf))
    first = 5 if broken == "model" else 1
    with pytest.raises(StageError, match=rf"run sit_b2: {said} that is not finite, the first is of image {first}; nothing was written; "):
        drawn("sit_b2", PER_SAMPLE, 1)
    assert not list(tmp_path.rglob("*.npz"))
