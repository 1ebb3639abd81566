"""Targets made in the step against targets stored before: the same training, only where something reads them, and refusal of foreign inputs."""

import os
import subprocess
import sys
from contextlib import nullcontext

import numpy as np
import pytest
import timm
import torch
from timm.models import save_for_hf

from sra.commands.train import train
from sra.core.errors import InputError
from sra.core.files import sha256_of_file, write_json
from sra.core.receipts import read_receipt
from sra.data.store import ArrayStore, shard_path, write_manifest, write_shard
from sra.encoders.vision import VisionEncoder
from sra.spec.machine import Machine
from sra.spec.run import write_run
from sra.training.batches import check_inputs
from sra.training.distributed import World
from sra.training.inputs import online_targets
from sra.training.setup import set_up

CPU = torch.device("cpu")
RUN = "sit_xl2_repa_dinov2b"
COUNT = 20  # images, as many as the latents


def save_encoder(folder, seed=0):
    """Four tokens on a side of 32 pixels, as the tiny runs' model has; trained for 64 pixels, so its positions are resampled."""
    torch.manual_seed(seed)
    network = timm.create_model("vit_tiny_patch16_224", img_size=64, patch_size=8, embed_dim=12, depth=2, num_heads=2, num_classes=0)
    save_for_hf(network, folder, safe_serialization=True)
    return folder


def make_store(folder, kind, rows, inputs=None):
    shards = [shard_path(folder, kind, number, 2) for number in range(2)]
    half = len(rows) // 2
    for shard, part in zip(shards, (range(half), range(half, len(rows))), strict=True):
        write_shard(shard, kind, part, [rows[part.start : part.stop]], inputs or {}, dtype=rows.dtype)
    write_manifest(folder / "store.json", kind, shards, np.arange(len(rows)) % 10, inputs or {}, scaling_factor=1.0)
    return ArrayStore.open(folder / "store.json", kind)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(0, 256, (COUNT, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return save_encoder(tmp_path_factory.mktemp("vit"))


@pytest.fixture(scope="module")
def pixels(images, tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("pixels"), "pixels", images)


@pytest.fixture(scope="module")
def features(images, encoder, tmp_path_factory):
    tokens = VisionEncoder.load(encoder, grid=4).tokens(torch.from_numpy(images)).numpy()
    return make_store(tmp_path_factory.mktemp("features"), "features", tokens)


@pytest.fixture
def online_run(tiny_run, tiny_stores, pixels, encoder):
    """`online_run(**alignment)`: a trainer whose targets come from the images."""

    def make(run=RUN, source=encoder, machine=Machine(), world=World(), training=None, **alignment):
        spec = tiny_run(run, training=training, **alignment)
        return set_up(spec, tiny_stores[0], None, CPU, machine, world, online_targets(pixels, source, spec, CPU))

    return make


def largest_difference(a, b) -> float:
    pairs = zip(a.state.tensors().values(), b.state.tensors().values(), strict=True)
    return max(((one - other).norm() / other.norm().clamp(min=1e-30)).item() for one, other in pairs)


@pytest.mark.parametrize("run", [RUN, "sit_xl2_repa_sra"])
@pytest.mark.parametrize("micro_batch", [None, 3])
def test_it_trains_as_with_stored_features(run, micro_batch, online_run, tiny_run, tiny_stores, features):
    training = {"learning_rate": 1e-4}
    stored = set_up(tiny_run(run, training=training), tiny_stores[0], features, CPU)
    online = online_run(run, machine=Machine(micro_batch=micro_batch), training=training)
    for trainer in (stored, online):
        trainer.train(10)
    assert largest_difference(online, stored) < 2e-5
    assert online.state.curve[0] == pytest.approx(stored.state.curve[0], rel=1e-5)


def test_the_targets_are_the_tokens_of_the_steps_images(online_run, tiny_run, tiny_stores, features):
    online, stored = online_run().batch(3), set_up(tiny_run(RUN), tiny_stores[0], features, CPU).batch(3)
    assert online.targets is None
    made = online_run()._encoded(online)
    assert made.images is None
    assert torch.allclose(made.targets.tokens, stored.targets.tokens, atol=1e-5)
    assert not made.targets.tokens.requires_grad


def test_the_encoder_runs_in_the_runs_precision(online_run):
    run = online_run(training={"precision": "bf16"})
    batch = run.batch(0)
    made = run._encoded(batch).targets.tokens
    assert torch.equal(made, run.online.encode(batch.images, torch.autocast("cpu", torch.bfloat16)).tokens)
    assert not torch.equal(made, run.online.encode(batch.images, nullcontext()).tokens)


def test_segments_equal_one_run_bit_for_bit(online_run, tmp_path):
    whole = online_run()
    whole.train(12)
    for until in (5, 12):
        part = online_run()
        if until > 5:
            part.state.restore(tmp_path / "state.safetensors")
        part.train(until)
        part.state.save(tmp_path / "state.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(whole.state.tensors().values(), part.state.tensors().values(), strict=True))
    assert whole.state.curve == part.state.curve != []


def test_the_encoder_stays_as_it_is_and_out_of_the_state(online_run):
    run = online_run()
    encoder = run.online.encode.__self__
    before = encoder.sha256()
    run.train(2)
    assert encoder.sha256() == before
    assert all(parameter.grad is None for parameter in encoder.network.parameters())
    assert not any("encoder" in name for name in run.state.tensors())


def test_each_process_reads_its_share(online_run):
    batches = online_run().batches
    shares = [
        type(batches)(batches.spec, batches.latents, batches.conditions, None, batches.process, World(rank, 4), batches.pixels).at(3)
        for rank in range(4)
    ]
    assert [len(share.images) for share in shares] == [2] * 4
    assert torch.equal(batches.at(3).images, torch.cat([share.images for share in shares]))


@pytest.mark.slow
def test_two_processes_train_as_one_in_two_parts(tiny_run, tiny_stores, pixels, encoder, tmp_path):
    write_run(tmp_path / "config.json", tiny_run(RUN))
    states = []
    for options in (["--processes", "2"], ["--micro-batch", "4"]):
        states.append(tmp_path / f"{options[1]}.safetensors")
        command = [sys.executable, "-m", "sra", "train", tmp_path / "config.json", "--latents", tiny_stores[0].manifest, "--until", 3, *options]
        outputs = ["--state", states[-1], "--curve", tmp_path / "curve.jsonl", "--device", "cpu"]
        done = subprocess.run(
            list(map(str, [*command, *outputs, "--pixels", pixels.manifest, "--encoder", encoder])),
            env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert states[0].read_bytes() == states[1].read_bytes()


@pytest.mark.parametrize(("options", "steps"), [({"stop_step": 1}, 1), ({"weight": 0.0}, 0)])
def test_it_runs_only_where_its_output_is_read(options, steps, online_run, monkeypatch):
    run = online_run(**options)
    encoded, read, rows = [], [], ArrayStore.rows
    run.online.encode.__self__.network.patch_embed.register_forward_hook(lambda *_: encoded.append(1))
    monkeypatch.setattr(ArrayStore, "rows", lambda store, indices: (read.append(store.kind), rows(store, indices))[1])
    run.train(4)
    assert (len(encoded), read.count("pixels"), read.count("latents")) == (steps, steps, 4)


def test_a_state_names_images_and_encoder(online_run, pixels, encoder, tmp_path):
    run = online_run()
    run.state.save(tmp_path / "state.safetensors")
    made_from = read_receipt(tmp_path / "state.safetensors", "training state")["made_from"]
    assert set(made_from) == {"latents", "pixels", "encoder", "encoder_config"}
    assert made_from["pixels"] == sha256_of_file(pixels.manifest)
    assert made_from["encoder"] == sha256_of_file(encoder / "model.safetensors")
    with pytest.raises(InputError, match="was trained on other encoder than given"):
        online_run(source=save_encoder(tmp_path / "other", seed=1)).state.restore(tmp_path / "state.safetensors")


def test_foreign_images_are_refused(tiny_run, tiny_stores, images, tmp_path):
    spec = tiny_run(RUN)

    def refused(rows, says, latents=tiny_stores[0], inputs=None):
        store = make_store(tmp_path / f"pixels_{len(list(tmp_path.iterdir()))}", "pixels", rows, inputs)
        with pytest.raises(InputError, match=says):
            check_inputs(spec, latents, pixels=store)

    refused(images[:10], r"10 images of shape \(32, 32, 3\), run .* needs 20 of \(32, 32, 3\); pack the images of the same index")
    refused(images[:, :16, :16], r"20 images of shape \(16, 16, 3\), run .* needs 20")
    for name in ("a", "b"):
        write_json(tmp_path / f"{name}.json", name)
    moments = tiny_stores[0].rows(np.arange(COUNT))
    latents = make_store(tmp_path / "latents_a", "latents", moments, {"index": tmp_path / "a.json"})
    refused(images, "was made from another index of images than", latents, {"index": tmp_path / "b.json"})


@pytest.mark.parametrize(
    ("run", "given", "says"),
    [
        (RUN, {"pixels": True}, "--pixels and --encoder go together"),
        (RUN, {"encoder": True}, "--pixels and --encoder go together"),
        (RUN, {"pixels": True, "encoder": True, "features": True}, "--features and --pixels are two ways to the same thing; give one"),
        ("sit_b2_sra", {"pixels": True, "encoder": True}, "run sit_b2_sra: aligns with no encoder; leave out --pixels and --encoder"),
        (RUN, {}, "give --features STORE.json, or --pixels STORE.json and --encoder"),
    ],
)
def test_half_or_double_or_needless_options_are_refused(run, given, says, tiny_run, tiny_stores, pixels, encoder, features, tmp_path):
    write_run(tmp_path / "config.json", tiny_run(run))
    paths = {"pixels": pixels.manifest, "encoder": str(encoder), "features": features.manifest}
    with pytest.raises(InputError, match=says):
        inputs = {name: paths[name] for name in given}
        train(tmp_path / "config.json", tiny_stores[0].manifest, 2, tmp_path / "s", tmp_path / "c", **inputs)


def test_the_stage_trains_from_images(tiny_run, tiny_stores, pixels, encoder, tmp_path):
    write_run(tmp_path / "config.json", tiny_run(RUN))
    written = tmp_path / "state.safetensors", tmp_path / "curve.jsonl"
    train(tmp_path / "config.json", tiny_stores[0].manifest, 2, *written, pixels=pixels.manifest, encoder=str(encoder), device="cpu")
    assert read_receipt(tmp_path / "state.safetensors", "training state")["facts"]["step"] == 2


def test_a_gpu_makes_the_same_targets(online_run, tiny_run, tiny_stores, pixels, encoder):
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    here = online_run().batch(0)
    spec, gpu = tiny_run(RUN, training={"precision": "fp16"}), torch.device("cuda")
    there = set_up(spec, tiny_stores[0], None, gpu, online=online_targets(pixels, encoder, spec, gpu))
    made = there._encoded(there.batch(0)).targets.tokens
    assert made.device.type == "cuda"
    assert torch.allclose(made.cpu(), online_run()._encoded(here).targets.tokens, atol=2e-2)
    there.train(10)
    assert there.state.curve[0]["repa"] < 1
