"""Training of the small CLIP that stands for CLIP ViT-L/14 and PickScore on captioned digits: a tokenizer, a text and a vision tower.

Source: Radford et al. 2021 (arXiv 2103.00020), section 2.3: symmetric cross-entropy over the cosines of a batch's images and captions.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sra.core.errors import InputError
from sra.core.progress import Progress
from sra.core.seeds import derive_seed
from sra.encoders.folders import refuse_diverged, reproducible_training, saved_whole
from sra.encoders.image_text import ImageTextModel
from sra.encoders.pixels import require_uint8_images
from sra.encoders.text import WEIGHTS, quiet, token_ids

if TYPE_CHECKING:
    from transformers import CLIPModel, CLIPTokenizer

TOKENS = 24  # of a caption; the digits' longest have fewer
START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"
FIRST_SCALE, LARGEST_SCALE = 20.0, 100.0  # of the cosines; the first is 14.3 in the paper, the largest the same (section 2.5)
EMBEDDING_STD = 0.3


@dataclass(frozen=True)
class ClipTraining:
    """How the small CLIP is trained. The defaults take 45 s on one core for 32 x 32 scenes.

    Large batches matter, being what an image must be told apart from; with larger learning rates accuracy varies between seeds.
    """

    steps: int = 600
    batch: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 0.01


def train_clip(images: Tensor, captions: list[list[str]], folder: Path, seed: int, training: ClipTraining = ClipTraining()) -> ImageTextModel:
    """Train a small CLIP on images (N, S, S, 3) uint8 and the captions of each, save it to `folder` and load it back as any other.

    Same images, captions and seed give the same bytes. The folder is what `TextEncoder.load` and `ImageTextModel.load` read, and
    transformers itself.
    """
    from transformers import CLIPImageProcessorPil, CLIPProcessor  # seconds to import

    require_uint8_images(images)
    if len(images) != len(captions) or not all(captions):
        raise InputError(f"small CLIP: {len(images)} images and captions of {sum(map(bool, captions))}; give every image one or more")
    if training.batch > len(images):
        raise InputError(f"small CLIP: a batch of {training.batch} from {len(images)} images; give more images")
    tokenizer = small_tokenizer(captions)
    size = {"height": images.shape[1], "width": images.shape[2]}
    processor = CLIPImageProcessorPil(size=size, crop_size=size, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    longest = max(len(ids) for ids in tokenizer([caption for of_image in captions for caption in of_image], verbose=False)["input_ids"])
    if longest > TOKENS:
        raise InputError(f"small CLIP: a caption has {longest} tokens, the small CLIP takes {TOKENS}; shorten it")
    with reproducible_training(derive_seed(seed, "clip")) as generator:
        network = small_network(tokenizer, images.shape[1])
        _fit(network.train(), images, captions, tokenizer, training, generator)
        refuse_diverged(network, "CLIP")
    with saved_whole(folder, WEIGHTS) as temporary:
        with quiet():
            network.save_pretrained(temporary)
        CLIPProcessor(processor, tokenizer).save_pretrained(temporary)
    return ImageTextModel.load(folder)


def small_tokenizer(captions: list[list[str]]) -> "CLIPTokenizer":
    """CLIP's tokenizer with byte pairs learned on the captions until every word of them is one token; other words fall into letters."""
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.trainers import BpeTrainer
    from transformers import CLIPTokenizer  # seconds to import

    letters = sorted(ByteLevel.alphabet())
    known = [*letters, *(letter + WORD_END for letter in letters)]
    learned = CLIPTokenizer(vocab={token: number for number, token in enumerate([*known, START, END])}, merges=[]).backend_tokenizer
    # Given as special tokens, letters have their numbers before any word is looked at; the trainer would number them in no fixed order.
    trainer = BpeTrainer(vocab_size=2**15, min_frequency=1, special_tokens=known, end_of_word_suffix=WORD_END, show_progress=False)
    learned.train_from_iterator((caption for of_image in captions for caption in of_image), trainer)
    model = json.loads(learned.to_str())["model"]
    vocabulary = dict(model["vocab"])
    vocabulary |= {token: len(vocabulary) + number for number, token in enumerate((START, END))}
    return CLIPTokenizer(vocab=vocabulary, merges=[tuple(pair) for pair in model["merges"]], model_max_length=TOKENS)


def small_network(tokenizer: "CLIPTokenizer", image_size: int) -> "CLIPModel":
    """Two transformers of two layers and width 64, patches of 8 pixels. Initialised from torch's global generator."""
    from transformers import CLIPConfig, CLIPModel  # seconds to import

    tower = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "projection_dim": 64}
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    text = tower | ends | {"vocab_size": len(tokenizer), "max_position_embeddings": TOKENS}
    vision = tower | {"image_size": image_size, "patch_size": 8}
    network = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=64, logit_scale_init_value=math.log(FIRST_SCALE)))
    # CLIP's own deviation of 0.02 is for long training; with it, hundreds of steps pass before words and places matter.
    words, places = network.text_model.embeddings, network.vision_model.embeddings
    for embedding in (words.token_embedding, words.position_embedding, places.position_embedding):
        nn.init.normal_(embedding.weight, std=EMBEDDING_STD)
    nn.init.kaiming_normal_(places.patch_embedding.weight)
    return network


def _fit(
    network: "CLIPModel",
    images: Tensor,
    captions: list[list[str]],
    tokenizer: "CLIPTokenizer",
    training: ClipTraining,
    generator: torch.Generator,
) -> None:
    pixels = images.permute(0, 3, 1, 2).float() / 127.5 - 1  # the processor's mean and std are 0.5
    ids = token_ids(tokenizer, [caption for of_image in captions for caption in of_image], TOKENS)
    ids = ids[:, : int((ids == tokenizer.eos_token_id).int().argmax(1).max()) + 1]  # what follows the longest caption's end is never read
    counts = torch.tensor([len(of_image) for of_image in captions])
    first = counts.cumsum(0) - counts
    optimizer = torch.optim.AdamW(network.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, training.learning_rate, total_steps=training.steps, pct_start=0.1)
    target = torch.arange(training.batch)
    with Progress("train CLIP", training.steps, "steps") as progress:
        for _ in range(training.steps):
            batch = torch.randperm(len(pixels), generator=generator)[: training.batch]
            drawn = first[batch] + (torch.rand(training.batch, generator=generator) * counts[batch]).long()
            logits = network(input_ids=ids[drawn], pixel_values=pixels[batch]).logits_per_image
            loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                network.logit_scale.clamp_(max=math.log(LARGEST_SCALE))
            progress.advance(loss=loss.item())


@dataclass(frozen=True)
class Retrieval:
    """accuracy: share of images whose own caption has the highest cosine among those of `scenes` different scenes.  trials: images asked."""

    accuracy: float
    scenes: int
    trials: int


def retrieval(model: ImageTextModel, images: np.ndarray, captions: list[list[str]], scenes: int = 100) -> Retrieval:
    """Image to caption, over groups of `scenes` images (N, S, S, 3) uint8 no two of which share a caption, once for each wording."""
    groups = _groups(captions, min(scenes, len(images)))
    hits = []
    for group in groups:
        seen = model.image_features(images[group])
        for wording in range(max(len(captions[image]) for image in group)):
            asked = [captions[image][wording % len(captions[image])] for image in group]
            hits.append((seen @ model.text_features(asked).T).argmax(1) == torch.arange(len(group)))
    found = torch.cat(hits).double()
    return Retrieval(float(found.mean()), len(groups[0]), len(found))


def _groups(captions: list[list[str]], size: int) -> list[list[int]]:
    """Images in order, in groups whose captions all differ; an image that a group has already waits for the next."""
    groups: list[list[int]] = []
    waiting = list(range(len(captions)))
    while True:
        group, known, left = [], set(), []
        for image in waiting:
            if len(group) < size and known.isdisjoint(captions[image]):
                group.append(image)
                known.update(captions[image])
            else:
                left.append(image)
        if len(group) < size and groups:
            return groups
        groups.append(group)
        if len(group) < size:
            return groups
        waiting = left
