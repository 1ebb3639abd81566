"""What each image of a sample set is asked to show: its class, or a caption of the validation images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from sra.core.errors import InputError
from sra.core.receipts import recorded_sha256
from sra.data.captions import CaptionedSplit, sampled_captions
from sra.diffusion.streams import sample_labels
from sra.encoders.text import TextEncoder, text_encoder_hashes
from sra.sampling.trained_model import ConvertedSpec
from sra.spec.run import RunSpec
from sra.spec.samplers import Sampler


class SampleConditions(Protocol):
    """null: the condition of no class or caption, in the shape of one row.  member: what the pack calls `recorded`, of dtype `dtype`.

    hashes: SHA-256 of what they were made from, by role in the shard's receipt.
    """

    null: Tensor
    member: str
    dtype: np.dtype
    hashes: dict[str, str]

    def of(self, indices: Sequence[int]) -> tuple[Tensor, np.ndarray]:
        """Of the images with these indices: (B, ...) as the model reads them, and (B,) as the pack records them."""


class SampledClasses:
    """Classes by the sampler's policy, (B,) int64."""

    member, dtype = "labels", np.dtype(np.int64)

    def __init__(self, spec: RunSpec | ConvertedSpec, sampler: Sampler, device: torch.device):
        beyond = [label for label in sampler.classes or () if label >= spec.model.classes]
        if beyond:
            raise InputError(f"--sampler: class {beyond[0]} does not exist, run {spec.run} has {spec.model.classes} from 0; give others")
        self.sampler, self.device = sampler, device
        self.classes = sampler.classes or range(spec.model.classes)
        self.null = torch.tensor(spec.model.classes, device=device)
        self.hashes: dict[str, str] = {}

    def of(self, indices: Sequence[int]) -> tuple[Tensor, np.ndarray]:
        labels = sample_labels(self.sampler.seed, indices, self.classes, self.sampler.labels)
        return labels.to(self.device), labels.numpy()


class SampledCaptions:
    """Captions of the validation images by the sampler's policy: features (B, L, E) float32, and the texts in UTF-8."""

    member = "captions"

    def __init__(self, spec: RunSpec, sampler: Sampler, count: int, index: Path, text_encoder: str, device: torch.device):
        if sampler.official_seeding:
            raise InputError("--sampler: official_seeding repeats scripts that draw classes; no released script draws captions, so leave it out")
        split = CaptionedSplit(index, "val")
        if sampler.captions == "in_order" and count > len(split):
            raise InputError(
                f"{index}: split val has {len(split)} images, {count} samples of captions in order need as many; draw fewer, or at random"
            )
        self.chosen = sampled_captions(sampler.seed, count, split.first_captions, sampler.captions)
        self.encoder = TextEncoder.load(text_encoder, device)
        self.null = self.encoder.null
        if tuple(self.null.shape) != (spec.model.text.tokens, spec.model.text.width):
            raise InputError(
                f"{text_encoder}: encodes a caption as {tuple(self.null.shape)}, run {spec.run} was trained on "
                f"{(spec.model.text.tokens, spec.model.text.width)}; give the text encoder of its preset"
            )
        self.texts = [caption.encode() for caption in split.flat_captions]
        self.dtype = np.dtype(f"S{max(map(len, self.texts))}")
        encoders = {f"text_{role}": sha256 for role, sha256 in text_encoder_hashes(text_encoder, self.encoder).items()}
        self.hashes = {"captions": recorded_sha256(index)} | encoders

    def of(self, indices: Sequence[int]) -> tuple[Tensor, np.ndarray]:
        texts = [self.texts[self.chosen[index]] for index in indices]
        return self.encoder.encode([text.decode() for text in texts]), np.array(texts, dtype=self.dtype)
