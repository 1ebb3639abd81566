"""The diffusion transformer of DiT and SiT; the two differ in what their output means, not in the network.

Source: Peebles & Xie 2023 (arXiv 2212.09748), figure 3; released DiT/models.py and SRA's SiT-SRA/models/sit.py. The state dict has the
released keys and shapes, without SRA's or REPA's heads, which belong to the alignment.
"""

from itertools import islice

import torch
from torch import Generator, Tensor, nn
from torch.utils.checkpoint import checkpoint

from sra.core.errors import InputError
from sra.models.blocks import Block, FinalLayer, LabelEmbedding, PatchEmbedding, TimestepEmbedding, sincos_positions, unpatchify
from sra.models.initial import initialize_linears
from sra.spec.run import ModelSpec


class DiffusionTransformer(nn.Module):
    """Predicts velocity (SiT) or noise and variance (DiT) from noisy latents, time and class. Blocks count from 1."""

    def __init__(self, spec: ModelSpec, generator: Generator | None = None):
        super().__init__()
        if spec.width % spec.heads or spec.width % 4:
            raise InputError(f"model {spec.name}: width {spec.width} must be a multiple of 4 and of its {spec.heads} heads; change it in the preset")
        self.spec = spec
        self.out_channels = spec.latent.channels * (2 if spec.learns_variance else 1)
        self.x_embedder = PatchEmbedding(spec.latent.channels, spec.patch, spec.width)
        self.t_embedder = TimestepEmbedding(spec.width)
        self.y_embedder = LabelEmbedding(spec.classes, spec.width)
        self.blocks = nn.ModuleList(Block(spec.width, spec.heads) for _ in range(spec.depth))
        self.final_layer = FinalLayer(spec.width, spec.patch, self.out_channels)
        self.register_buffer("pos_embed", sincos_positions(spec.width, spec.latent.size // spec.patch).unsqueeze(0))
        # Training on a small GPU: blocks run again in the backward pass instead of keeping their activations.
        self.recompute_blocks = False
        self.initialize(generator)

    def forward(self, x: Tensor, timestep: Tensor, labels: Tensor, taps: tuple[int, ...] = ()) -> tuple[Tensor, dict[int, Tensor]]:
        """Output (B, O, H, W), and for each tap the raw residual stream (B, N, D) after that block.

        x: (B, C, H, W) noisy latents.  timestep: (B,) in the unit of the process.  labels: (B,) int64 after dropout.
        """
        for tap in taps:
            self._check_block(tap)
        tokens, condition = self._embed(x, timestep, labels)
        features = {}
        for number, block in enumerate(self.blocks, start=1):
            tokens = self._through(block, tokens, condition)
            if number in taps:
                features[number] = tokens
        return unpatchify(self.final_layer(tokens, condition), self.spec.patch), features

    def embed_condition(self, labels: Tensor) -> Tensor:
        """What `predict` reads of labels (B,): (B, D)."""
        return self.y_embedder(labels)

    def predict(self, x: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        """The output alone, where the embeddings of time (1, D) and condition (B, D) are there already: of one time and many states."""
        tokens, condition = self.x_embedder(x) + self.pos_embed, time + condition
        for block in self.blocks:
            tokens = block(tokens, condition)
        return unpatchify(self.final_layer(tokens, condition), self.spec.patch)

    def features(self, x: Tensor, timestep: Tensor, labels: Tensor, until: int) -> Tensor:
        """The residual stream (B, N, D) after block `until`; later blocks and the final layer are not run. Same inputs as `forward`."""
        return self.tapped(x, timestep, labels, (until,))[until]

    def tapped(self, x: Tensor, timestep: Tensor, labels: Tensor, taps: tuple[int, ...]) -> dict[int, Tensor]:
        """The same after each of several blocks, up to the last of them."""
        for tap in taps:
            self._check_block(tap)
        tokens, condition = self._embed(x, timestep, labels)
        features = {}
        for number, block in enumerate(islice(self.blocks, max(taps)), start=1):
            tokens = block(tokens, condition)
            if number in taps:
                features[number] = tokens
        return features

    def initialize(self, generator: Generator | None = None) -> None:
        """DiT's initial weights: every block starts as the identity and the output as zero."""
        initialize_linears(self, generator)
        # The patch embedding is a linear layer in the shape of a convolution.
        nn.init.xavier_uniform_(self.x_embedder.proj.weight.flatten(1).detach(), generator=generator)
        nn.init.zeros_(self.x_embedder.proj.bias)
        for table in (self.y_embedder.embedding_table.weight, self.t_embedder.mlp[0].weight, self.t_embedder.mlp[2].weight):
            nn.init.normal_(table, std=0.02, generator=generator)
        for layer in (*(block.adaLN_modulation[1] for block in self.blocks), self.final_layer.adaLN_modulation[1], self.final_layer.linear):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def _through(self, block: Block, tokens: Tensor, condition: Tensor) -> Tensor:
        if self.recompute_blocks and torch.is_grad_enabled():
            return checkpoint(block, tokens, condition, use_reentrant=False, preserve_rng_state=False)
        return block(tokens, condition)

    def _embed(self, x: Tensor, timestep: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (B, N, D) and the condition (B, D) that every block shares."""
        return self.x_embedder(x) + self.pos_embed, self.t_embedder(timestep) + self.embed_condition(labels)

    def _check_block(self, number: int) -> None:
        if not 1 <= number <= self.spec.depth:
            raise ValueError(f"block {number} does not exist in a model of {self.spec.depth} blocks; give 1 to {self.spec.depth}")
