"""What the diffusion transformers have in common: embedded latents go through one loop over blocks, and come out as an image.

A family says how its condition is embedded and where it acts, what a block is, and how its weights start.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sra.core.errors import InputError
from sra.models.blocks import FinalLayer, PatchEmbedding, TimestepEmbedding, sincos_positions, unpatchify
from sra.models.groups import TokenGroups
from sra.models.summary import SummaryToken
from sra.spec.run import ModelSpec


@dataclass(frozen=True)
class Forward:
    """What one forward pass gives.

    output: (B, O, H, W).  features: the raw residual stream (B, N, D) of the image after each tapped block; with the extra token, which comes first,
    (B, 1 + N, D).  attention: (B, heads, N, N) float32 logits of tapped blocks.  summary: (B, E), what the extra token predicts.
    """

    output: Tensor
    features: dict[int, Tensor]
    attention: dict[int, Tensor]
    summary: Tensor | None = None


@dataclass(frozen=True)
class Asked:
    """What is wanted of a pass through the blocks, as in `Transformer.run`."""

    taps: tuple[int, ...] = ()
    attention_taps: tuple[int, ...] = ()
    heads: int = 0
    groups: TokenGroups | None = None


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
        self.summary = SummaryToken(spec.width, spec.summary_width) if spec.summary_width else None
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
        found = self.run(x, timestep, condition, taps)
        return found.output, found.features

    def run(
        self,
        x: Tensor,
        timestep: Tensor,
        condition: Tensor,
        taps: tuple[int, ...] = (),
        attention_taps: tuple[int, ...] = (),
        heads: int = 0,
        groups: TokenGroups | None = None,
        summary: Tensor | None = None,
    ) -> Forward:
        """The same, and what only some methods ask for.

        attention_taps: blocks whose attention logits are wanted, of the first `heads` heads.
        groups: of the tokens; the timestep is then one a group, (B, G).
        summary: (B, E) the noisy state of the extra token, for a model that has one.
        """
        self._check_blocks((*taps, *attention_taps))
        return self._output(x, self._embedded_time(timestep), self.embed_condition(condition), Asked(taps, attention_taps, heads, groups), summary)

    def predict(self, x: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        """The output alone, where time (1, D) and condition are embedded already: of one time and many states."""
        return self._output(x, time, condition, Asked(), None).output

    def predict_both(self, x: Tensor, time: Tensor, condition: Tensor, summary: Tensor) -> tuple[Tensor, Tensor]:
        """The same of a model with an extra token, and what that predicts (B, E) for its state (B, E)."""
        found = self._output(x, time, condition, Asked(), summary)
        return found.output, found.summary

    def features(
        self,
        x: Tensor,
        timestep: Tensor,
        condition: Tensor,
        until: int,
        groups: TokenGroups | None = None,
    ) -> Tensor:
        """The image's residual stream (B, N, D) after block `until`; later blocks and the final layer are not run."""
        return self.tapped(x, timestep, condition, (until,), groups)[until]

    def tapped(self, x: Tensor, timestep: Tensor, condition: Tensor, taps: tuple[int, ...], groups: TokenGroups | None = None) -> dict[int, Tensor]:
        """The image's residual stream (B, N, D) after each of several blocks; those after the last of them are not run."""
        self._check_blocks(taps)
        tokens, shared = self.enter_blocks(self._patches(x, groups), self._embedded_time(timestep), self.embed_condition(condition))
        return self._run_blocks(tokens, shared, Asked(taps, groups=groups), until=max(taps))[1]

    def _output(self, x: Tensor, time: Tensor, condition: Tensor, asked: Asked, summary: Tensor | None) -> Forward:
        image = self._patches(x, asked.groups)
        if self.summary is not None:
            image = torch.cat([self.summary.embedded(summary), image], dim=1)
        tokens, shared = self.enter_blocks(image, time, condition)
        tokens, features, attention = self._run_blocks(tokens, shared, asked)
        if self.summary is not None:
            # The extra token leaves through a layer of its own.
            last = self.final_layer.modulated(tokens[0], shared)
            return Forward(unpatchify(self.final_layer.linear(last[:, 1:]), self.spec.patch), features, attention, self.summary.predicted(last[:, 0]))
        patches = self.final_layer(tokens[0], shared, asked.groups)
        return Forward(unpatchify(asked.groups.restored(patches) if asked.groups else patches, self.spec.patch), features, attention)

    def _patches(self, x: Tensor, groups: TokenGroups | None) -> Tensor:
        """The image's tokens (B, N, D) with their positions; those of a group together."""
        tokens = self.x_embedder(x) + self.pos_embed
        return groups.sorted(tokens) if groups else tokens

    def _embedded_time(self, timestep: Tensor) -> Tensor:
        """Of (B,): (B, D); of one time a group, (B, G): (B, G, D)."""
        return self.t_embedder(timestep.flatten()).unflatten(0, timestep.shape) if timestep.ndim == 2 else self.t_embedder(timestep)

    def _run_blocks(
        self, tokens: Tokens, condition: Tensor, asked: Asked, until: int | None = None
    ) -> tuple[Tokens, dict[int, Tensor], dict[int, Tensor]]:
        """Tokens after block `until` (the last where it is None), the image's after each tap, and attention's logits. No other code goes through the
        blocks.
        """
        features, attention = {}, {}
        for number, block in enumerate(islice(self.blocks, until), start=1):
            more = {"groups": asked.groups} if asked.groups else {}
            more |= {"logits_of": asked.heads} if number in asked.attention_taps else {}
            if self.recompute_blocks and torch.is_grad_enabled():
                moved = checkpoint(block, *tokens, condition, **more, use_reentrant=False, preserve_rng_state=False)
            else:
                moved = block(*tokens, condition, **more)
            if number in asked.attention_taps:
                moved, attention[number] = moved
            tokens = moved if isinstance(moved, tuple) else (moved,)
            if number in asked.taps:
                features[number] = asked.groups.restored(tokens[0]) if asked.groups else tokens[0]
        return tokens, features, attention

    def _check_blocks(self, numbers: tuple[int, ...]) -> None:
        for number in numbers:
            if not 1 <= number <= self.spec.depth:
                raise ValueError(f"block {number} does not exist in a model of {self.spec.depth} blocks; give 1 to {self.spec.depth}")
