"""MMDiT: the diffusion transformer whose image tokens and text tokens each have weights of their own and attend to both.

Source: Esser et al. 2024 (Stable Diffusion 3, arXiv 2403.03206), section 4 and figure 2; in the shape of REPA's text-to-image experiment
(arXiv 2410.06940; released models/mmdit.py): text comes through one linear layer, has no positions and no mask, and the condition of every
block is time alone, without a pooled text vector. Queries and keys are not normalised.
"""

from itertools import islice

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.utils.checkpoint import checkpoint

from sra.core.errors import InputError
from sra.models.blocks import (
    NORM_EPSILON,
    Attention,
    Block,
    FinalLayer,
    PatchEmbedding,
    TimestepEmbedding,
    modulate,
    sincos_positions,
    unpatchify,
)
from sra.models.initial import initialize_as_torch
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
        shift, scale = self.adaLN_modulation(condition).chunk(2, dim=1)
        return self.attn.split(modulate(self.norm1(tokens), shift, scale)), ()

    def after(self, tokens: Tensor, attended: Tensor, modulation: tuple[Tensor, ...]) -> None:
        """There is no text after the last block."""


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


class MultimodalDiffusionTransformer(nn.Module):
    """Predicts velocity from noisy latents, time and text. Blocks count from 1; features are those of the image.

    Called as `DiffusionTransformer` is, with text tokens where that has labels. What a dropped caption becomes, the empty caption's tokens, is
    data: there is no null class.
    """

    def __init__(self, spec: ModelSpec, generator: Generator | None = None):
        super().__init__()
        if spec.width % spec.heads or spec.width % 4:
            raise InputError(f"model {spec.name}: width {spec.width} must be a multiple of 4 and of its {spec.heads} heads; change it in the preset")
        if spec.learns_variance:
            raise InputError(f"model {spec.name}: an MMDiT predicts velocity alone; set learns_variance to false")
        self.spec = spec
        self.x_embedder = PatchEmbedding(spec.latent.channels, spec.patch, spec.width)
        self.t_embedder = TimestepEmbedding(spec.width)
        self.text_embedder = nn.Linear(spec.text.width, spec.width)
        self.blocks = nn.ModuleList(JointBlock(spec.width, spec.heads, last=number == spec.depth) for number in range(1, spec.depth + 1))
        self.final_layer = FinalLayer(spec.width, spec.patch, spec.latent.channels)
        self.register_buffer("pos_embed", sincos_positions(spec.width, spec.latent.size // spec.patch).unsqueeze(0))
        # Training on a small GPU: blocks run again in the backward pass instead of keeping their activations.
        self.recompute_blocks = False
        self.initialize(generator)

    def forward(self, x: Tensor, timestep: Tensor, text: Tensor, taps: tuple[int, ...] = ()) -> tuple[Tensor, dict[int, Tensor]]:
        """Velocity (B, C, H, W), and for each tap the raw residual stream (B, N, D) of the image after that block.

        x: (B, C, H, W) noisy latents.  timestep: (B,) in [0, 1], 1 is noise.  text: (B, L, E) after dropout, every token attended to.
        """
        for tap in taps:
            self._check_block(tap)
        image, text, condition = self._embed(x, timestep, text)
        features = {}
        for number, block in enumerate(self.blocks, start=1):
            image, text = self._through(block, image, text, condition)
            if number in taps:
                features[number] = image
        return unpatchify(self.final_layer(image, condition), self.spec.patch), features

    def embed_condition(self, text: Tensor) -> Tensor:
        """What `predict` reads of text (B, L, E): its tokens (B, L, D)."""
        if text.ndim != 3 or text.shape[2] != self.spec.text.width:
            shape = " x ".join(map(str, text.shape))
            what = f"text features are {shape}, expected batch x tokens x {self.spec.text.width}"
            raise InputError(f"model {self.spec.name}: {what}; encode the captions with the run's text encoder")
        # In float32 like the image's tokens, whose positions make them so: under autocast the text would add up its blocks in half precision.
        return self.text_embedder(text).float()

    def predict(self, x: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        """The output alone, where the embeddings of time (1, D) and text (B, L, D) are there already: of one time and many states."""
        image, text = self.x_embedder(x) + self.pos_embed, condition
        for block in self.blocks:
            image, text = block(image, text, time)
        return unpatchify(self.final_layer(image, time), self.spec.patch)

    def features(self, x: Tensor, timestep: Tensor, text: Tensor, until: int) -> Tensor:
        """The image's residual stream (B, N, D) after block `until`; later blocks and the final layer are not run. Same inputs as `forward`."""
        self._check_block(until)
        image, text, condition = self._embed(x, timestep, text)
        for block in islice(self.blocks, until):
            image, text = block(image, text, condition)
        return image

    def initialize(self, generator: Generator | None = None) -> None:
        """torch's initial weights, since the released class says nothing about them.

        So, unlike in DiT, the blocks are no identities at the start and the output is not zero.
        """
        initialize_as_torch(self, generator)

    def _through(self, block: JointBlock, image: Tensor, text: Tensor, condition: Tensor) -> tuple[Tensor, Tensor | None]:
        if self.recompute_blocks and torch.is_grad_enabled():
            return checkpoint(block, image, text, condition, use_reentrant=False, preserve_rng_state=False)
        return block(image, text, condition)

    def _embed(self, x: Tensor, timestep: Tensor, text: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Image tokens (B, N, D), text tokens (B, L, D) and the condition (B, D) that every block shares."""
        return self.x_embedder(x) + self.pos_embed, self.embed_condition(text), self.t_embedder(timestep)

    def _check_block(self, number: int) -> None:
        if not 1 <= number <= self.spec.depth:
            raise ValueError(f"block {number} does not exist in a model of {self.spec.depth} blocks; give 1 to {self.spec.depth}")
