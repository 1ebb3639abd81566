"""How well images match captions, by CLIP models (transformers): CLIP score, PickScore, and the image embeddings of CMMD.

Source: Radford et al. 2021 (CLIP); Hessel et al. 2021 (CLIPScore, which multiplies by 2.5 where the usual scale is 100); Kirstain et al.
2023 (PickScore: yuvalkirstain/PickScore_v1, a fine-tuned CLIP-H, fed by the processor of laion/CLIP-ViT-H-14-laion2B-s32B-b79K); Jayasumana
et al. 2024 (CMMD, cmmd/embedding.py).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sra.core.errors import InputError
from sra.encoders.folders import sha256_of_weights
from sra.encoders.pixels import require_uint8_images
from sra.encoders.text import CONFIG, WEIGHTS, explained, load_network, load_tokenizer, quiet, require_source, token_ids, what_to_fetch

if TYPE_CHECKING:
    from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

ScoreName = Literal["clip_score", "pick_score"]

EXAMPLES: dict[ScoreName, str] = {"clip_score": "openai/clip-vit-large-patch14", "pick_score": "yuvalkirstain/PickScore_v1"}
CMMD_EXAMPLE = "openai/clip-vit-large-patch14-336"
# A model that may come without tokenizer and processor, and the one whose feed it (yuvalkirstain/PickScore: README.md, Inference).
FED_AS = {"yuvalkirstain/PickScore_v1": "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"}
PROCESSORS = ("preprocessor_config.json", "processor_config.json")  # either is enough; the second is how transformers saves one today
BATCH = 64


class ImageTextModel:
    """A frozen CLIP with its tokenizer and image processor. Features are unit vectors of one space."""

    def __init__(self, network: "CLIPModel", tokenizer: "CLIPTokenizer", processor: "CLIPImageProcessorPil"):
        self.network, self.tokenizer, self.processor = network.eval().requires_grad_(False), tokenizer, processor
        self.tokens: int = network.config.text_config.max_position_embeddings
        self.scale = float(network.logit_scale.exp())  # what training multiplied cosines by

    @classmethod
    def load(cls, source: Path | str, device: torch.device | str = "cpu", example: str = EXAMPLES["clip_score"]) -> "ImageTextModel":
        """Load from a folder (config.json, model.safetensors, tokenizer, preprocessor_config.json) or by the hub's owner/name."""
        from transformers import CLIPModel  # seconds to import

        local = require_source(source, (CONFIG, WEIGHTS), example)
        network = load_network(CLIPModel, source, example)
        vocabulary, lender = network.config.text_config.vocab_size, FED_AS.get(example if local else source)
        try:
            fed_by = load_tokenizer(source, vocabulary, example), _load_processor(source, example)
        except InputError as error:
            if lender is None:
                raise
            if local:
                raise InputError(f"{error}; where it has none of the latter, those of {lender} are the right ones") from None
            fed_by = load_tokenizer(lender, vocabulary, lender), _load_processor(lender, lender)
        return cls(network.to(device), *fed_by)

    def sha256(self) -> str:
        return sha256_of_weights(self.network)

    @torch.no_grad()
    def image_features(self, images: np.ndarray) -> Tensor:
        """(B, H, W, 3) uint8 -> (B, E) float32 unit vectors, of images resized, cropped and normalised as the processor's config says."""
        require_uint8_images(torch.from_numpy(images))
        pixels = self.processor(list(images), input_data_format="channels_last", return_tensors="pt")["pixel_values"]
        return self._unit(self.network.get_image_features(pixel_values=pixels.to(self.network.device)).pooler_output)

    @torch.no_grad()
    def cmmd_features(self, images: np.ndarray) -> Tensor:
        """(B, H, W, 3) uint8 -> (B, E) float32 unit vectors, fed as CMMD's code does: a plain bicubic resize of values in [0, 1] to the square."""
        pixels = torch.from_numpy(images)
        require_uint8_images(pixels)
        side = self.network.config.vision_config.image_size
        pixels = F.interpolate(pixels.to(self.network.device).permute(0, 3, 1, 2).float() / 255, (side, side), mode="bicubic")
        mean, std = (torch.tensor(values, device=pixels.device).view(1, 3, 1, 1) for values in (self.processor.image_mean, self.processor.image_std))
        return self._unit(self.network.get_image_features(pixel_values=(pixels - mean) / std).pooler_output)

    @torch.no_grad()
    def text_features(self, captions: list[str]) -> Tensor:
        """B captions -> (B, E) float32 unit vectors. Longer captions are cut. Attention is causal, so padding changes nothing."""
        ids = token_ids(self.tokenizer, captions, self.tokens).to(self.network.device)
        return self._unit(self.network.get_text_features(input_ids=ids).pooler_output)

    @staticmethod
    def _unit(features: Tensor) -> Tensor:
        return F.normalize(features.float(), dim=-1)


def _load_processor(source: Path | str, example: str) -> "CLIPImageProcessorPil":
    """The model's image processor with PIL's resize, as when the models were published; transformers' newer one on tensors rounds otherwise."""
    from transformers import CLIPImageProcessorPil  # seconds to import

    local = require_source(source, (), example)
    if local and not any((Path(source) / file).exists() for file in PROCESSORS):
        raise InputError(f"{source}: {PROCESSORS[0]} is missing; {what_to_fetch(source, example)}")
    with explained(source, example), quiet():
        return CLIPImageProcessorPil.from_pretrained(source, local_files_only=local)


def image_text_scores(model: ImageTextModel, images: np.ndarray, captions: list[str], score: ScoreName = "clip_score", batch: int = BATCH) -> Tensor:
    """How well each image (N, H, W, 3) uint8 matches its own caption: (N,) float32 on the CPU. Higher is better.

    clip_score: 100 cos, and 0 for cosines below it (CLIPScore is 2.5 max(cos, 0), a fortieth of it).  pick_score: the model's scale x cos.
    """
    if len(images) != len(captions):
        raise ValueError(f"expected a caption for each image, got {len(images)} images and {len(captions)} captions")
    if score not in EXAMPLES:
        raise ValueError(f"unknown score {score!r}; use {' or '.join(EXAMPLES)}")
    cosines = [_cosines(model, images[start : start + batch], captions[start : start + batch]) for start in range(0, len(images), batch)]
    found = torch.cat([torch.empty(0), *cosines])
    return 100 * found.clamp(min=0) if score == "clip_score" else model.scale * found


def _cosines(model: ImageTextModel, images: np.ndarray, captions: list[str]) -> Tensor:
    return (model.image_features(images) * model.text_features(captions)).sum(-1).cpu()
