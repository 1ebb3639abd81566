"""The wrapper against transformers' own calls on random weights, and captions through the stage: stored rows are what the encoder says."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from random_clip import WORDS, save_random_clip
from safetensors.torch import load_file, save_file
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer
from typer.testing import CliRunner

from sra.commands import app
from sra.commands.extract_text import extract_text
from sra.commands.finish_text import finish_text
from sra.core.errors import InputError
from sra.core.receipts import read_receipt, write_receipt
from sra.data.captions import write_caption_index
from sra.data.store import ArrayStore, shard_path
from sra.encoders.text import TextEncoder

CAPTIONS = [*WORDS, "", "zebras"]
LONG = "red " * 100


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_random_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return save_random_clip(tmp_path_factory.mktemp("small"), tokens=16, text_width=8, ends_as_openai=False)


def copied(folder, to, *left_out):
    shutil.copytree(folder, to, ignore=shutil.ignore_patterns(*left_out))
    return to


def test_features_are_the_last_hidden_state_of_every_position(folder):
    """As U-ViT and REPA ask for them: all 77 tokens, normalised, without an attention mask."""
    tokenizer, network = CLIPTokenizer.from_pretrained(folder), CLIPModel.from_pretrained(folder).eval()
    ids = tokenizer(CAPTIONS, truncation=True, max_length=77, padding="max_length", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        expected = network.text_model(input_ids=ids).last_hidden_state
    encoder = TextEncoder.load(folder)
    found = encoder.encode(CAPTIONS)
    assert (encoder.tokens, encoder.width) == (77, 768)
    assert found.shape == (4, 77, 768)
    assert found.dtype == torch.float32
    assert torch.allclose(found, expected, atol=1e-6)
    # Layer norm with its initial affine: the final norm has been applied.
    assert torch.allclose(found.square().mean(-1), torch.ones(4, 77), atol=1e-2)
    # Padding is a token like the others, and so differs from place to place.
    assert not torch.allclose(found[2, 10], found[2, 60], atol=1e-3)


def test_a_saved_text_tower_alone_gives_the_same(folder, tmp_path):
    CLIPTextModel.from_pretrained(folder).save_pretrained(tmp_path)
    CLIPTokenizer.from_pretrained(folder).save_pretrained(tmp_path)
    whole, tower = TextEncoder.load(folder), TextEncoder.load(tmp_path)
    assert torch.equal(whole.encode(CAPTIONS), tower.encode(CAPTIONS))
    assert whole.sha256() == tower.sha256()


def test_vocabulary_and_merges_stand_for_a_tokenizer_json(folder, tmp_path):
    other = copied(folder, tmp_path / "clip", "tokenizer.json")
    model = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = model["model"]["vocab"] | {token["content"]: token["id"] for token in model["added_tokens"]}
    (other / "vocab.json").write_text(json.dumps(vocabulary))
    (other / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(pair) for pair in model["model"]["merges"]) + "\n")
    assert torch.equal(TextEncoder.load(other).encode(CAPTIONS), TextEncoder.load(folder).encode(CAPTIONS))


def test_the_empty_caption_is_a_start_and_ends(small):
    encoder = TextEncoder.load(small)
    ids = torch.full((1, 16), encoder.tokenizer.eos_token_id)
    ids[0, 0] = encoder.tokenizer.bos_token_id
    assert torch.equal(encoder.null, encoder.network(input_ids=ids).last_hidden_state[0])
    assert encoder.null.shape == (16, 8)
    assert torch.allclose(encoder.null, encoder.encode(["a red three", ""])[1], atol=1e-6)


def test_long_captions_are_cut_and_counted(small):
    encoder = TextEncoder.load(small)
    just = "red " * 14  # with start and end 16
    assert encoder.truncated([just, just + "red", LONG, ""]) == 2
    assert encoder.truncated([]) == 0
    assert torch.equal(encoder.encode([LONG]), encoder.encode([just]))
    assert not torch.equal(encoder.encode([just]), encoder.encode(["red " * 13]))


@pytest.mark.parametrize("kind", [CLIPModel, CLIPTextModel])
def test_weights_stored_in_half_precision_are_computed_in_full(small, tmp_path, kind):
    half = copied(small, tmp_path / "half")
    kind.from_pretrained(small).half().save_pretrained(half)
    encoder = TextEncoder.load(half)
    assert encoder.network.dtype == torch.float32
    assert encoder.encode(CAPTIONS).dtype == torch.float32


def test_nothing_in_it_trains(small):
    encoder = TextEncoder.load(small)
    assert not encoder.network.training
    assert not encoder.encode(CAPTIONS).requires_grad
    assert not any(parameter.requires_grad for parameter in encoder.network.parameters())


def test_the_precision_around_it_changes_nothing(small):
    encoder = TextEncoder.load(small)
    before, exact = torch.backends.cuda.matmul.fp32_precision, encoder.encode(CAPTIONS)
    try:
        torch.backends.cuda.matmul.fp32_precision = "tf32"
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(encoder.encode(CAPTIONS), exact)
        assert torch.backends.cuda.matmul.fp32_precision == "tf32"
    finally:
        torch.backends.cuda.matmul.fp32_precision = before


def test_loading_says_nothing_and_leaves_settings_alone(small, capfd):
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    TextEncoder.load(small)
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_what_is_missing_is_named(small, tmp_path):
    with pytest.raises(
        InputError, match=r"none: no such folder; fetch config\.json, model\.safetensors .* put them in downloads/clip-vit-large-patch14$"
    ):
        TextEncoder.load(tmp_path / "none")
    for number, file in enumerate(("config.json", "model.safetensors", "tokenizer.json")):
        with pytest.raises(InputError, match=rf"{file} is missing; fetch .* and put them in .*{number}$"):
            TextEncoder.load(copied(small, tmp_path / str(number), file))


def test_pickled_weights_are_not_an_alternative(small, tmp_path):
    pickled = copied(small, tmp_path / "clip", "model.safetensors")
    torch.save(load_file(small / "model.safetensors"), pickled / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"model\.safetensors is missing"):
        TextEncoder.load(pickled)


def test_weights_that_are_not_all_there_are_refused(small, tmp_path):
    """transformers would draw them at random."""
    partial = copied(small, tmp_path / "clip")
    weights = load_file(small / "model.safetensors")
    del weights["text_model.final_layer_norm.weight"]
    save_file(weights, partial / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"model\.safetensors lacks final_layer_norm\.weight, so it is no CLIPTextModel; fetch"):
        TextEncoder.load(partial)


@pytest.mark.parametrize("text_alone", [True, False], ids=["the text tower", "a whole CLIP"])
def test_names_under_wrappers_give_the_same_features(small, tmp_path, text_alone):
    plain, wrapped = copied(small, tmp_path / "plain"), tmp_path / "wrapped"
    if text_alone:
        TextEncoder.load(small).network.save_pretrained(plain)
    copied(plain, wrapped)
    prefixes = ("module.", "", "_orig_mod.module.")
    tensors = load_file(plain / "model.safetensors")
    save_file({prefixes[number % 3] + name: tensor for number, (name, tensor) in enumerate(tensors.items())}, wrapped / "model.safetensors")
    assert torch.equal(TextEncoder.load(wrapped).encode(list(WORDS)), TextEncoder.load(small).encode(list(WORDS)))
    del tensors[next(name for name in tensors if "text_model" in name or "encoder" in name)]
    save_file({f"module.{name}": tensor for name, tensor in tensors.items()}, wrapped / "model.safetensors")
    with pytest.raises(InputError, match=r"model\.safetensors lacks "):
        TextEncoder.load(wrapped)


def test_a_tokenizer_of_another_model_is_refused(small, tmp_path):
    other = copied(small, tmp_path / "clip")
    (other / "tokenizer.json").unlink()
    (other / "vocab.json").write_text(json.dumps({"a</w>": 0, "<|startoftext|>": 1, "<|endoftext|>": 2}))
    (other / "merges.txt").write_text("#version: 0.2\n")
    with pytest.raises(InputError, match=r"its tokenizer has 3 tokens, its network \d+; fetch"):
        TextEncoder.load(other)


@pytest.mark.parametrize("damaged", ["model.safetensors", "config.json", "tokenizer.json"])
def test_damaged_files_are_refused_in_one_line(small, tmp_path, damaged):
    broken = copied(small, tmp_path / "clip")
    (broken / damaged).write_bytes((small / damaged).read_bytes()[:-100])
    with pytest.raises(InputError, match=r"clip: cannot be loaded \(.*\); fetch") as caught:
        TextEncoder.load(broken)
    assert "\n" not in str(caught.value)


def test_a_name_on_the_hub_is_asked_for_there(small, monkeypatch):
    asked, original = [], CLIPTextModel.from_pretrained

    def from_hub(source, **options):
        """What the hub would answer, without a network."""
        asked.append((source, options["local_files_only"], options["use_safetensors"]))
        if source == "owner/gone":
            raise OSError("owner/gone is not a repository\nwith a second line")
        return original(small, **options)

    monkeypatch.setattr(CLIPTextModel, "from_pretrained", from_hub)
    tokenizer = CLIPTokenizer.from_pretrained(small)
    monkeypatch.setattr(CLIPTokenizer, "from_pretrained", lambda source, **options: tokenizer)
    assert TextEncoder.load("openai/clip-vit-large-patch14").sha256() == TextEncoder.load(str(small)).sha256()
    assert asked == [("openai/clip-vit-large-patch14", False, True), (str(small), True, True)]
    with pytest.raises(InputError, match=r"^owner/gone: cannot be loaded \(owner/gone is not a repository\); fetch .*$"):
        TextEncoder.load("owner/gone")


def test_importing_the_module_does_not_import_transformers():
    code = "import sys, sra.encoders.text, sra.encoders.image_text, sra.encoders.clip_training; sys.exit('transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONWARNINGS": "ignore"}, check=False).returncode == 0


# -- the stage

SUBJECTS = {"train": "three", "val": "seven"}


def write_scenes(root, seed=0):
    """A folder as MS-COCO's with 5 + 2 flat images of one to three captions, and its index."""
    rng = np.random.default_rng(seed)
    for split, count in (("train", 5), ("val", 2)):
        (root / f"{split}2014").mkdir(parents=True)
        images, annotations = [], []
        for number in range(count):
            name = f"{split}_{number}.png"
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(root / f"{split}2014" / name)
            images.append({"id": number, "file_name": name})
            for wording in range(1 + number % 3):
                text = LONG if number == 4 and wording == 0 else f"a {SUBJECTS[split]}{' red' * number}{' and' * wording}"
                annotations.append({"id": len(annotations), "image_id": number, "caption": text})
        (root / "annotations").mkdir(exist_ok=True)
        (root / "annotations" / f"captions_{split}2014.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    write_caption_index(root, root / "index.json", 8, {"train": 5, "val": 2})
    write_receipt(root / "index.json", "index")
    return root / "index.json"


ROWS = 1 + 2 + 3 + 1 + 2 + 1  # the last is the empty caption


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes"))


def extracted(index, encoder, folder, of=1, **options):
    shards = [shard_path(folder, "text", number, of) for number in range(of)]
    for number, shard in enumerate(shards):
        extract_text(index, str(encoder), number, of, shard, **options, device="cpu")
    return shards


def stored(index, encoder, folder, of=1, **options) -> ArrayStore:
    finish_text(index, str(encoder), folder / "store.json", extracted(index, encoder, folder, of, **options))
    return ArrayStore.open(folder / "store.json", "text")


@pytest.mark.parametrize("of", [1, 3])
def test_the_rows_are_the_captions_in_the_order_of_the_index(index, small, tmp_path, of):
    store = stored(index, small, tmp_path, of)
    annotations = json.loads((index.parent / "annotations" / "captions_train2014.json").read_text())["annotations"]
    captions = [annotation["caption"] for annotation in annotations]
    encoder = TextEncoder.load(small)
    assert store.row_shape == (16, 8)
    assert np.allclose(store.rows(np.arange(ROWS)), encoder.encode([*captions, ""]).numpy(), atol=1e-6)
    assert store.labels.tolist() == [annotation["image_id"] for annotation in annotations] + [-1]
    assert np.allclose(store.rows(np.array([store.facts["empty_row"]]))[0], encoder.null.numpy(), atol=1e-6)
    assert store.facts["truncated"] == 1


def test_half_precision_is_stored_rounded(index, small, tmp_path):
    exact, half = (stored(index, small, tmp_path / dtype, dtype=dtype) for dtype in ("fp32", "fp16"))
    rows = np.arange(ROWS)
    assert np.array_equal(half.rows(rows), exact.rows(rows).astype(np.float16).astype(np.float32))
    assert half.dtype == np.float16


@pytest.mark.parametrize(
    ("scale", "dtype", "said"),
    [
        (1e5, "fp16", r"caption '.*': its text reaches \d.*, which fp16 cannot hold; give --dtype fp32"),
        (float("nan"), "fp32", r"caption '.*': its text is not finite in float32"),
    ],
)
def test_what_cannot_be_stored_is_refused(index, small, tmp_path, scale, dtype, said):
    loud = copied(small, tmp_path / "loud")
    weights = load_file(small / "model.safetensors")
    weights["text_model.final_layer_norm.weight"] *= scale
    save_file(weights, loud / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=said):
        extracted(index, loud, tmp_path / "store", dtype=dtype)


def test_a_lost_shard_is_made_again_alone(index, small, tmp_path):
    shards = extracted(index, small, tmp_path, 3)
    before = [shard.read_bytes() for shard in shards]
    shards[1].unlink()
    extract_text(index, str(small), 1, 3, shards[1], device="cpu")
    assert [shard.read_bytes() for shard in shards] == before


def test_shards_of_another_encoder_images_or_split_are_refused(index, small, tmp_path):
    other = save_random_clip(tmp_path / "other", seed=1, tokens=16, text_width=8)
    shards = extracted(index, other, tmp_path / "store")
    with pytest.raises(InputError, match=r"text_000_of_001\.npy: was made from another encoder than .*; delete it and run again"):
        finish_text(index, str(small), tmp_path / "store" / "store.json", shards)
    with pytest.raises(InputError, match=r"was made from another index than"):
        finish_text(write_scenes(tmp_path / "scenes", seed=1), str(other), tmp_path / "store" / "store.json", shards)
    with pytest.raises(InputError, match=r"was made for split train, not val; delete"):
        finish_text(index, str(other), tmp_path / "store" / "store.json", shards, split="val")


def test_another_tokenizer_is_another_encoder(index, small, tmp_path):
    shards = extracted(index, small, tmp_path / "store")
    other = copied(small, tmp_path / "other")
    text = (other / "tokenizer.json").read_text()
    (other / "tokenizer.json").write_text(text + "\n")
    with pytest.raises(InputError, match="was made from another tokenizer than"):
        finish_text(index, str(other), tmp_path / "store" / "store.json", shards)


def test_the_command_line_makes_the_same_store(index, small, tmp_path):
    def sra(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    shards = [shard_path(tmp_path, "text", number, 2) for number in range(2)]
    for number, shard in enumerate(shards):
        options = ("--dtype", "fp16", "--device", "cpu", "--split", "val", "--shard", number, "--shards", 2, "--output", shard)
        done = sra("extract-text", "--index", index, "--encoder", small, *options)
        assert done.exit_code == 0, done.exception
    assert sra("finish-text", "--index", index, "--encoder", small, "--split", "val", "--output", tmp_path / "store.json", *shards).exit_code == 0
    store = ArrayStore.open(tmp_path / "store.json", "text")
    expected = TextEncoder.load(small).encode(["a seven", "a seven red", "a seven red and", ""])
    assert np.array_equal(store.rows(np.arange(4)), expected.half().float().numpy())
    assert read_receipt(tmp_path / "store.json", "text")["facts"]["truncated"] == 0
    refused = sra("extract-text", "--index", index, "--encoder", small, "--dtype", "bf16", "--shard", 0, "--shards", 1, "--output", shards[0])
    assert "unknown dtype 'bf16'" in str(refused.exception)
