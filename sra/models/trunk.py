"""What the diffusion transformers have in common: embedded latents go through one loop over blocks, and come out as an image.

A family says how its condition is embedded and where it acts, what a block is, and how its weights start.
"""

from collections.abc import Iterable
from itertools import islice

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sra.core.errors import InputError
from sra.models.blocks import FinalLayer, PatchEmbedding, TimestepEmbedding, sincos_positions, unpatchify
from sra.spec.run import ModelSpec

Tokens = tuple[Tensor, ...]  # what blocks pass on: the image's tokens (B, N, D) and, where a family has them, others after these


class Transformer(nn.Module):
    """Predicts what its process asks for from noisy latents, time and a condition. Blocks count from 1; features are those of the image.

    Inputs of `forward` and of everything like it: x (B, C, H, W) noisy latents, timestep (B,) in the unit of the process, and the condition
    (B, ...) after dropout, in the family's own form.
    """

    def __init__(self, spec: ModelSpec, out_channels: int, condition_embedder: tuple[str, nn.Module], blocks: Iterable[nn.Module]):
        """condition_embedder: its name in the state dict, and the layer.  blocks: each called with the tokens and the condition (B, D)."""
        if spec.width % spec.heads or spec.width % 4:
            raise InputError(f"model {spec.name}: width {spec.width} must be a multiple of 4 and of its {spec.heads} heads; change it in the preset")
        super().__init__()
        self.spec, self.out_channels = spec, out_channels
        # The order of these lines is that of the parameters and of the draws of initial weights.
        self.x_embedder = PatchEmbedding(spec.latent.channels, spec.patch, spec.width)
        self.t_embedder = TimestepEmbedding(spec.width)
        self.add_module(*condition_embedder)
        self.blocks = nn.ModuleList(blocks)
        self.final_layer = FinalLayer(spec.width, spec.patch, out_channels)
        self.register_buffer("pos_embed", sincos_positions(spec.width, spec.latent.size // spec.patch).unsqueeze(0))
        # Training on a small GPU: blocks run again in the backward pass instead of keeping their activations.
        self.recompute_blocks = False

    def embed_condition(self, condition: Tensor) -> Tensor:
        """What `predict` reads of the condition (B, ...); it depends on no time and no state."""
        raise NotImplementedError

    def enter_blocks(self, image: Tensor, time: Tensor, condition: Tensor) -> tuple[Tokens, Tensor]:
        """The tokens that enter the first block, and the condition (B, D) that all blocks and the final layer share.

        image: (B, N, D).  time: embedded, (B, D) or (1, D).  condition: as `embed_condition` gives it.
        """
        raise NotImplementedError

    def forward(self, x: Tensor, timestep: Tensor, condition: Tensor, taps: tuple[int, ...] = ()) -> tuple[Tensor, dict[int, Tensor]]:
        """Output (B, O, H, W), and for each tap the raw residual stream (B, N, D) of the image after that block."""
        self._check_blocks(taps)
        return self._output(x, self.t_embedder(timestep), self.embed_condition(condition), taps)

    def predict(self, x: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        """The output alone, where time (1, D) and condition are embedded already: of one time and many states."""
        return self._output(x, time, condition)[0]

    def features(self, x: Tensor, timestep: Tensor, condition: Tensor, until: int) -> Tensor:
        """The image's residual stream (B, N, D) after block `until`; later blocks and the final layer are not run."""
        return self.tapped(x, timestep, condition, (until,))[until]

    def tapped(self, x: Tensor, timestep: Tensor, condition: Tensor, taps: tuple[int, ...]) -> dict[int, Tensor]:
        """The image's residual stream (B, N, D) after each of several blocks; those after the last of them are not run."""
        self._check_blocks(taps)
        tokens, shared = self.enter_blocks(self._patches(x), self.t_embedder(timestep), self.embed_condition(condition))
        return self._run_blocks(tokens, shared, taps, until=max(taps))[1]

    def _output(self, x: Tensor, time: Tensor, condition: Tensor, taps: tuple[int, ...] = ()) -> tuple[Tensor, dict[int, Tensor]]:
        tokens, shared = self.enter_blocks(self._patches(x), time, condition)
        tokens, features = self._run_blocks(tokens, shared, taps)
        return unpatchify(self.final_layer(tokens[0], shared), self.spec.patch), features

    def _patches(self, x: Tensor) -> Tensor:
        """The image's tokens (B, N, D) with their positions."""
        return self.x_embedder(x) + self.pos_embed

    def _run_blocks(self, tokens: Tokens, condition: Tensor, taps: tuple[int, ...], until: int | None = None) -> tuple[Tokens, dict[int, Tensor]]:
        """Tokens after block `until` (the last where it is None), and the image's after each tap. No other code goes through the blocks."""
        features = {}
        for number, block in enumerate(islice(self.blocks, until), start=1):
            if self.recompute_blocks and torch.is_grad_enabled():
                moved = checkpoint(block, *tokens, condition, use_reentrant=False, preserve_rng_state=False)
            else:
                moved = block(*tokens, condition)
            tokens = moved if isinstance(moved, tuple) else (moved,)
            if number in taps:
                features[number] = tokens[0]
        return tokens, features

    def _check_blocks(self, numbers: tuple[int, ...]) -> None:
        for number in numbers:
            if not 1 <= number <= self.spec.depth:
                raise ValueError(f"block {number} does not exist in a model of {self.spec.depth} blocks; give 1 to {self.spec.depth}")
