"""Text to image in the one trainer: what a step is told, that two ways to it agree, and that what does not fit is refused."""

import os
import subprocess
import sys
from functools import partialmethod
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from random_clip import save_random_clip
from random_coco import write_random_coco

from sra.commands.extract_text import extract_text
from sra.commands.finish_text import finish_text
from sra.commands.index_captions import index_captions
from sra.commands.train import train
from sra.core.errors import InputError
from sra.core.files import sha256_of_file
from sra.core.receipts import read_receipt
from sra.data.captions import CaptionedSplit, drawn_captions
from sra.data.store import ArrayStore, shard_path, write_manifest, write_shard
from sra.encoders.text import TextEncoder
from sra.spec.machine import Machine
from sra.spec.run import write_run
from sra.spec.scale import Text
from sra.training.conditions import StoredCaptions, first_captions_of
from sra.training.distributed import World
from sra.training.inputs import Inputs, online_captions
from sra.training.setup import set_up

CPU = torch.device("cpu")
IMAGES = {"train": 20, "val": 4}
TEXT = Text(tokens=24, width=16)


@pytest.fixture(scope="module")
def captioned(tmp_path_factory):
    """Index, encoder, and stores of text, latents and features of twenty captioned images."""
    folder = tmp_path_factory.mktemp("coco")
    index_captions(write_random_coco(folder / "coco", IMAGES), 32, folder / "index.json", IMAGES["train"], IMAGES["val"])
    encoder = str(save_random_clip(folder / "clip", tokens=TEXT.tokens, text_width=TEXT.width))
    shards = [folder / f"text_{number}.npy" for number in range(2)]
    for number, shard in enumerate(shards):
        extract_text(folder / "index.json", encoder, number, 2, shard, device="cpu")
    finish_text(folder / "index.json", encoder, folder / "text.json", shards)
    random = np.random.default_rng(0)
    moments = random.standard_normal((IMAGES["train"], 8, 8, 8)).astype(np.float32)
    moments[:, 4:] = 0.1
    stores = {}
    for kind, rows in {"latents": moments, "features": random.standard_normal((IMAGES["train"], 16, 12)).astype(np.float32)}.items():
        shard = shard_path(folder / kind, kind, 0, 1)
        inputs = {"index": folder / "index.json"}
        write_shard(shard, kind, range(len(rows)), [rows], inputs)
        write_manifest(folder / kind / "store.json", kind, [shard], np.zeros(len(rows), dtype=np.int64), inputs, scaling_factor=1.0)
        stores[kind] = ArrayStore.open(folder / kind / "store.json", kind)
    text = ArrayStore.open(folder / "text.json", "text")
    return SimpleNamespace(folder=folder, index=folder / "index.json", encoder=encoder, text=text, **stores)


@pytest.fixture
def small_run(tiny_run):
    """A tiny MMDiT for the encoder above."""

    def make(run="mmdit", **changes):
        spec = tiny_run(run, **changes)
        return spec.model_copy(update={"model": spec.model.model_copy(update={"text": TEXT})})

    return make


@pytest.fixture
def trainer(small_run, captioned):
    def make(run="mmdit", online=False, machine=Machine(), **changes):
        spec = small_run(run, **changes)
        inputs = Inputs(captioned.latents.manifest, captions=captioned.index, text_encoder=captioned.encoder)
        captions = online_captions(inputs, CPU) if online else StoredCaptions(captioned.text)
        return set_up(spec, captioned.latents, captioned.features if spec.encoder else None, CPU, machine, captions=captions)

    return make


def test_a_step_is_told_a_caption_of_each_of_its_images_or_the_empty_one(trainer, captioned):
    run = trainer()
    split, encoder = CaptionedSplit(captioned.index, "train"), TextEncoder.load(captioned.encoder)
    known = {caption: encoder.encode([caption])[0] for caption in {*split.flat_captions, ""}}
    means, dropped = captioned.latents.rows(np.arange(IMAGES["train"]))[:, :4], 0
    for step in range(20):
        batch = run.batch(step)
        for latents, told in zip(batch.noisy.latents, batch.noisy.condition, strict=True):
            image = int(np.abs(means - latents.numpy()).mean(axis=(1, 2, 3)).argmin())
            says = [caption for caption, features in known.items() if torch.allclose(features, told, atol=1e-5)]
            assert len(says) == 1
            dropped += says == [""]
            assert says[0] in {"", *split.captions[image]}
    assert 4 <= dropped <= 32  # 160 draws at 0.1


def test_captions_are_a_function_of_seed_and_step_and_not_of_the_processes(trainer):
    whole = trainer().batches.at(3)
    batches = trainer().batches
    shares = [type(batches)(batches.spec, batches.latents, batches.conditions, None, batches.process, World(rank, 4)).at(3) for rank in range(4)]
    assert torch.equal(whole.noisy.condition, torch.cat([share.noisy.condition for share in shares]))
    assert not torch.equal(whole.noisy.condition, trainer().batches.at(4).noisy.condition)
    assert not torch.equal(whole.noisy.condition, trainer(training={"seed": 1}).batches.at(3).noisy.condition)


def test_the_three_methods_are_told_the_same(trainer):
    first, *others = (trainer(run).batch(2).noisy for run in ("mmdit", "mmdit_repa", "mmdit_sra"))
    for other in others:
        for name in ("latents", "noise", "timestep", "condition"):
            assert torch.equal(getattr(first, name), getattr(other, name))


def test_encoding_in_each_step_equals_the_store(trainer):
    stored, online = trainer(), trainer(online=True)
    assert online.batch(1).noisy.condition.dtype == torch.int64
    assert torch.allclose(online._encoded(online.batch(1)).noisy.condition, stored.batch(1).noisy.condition, atol=1e-5)
    for run in (stored, online):
        run.train(10)
    assert online.state.curve[0]["loss"] == pytest.approx(stored.state.curve[0]["loss"], rel=1e-5)
    for name, tensor in stored.state.tensors().items():
        assert torch.allclose(online.state.tensors()[name], tensor, atol=1e-5), name


@pytest.mark.parametrize("run", ["mmdit", "mmdit_repa", "mmdit_sra"])
def test_segments_equal_one_run_bit_for_bit(run, trainer, tmp_path):
    whole = trainer(run)
    whole.train(7)
    for until in (3, 7):
        part = trainer(run)
        if until > 3:
            part.state.restore(tmp_path / "state.safetensors")
        part.train(until)
        part.state.save(tmp_path / "state.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(whole.state.tensors().values(), part.state.tensors().values(), strict=True))


def test_parts_of_a_batch_add_up_to_it(trainer):
    whole, parts = trainer("mmdit_sra"), trainer("mmdit_sra", machine=Machine(micro_batch=2))
    for run in (whole, parts):
        run.train(3)
    for name, tensor in whole.state.tensors().items():
        assert torch.allclose(parts.state.tensors()[name], tensor, rtol=1e-3, atol=2e-5), name


def test_the_loss_falls_and_the_caption_is_read(trainer):
    run = trainer("mmdit_sra", training={"learning_rate": 4e-3})
    run.train(60)
    losses = [entry["generation"] for entry in run.state.curve]
    assert losses[-1] < losses[0]
    # Four images are learnt by heart: with another's caption each is worse.
    few = trainer("mmdit_sra", training={"learning_rate": 4e-3, "batch": 4})
    first = few.batches.at(0)
    few.batches.at = lambda step: first
    few.train(150)
    batch = few.batch(0).noisy
    with torch.no_grad():
        right, wrong = (
            few.objective.process.loss(few.state.model(batch.noisy, batch.timestep, condition)[0], batch).mean()
            for condition in (batch.condition, batch.condition.roll(1, 0))
        )
    assert wrong > 1.1 * right


def test_a_state_names_what_it_was_told(trainer, captioned, tmp_path):
    stored, online = trainer(), trainer(online=True)
    for run, roles in (
        (stored, {"latents", "text", "text_encoder"}),
        (online, {"latents", "captions", "text_encoder", "text_encoder_config", "text_tokenizer"}),
    ):
        run.state.save(tmp_path / "state.safetensors")
        made_from = read_receipt(tmp_path / "state.safetensors", "training state")["made_from"]
        assert set(made_from) == roles
    assert made_from["captions"] == sha256_of_file(captioned.index)
    assert made_from["text_encoder"] == stored.conditions.hashes["text_encoder"]
    with pytest.raises(InputError, match="was trained on other"):
        stored.state.restore(tmp_path / "state.safetensors")


def test_the_rows_of_an_image_are_found_in_the_store(captioned):
    split = CaptionedSplit(captioned.index, "train")
    assert np.array_equal(first_captions_of(captioned.text), split.first_captions)
    drawn = np.concatenate([drawn_captions(0, step, np.arange(20), split.first_captions) for step in range(50)])
    assert set(drawn) == set(range(len(split.flat_captions)))


def test_the_stage_trains_on_either(small_run, captioned, tmp_path):
    write_run(tmp_path / "config.json", small_run())
    for name, given in (
        ("text", {"text": captioned.text.manifest}),
        ("captions", {"captions": captioned.index, "text_encoder": captioned.encoder}),
    ):
        state = tmp_path / f"{name}.safetensors"
        train(tmp_path / "config.json", captioned.latents.manifest, 2, state, tmp_path / "curve.jsonl", **given, device="cpu")
        assert read_receipt(state, "training state")["facts"]["step"] == 2


@pytest.mark.parametrize(
    ("run", "given", "says"),
    [
        ("mmdit", (), "run mmdit: needs the captions by scenes_clip; give --text STORE.json, or --captions INDEX.json and --text-encoder"),
        ("mmdit", ("captions",), "--captions and --text-encoder go together; give both, or --text"),
        ("mmdit", ("text_encoder",), "--captions and --text-encoder go together"),
        ("mmdit", ("text", "captions", "text_encoder"), "--text and --captions are two ways to the same thing; give one"),
        ("sit_b2", ("captions", "text_encoder"), "run sit_b2: is told classes, not captions; leave out --captions and --text-encoder"),
        ("sit_b2", ("text",), "run sit_b2: is told classes, not captions; leave out"),
    ],
)
def test_half_or_double_or_needless_options_are_refused(run, given, says, small_run, tiny_run, captioned, tmp_path):
    write_run(tmp_path / "config.json", small_run() if run == "mmdit" else tiny_run(run))
    paths = {"text": captioned.text.manifest, "captions": captioned.index, "text_encoder": captioned.encoder}
    inputs = {name: paths[name] for name in given}
    with pytest.raises(InputError, match=says):
        train(tmp_path / "config.json", captioned.latents.manifest, 2, tmp_path / "s", tmp_path / "c", **inputs)


def test_features_of_another_shape_are_refused(tiny_run, captioned, tmp_path):
    write_run(tmp_path / "config.json", tiny_run("mmdit"))  # 24 x 64, as the preset says
    for given, says in (
        ({"text": captioned.text.manifest}, r"captions are \(24, 16\), run mmdit needs \(24, 64\); encode them with the text encoder of its preset"),
        ({"captions": captioned.index, "text_encoder": captioned.encoder}, r"encodes a caption as \(24, 16\), run mmdit needs \(24, 64\)"),
    ):
        with pytest.raises(InputError, match=says):
            train(tmp_path / "config.json", captioned.latents.manifest, 2, tmp_path / "s", tmp_path / "c", **given, device="cpu")


def test_captions_of_other_images_are_refused(small_run, captioned, tmp_path):
    other = {"train": 12, "val": 4}
    index_captions(write_random_coco(tmp_path / "coco", other), 32, tmp_path / "index.json", other["train"], other["val"])
    extract_text(tmp_path / "index.json", captioned.encoder, 0, 1, tmp_path / "text.npy", device="cpu")
    finish_text(tmp_path / "index.json", captioned.encoder, tmp_path / "text.json", [tmp_path / "text.npy"])
    write_run(tmp_path / "config.json", small_run())
    for given, says in (
        ({"text": tmp_path / "text.json"}, "captions of 12 images of split train, run mmdit trains on 20 of split train"),
        ({"captions": tmp_path / "index.json", "text_encoder": captioned.encoder}, "is another index of images than .* was made from"),
    ):
        with pytest.raises(InputError, match=says):
            train(tmp_path / "config.json", captioned.latents.manifest, 2, tmp_path / "s", tmp_path / "c", **given, device="cpu")


@pytest.mark.slow
def test_two_processes_train_as_one_in_two_parts(small_run, captioned, tmp_path):
    """Every parameter has a gradient, the last block's text half among them, or processes would wait for each other."""
    write_run(tmp_path / "config.json", small_run("mmdit_sra"))
    states = []
    for options in (["--processes", "2"], ["--micro-batch", "4"]):
        states.append(tmp_path / f"{options[1]}.safetensors")
        command = [sys.executable, "-m", "sra", "train", tmp_path / "config.json", "--latents", captioned.latents.manifest, "--until", 3, *options]
        outputs = ["--state", states[-1], "--curve", tmp_path / "curve.jsonl", "--device", "cpu", "--text", captioned.text.manifest]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(list(map(str, [*command, *outputs])), env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert states[0].read_bytes() == states[1].read_bytes()


def test_traced_blocks_train_the_same(small_run, captioned, monkeypatch):
    """One block with a text half and the last without, up to the code that a compiler makes of them (test_machine.py)."""
    monkeypatch.setattr(torch.nn.Module, "compile", partialmethod(torch.nn.Module.compile, backend="aot_eager"))
    spec = small_run()
    spec = spec.model_copy(update={"model": spec.model.model_copy(update={"depth": 2})})
    plain, compiled = (
        set_up(spec, captioned.latents, None, CPU, Machine(compile=on), captions=StoredCaptions(captioned.text)) for on in (False, True)
    )
    for run in (plain, compiled):
        run.train(3)
    for name, tensor in plain.state.tensors().items():
        assert (compiled.state.tensors()[name] - tensor).abs().max() < 1e-3, name


def test_both_streams_stay_float32_where_products_do_not(trainer):
    run, seen = trainer(training={"precision": "bf16"}), []
    for block in run.state.model.blocks:
        block.register_forward_pre_hook(lambda module, inputs: seen.extend(tensor.dtype for tensor in inputs[:2]))
    products = []
    run.state.model.blocks[0].text.mlp.register_forward_hook(lambda module, inputs, output: products.append(output.dtype))
    run.train(1)
    assert set(seen) == {torch.float32}
    assert set(products) == {torch.bfloat16}


def test_a_gpu_trains_in_half_precision(small_run, captioned):
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    spec, gpu = small_run("mmdit_sra", training={"precision": "fp16"}), torch.device("cuda")
    inputs = Inputs(captioned.latents.manifest, captions=captioned.index, text_encoder=captioned.encoder)
    stored = set_up(spec, captioned.latents, None, gpu, captions=StoredCaptions(captioned.text))
    online = set_up(spec, captioned.latents, None, gpu, captions=online_captions(inputs, gpu))
    for run in (stored, online):
        run.train(20)
    losses = [[entry["loss"] for entry in run.state.curve] for run in (stored, online)]
    assert losses[0] == pytest.approx(losses[1], rel=2e-2)
