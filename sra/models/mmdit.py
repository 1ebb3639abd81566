"""MMDiT: the diffusion transformer whose image tokens and text tokens each have weights of their own and attend to both.

Source: Esser et al. 2024 (Stable Diffusion 3, arXiv 2403.03206), section 4 and figure 2; in the shape of REPA's text-to-image experiment
(arXiv 2410.06940; released models/mmdit.py): text comes through one linear layer, has no positions and no mask, and the condition of every
block is time alone, without a pooled text vector. Queries and keys are not normalised.
"""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from sra.core.errors import InputError
from sra.models.blocks import NORM_EPSILON, Attention, Block, modulate
from sra.models.initial import initialize_as_torch
from sra.models.trunk import Tokens, Transformer
from sra.spec.run import ModelSpec

Heads = tuple[Tensor, Tensor, Tensor]  # queries, keys and values, (B, H, N, D / H) each


class Stream(Block):
    """One modality's half of a joint block: the layers of a DiT block, run in two parts so that both halves share the attention between them."""

    def before(self, tokens: Tensor, condition: Tensor) -> tuple[Heads, tuple[Tensor, ...]]:
        """Queries, keys and values of the tokens (B, N, D), and what `after` needs of the condition (B, D)."""
        shift, scale, *later = self.adaLN_modulation(condition).chunk(6, dim=1)
        return self.attn.split(modulate(self.norm1(tokens), shift, scale)), tuple(later)

    def after(self, tokens: Tensor, attended: Tensor, modulation: tuple[Tensor, ...]) -> Tensor:
        """The tokens (B, N, D) moved by what their queries found, (B, H, N, D / H), and by the MLP."""
        attn_gate, mlp_shift, mlp_scale, mlp_gate = modulation
        tokens = torch.addcmul(tokens, attn_gate.unsqueeze(1), self.attn.merge(attended))
        return torch.addcmul(tokens, mlp_gate.unsqueeze(1), self.mlp(modulate(self.norm2(tokens), mlp_shift, mlp_scale)))


class LastText(nn.Module):
    """The text's half of the last block: the image attends to it and nothing reads it afterwards, so it ends there (released `pre_only`)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=NORM_EPSILON, elementwise_affine=False)
        self.attn = Attention(width, heads, output=False)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))

    def before(self, tokens: Tensor, condition: Tensor) -> tuple[Heads, tuple[Tensor, ...]]:
        """Queries, keys and values of the tokens (B, L, D); `after` needs nothing of the condition (B, D)."""
        shift, scale = self.adaLN_modulation(condition).chunk(2, dim=1)
        return self.attn.split(modulate(self.norm1(tokens), shift, scale)), ()

    def after(self, tokens: Tensor, attended: Tensor, modulation: tuple[Tensor, ...]) -> None:
        """Return None: nothing reads the text after the last block."""


class JointBlock(nn.Module):
    """Image and text, each shifted, scaled, gated and mapped by weights of its own, in one attention (Esser et al. 2024, figure 2b)."""

    def __init__(self, width: int, heads: int, last: bool):
        super().__init__()
        self.text = (LastText if last else Stream)(width, heads)
        self.image = Stream(width, heads)

    def forward(self, image: Tensor, text: Tensor, condition: Tensor) -> tuple[Tensor, Tensor | None]:
        """Image (B, N, D) and text (B, L, D) after the block, under the condition (B, D); no text after the last."""
        of_text, text_modulation = self.text.before(text, condition)
        of_image, image_modulation = self.image.before(image, condition)
        query, key, value = (torch.cat(both, dim=2) for both in zip(of_text, of_image, strict=True))
        attended = F.scaled_dot_product_attention(query, key, value)
        found_by_text, found_by_image = attended.split([text.shape[1], image.shape[1]], dim=2)
        return self.image.after(image, found_by_image, image_modulation), self.text.after(text, found_by_text, text_modulation)


class MultimodalDiffusionTransformer(Transformer):
    """Predicts velocity; its timestep is in [0, 1], where 1 is noise. Its condition is text, (B, L, E), whose every token is attended to.

    What a dropped caption becomes, the empty caption's tokens, is data: there is no null class.
    """

    def __init__(self, spec: ModelSpec, generator: Generator | None = None):
        if spec.learns_variance:
            raise InputError(f"model {spec.name}: an MMDiT predicts velocity alone; set learns_variance to false")
        super().__init__(
            spec,
            out_channels=spec.latent.channels,
            condition_embedder=("text_embedder", nn.Linear(spec.text.width, spec.width)),
            blocks=(JointBlock(spec.width, spec.heads, last=number == spec.depth) for number in range(1, spec.depth + 1)),
        )
        self.initialize(generator)

    def embed_condition(self, condition: Tensor) -> Tensor:
        """Text (B, L, E) -> its tokens (B, L, D)."""
        if condition.ndim != 3 or condition.shape[2] != self.spec.text.width:
            shape = " x ".join(map(str, condition.shape))
            what = f"text features are {shape}, expected batch x tokens x {self.spec.text.width}"
            raise InputError(f"model {self.spec.name}: {what}; encode the captions with the run's text encoder")
        # In float32 like the image's tokens, whose positions make them so: under autocast the text would add up its blocks in half precision.
        return self.text_embedder(condition).float()

    def enter_blocks(self, image: Tensor, time: Tensor, condition: Tensor) -> tuple[Tokens, Tensor]:
        """The tokens of image and text; time alone is what all blocks share."""
        return (image, condition), time

    def initialize(self, generator: Generator | None = None) -> None:
        """torch's initial weights, since the released class says nothing about them.

        So, unlike in DiT, the blocks are no identities at the start and the output is not zero.
        """
        initialize_as_torch(self, generator)
