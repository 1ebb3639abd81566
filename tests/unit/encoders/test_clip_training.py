"""The small CLIP on the simplest scenes that need order: two flat colours, left and right. What it saves is read by transformers itself."""

import json
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, CLIPModel, CLIPProcessor, CLIPTokenizer
from typer.testing import CliRunner

from sra.commands import app
from sra.core.errors import InputError
from sra.core.files import write_json
from sra.core.receipts import read_receipt, recorded_sha256, write_receipt
from sra.data.captions import annotation_path, write_caption_index
from sra.data.scenes import write_scenes
from sra.encoders import clip_training
from sra.encoders.clip_training import ClipTraining, retrieval, small_tokenizer, train_clip
from sra.encoders.image_text import image_text_scores
from sra.encoders.text import TextEncoder

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255), "black": (0, 0, 0)}
SHORT = ClipTraining(steps=3, batch=16)


def flat_scenes(repeats):
    """Every ordered pair of colours, 16 x 16 pixels, with two wordings each: images (25 * repeats, 16, 16, 3) uint8 and captions."""
    images, captions = [], []
    for left, right in list(product(COLOURS, COLOURS)) * repeats:
        image = np.empty((16, 16, 3), np.uint8)
        image[:, :8], image[:, 8:] = COLOURS[left], COLOURS[right]
        images.append(image)
        captions.append([f"a {left} left of a {right}", f"on the right {right}, on the left {left}"])
    return np.stack(images), captions


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    images, captions = flat_scenes(4)
    return train_clip(torch.from_numpy(images), captions, folder, seed=0, training=ClipTraining(steps=150, batch=25)), folder


def test_each_image_finds_its_own_caption(trained):
    images, captions = flat_scenes(1)
    found = retrieval(trained[0], images, captions, scenes=25)
    assert found.accuracy > 0.95
    assert (found.scenes, found.trials) == (25, 50)


def test_left_and_right_matter(trained):
    images, captions = flat_scenes(1)
    pairs = [(number, 5 * (number % 5) + number // 5) for number in range(25) if number % 5 != number // 5]
    own, swapped = ([captions[pair[side]][0] for pair in pairs] for side in (0, 1))
    shown = images[[number for number, _ in pairs]]
    assert (image_text_scores(trained[0], shown, own) > image_text_scores(trained[0], shown, swapped) + 5).float().mean() > 0.9


def test_retrieval_of_an_untrained_model_is_chance(tmp_path):
    images, captions = flat_scenes(4)
    model = train_clip(torch.from_numpy(images), captions, tmp_path, seed=0, training=ClipTraining(steps=1, batch=16, learning_rate=1e-6))
    assert retrieval(model, *flat_scenes(1), scenes=25).accuracy < 0.3


def test_groups_never_hold_a_caption_twice(trained):
    images, captions = flat_scenes(1)
    found = retrieval(trained[0], images.repeat(2, axis=0), [caption for caption in captions for _ in range(2)], scenes=20)
    assert found.accuracy > 0.95  # of two equal captions the first would win
    # Of 50 images 25 differ, so two groups of 20 can be made and what is left is too few for a third.
    assert (found.scenes, found.trials) == (20, 2 * 20 * 2)


def test_transformers_reads_the_folder_without_us(trained):
    model, folder = trained
    images, captions = flat_scenes(1)
    first = [caption[0] for caption in captions]
    processor = CLIPProcessor.from_pretrained(folder, backend="pil")
    inputs = processor(text=first, images=list(images), padding="max_length", truncation=True, max_length=24, return_tensors="pt")
    with torch.no_grad():
        logits = CLIPModel.from_pretrained(folder).eval()(**inputs).logits_per_image
    assert torch.allclose(logits.diagonal(), image_text_scores(model, images, first, "pick_score"), atol=1e-3)
    assert AutoTokenizer.from_pretrained(folder)(first)["input_ids"] == CLIPTokenizer.from_pretrained(folder)(first)["input_ids"]


def test_it_is_a_text_encoder_too(trained):
    encoder = TextEncoder.load(trained[1])
    assert encoder.encode(["a red left of a blue", "zebras!"]).shape == (2, 24, 64)
    assert encoder.truncated([caption for of_image in flat_scenes(1)[1] for caption in of_image]) == 0


def test_every_known_word_is_one_token_and_others_are_letters():
    tokenizer = small_tokenizer([["a red three left of a blue five", "on the left, three"], ["five is right"]])
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("Five left, of zoo")["input_ids"])
    assert tokens == ["<|startoftext|>", "five</w>", "left</w>", ",</w>", "of</w>", "z", "o", "o</w>", "<|endoftext|>"]
    assert tokenizer.eos_token_id == len(tokenizer) - 1
    # No byte is unknown.
    assert tokenizer.decode(tokenizer("größe 🙂")["input_ids"], skip_special_tokens=True) == "größe 🙂"


def test_the_vocabulary_is_the_same_in_every_process():
    captions = [["a red three left of a blue five", "seven and eight and nine"]]
    code = f"from sra.encoders.clip_training import small_tokenizer; print(small_tokenizer({captions}).backend_tokenizer.to_str())"
    elsewhere = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert elsewhere == json.loads(small_tokenizer(captions).backend_tokenizer.to_str())
    assert elsewhere["model"]["merges"]


def test_same_seed_same_bytes(tmp_path):
    images, captions = flat_scenes(1)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train_clip(torch.from_numpy(images), captions, tmp_path / name, seed, SHORT)
    read = {name: {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in "abc"}
    assert read["a"] == read["b"]
    assert read["a"]["model.safetensors"] != read["c"]["model.safetensors"]
    assert set(read["a"]) >= {"config.json", "model.safetensors", "tokenizer.json"}


def test_what_cannot_be_trained_on_is_refused(tmp_path):
    images, captions = flat_scenes(1)
    with pytest.raises(InputError, match="25 images and captions of 24; give every image one or more"):
        train_clip(torch.from_numpy(images), [*captions[:-1], []], tmp_path, 0, SHORT)
    with pytest.raises(InputError, match="a batch of 128 from 25 images"):
        train_clip(torch.from_numpy(images), captions, tmp_path, 0)
    with pytest.raises(InputError, match="a caption has 34 tokens, the small CLIP takes 24; shorten it"):
        train_clip(torch.from_numpy(images), [["red " * 32]] * 25, tmp_path, 0, SHORT)
    with pytest.raises(ValueError, match="expected uint8 images"):
        train_clip(torch.from_numpy(images) / 255, captions, tmp_path, 0, SHORT)
    assert not list(tmp_path.iterdir())


def test_the_stage_trains_on_one_split_and_reports_the_other(tmp_path, monkeypatch):
    root, index = tmp_path / "scenes", tmp_path / "index.json"
    write_scenes(root, 0)
    for split, count in (("train", 48), ("val", 30)):
        content = json.loads(annotation_path(root, split).read_text())
        kept = content["images"][:count]
        write_json(annotation_path(root, split), content | {"images": kept, "annotations": content["annotations"][: 5 * count]})
    write_caption_index(root, index, 32, {"train": 48, "val": 30})
    write_receipt(index, "index")
    seen, train = [], clip_training.train_clip

    def shortly(images, captions, *others):
        seen.append((len(images), len(captions)))
        return train(images, captions, *others, training=SHORT)

    monkeypatch.setattr(clip_training, "train_clip", shortly)
    done = CliRunner().invoke(app, ["train-clip", "--index", str(index), "--output", str(tmp_path / "clip"), "--seed", "3"])
    assert done.exit_code == 0, done.exception
    assert seen == [(48, 48)]
    receipt = read_receipt(tmp_path / "clip" / "model.safetensors", "clip")
    facts = receipt["facts"]
    assert (facts["held_out_scenes"], facts["held_out_trials"], facts["seed"]) == (30, 150, 3)
    assert 0 <= facts["held_out_retrieval"] < 0.4  # hardly trained
    assert receipt["made_from"]["index"] == recorded_sha256(index)
