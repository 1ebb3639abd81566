"""Images that are told apart by their number alone, and an encoder that says something of them: methods that need one in each step train on these."""

import numpy as np
import torch

from sra.encoders.targets import Targets
from sra.training.targets import OnlineTargets

BLOCKS, HEADS, TOKENS = 4, 2, 16


class NumberedImages:
    """A store of images."""

    sha256 = "0"

    def __init__(self, count: int):
        self.count = count

    def __len__(self) -> int:
        return self.count

    def rows(self, places: np.ndarray) -> np.ndarray:
        return np.broadcast_to(places.astype(np.uint8)[:, None, None, None], (len(places), 32, 32, 3)).copy()


def numbered_targets(images: int, width: int = 12) -> OnlineTargets:
    """An encoder of four blocks and two heads, of any width up to 128: a function of the image's number."""

    def encode(pixels, products, reads) -> Targets:
        number = pixels[:, 0, 0, 0].float()
        waves = torch.sin(
            number[:, None, None, None] * (1 + torch.arange(BLOCKS * HEADS * TOKENS * TOKENS).view(1, BLOCKS, HEADS * TOKENS, TOKENS) % 7)
        )
        tokens = waves.flatten(1)[:, : TOKENS * width].view(-1, TOKENS, width)
        attention = tuple(waves[:, block].view(-1, HEADS, TOKENS, TOKENS) for block in range(BLOCKS)) if "attention" in reads else ()
        return Targets(tokens, tokens.mean(dim=1) if "summary" in reads else None, attention)

    return OnlineTargets(NumberedImages(images), encode, width, {})
