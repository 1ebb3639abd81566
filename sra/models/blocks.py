"""Parts of DiT and SiT: embeddings of latents, time and class, the adaLN-Zero block, the final layer. MMDiT shares all but classes.

Source: Peebles & Xie 2023 (arXiv 2212.09748), section 3.2; SiT (arXiv 2401.08740) keeps them. Attribute names follow the released
checkpoints, so those load key by key.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sra.models.gelu import linear_gelu
from sra.models.groups import TokenGroups

MLP_RATIO = 4
NORM_EPSILON = 1e-6
TIME_FREQUENCIES = 256
LONGEST_PERIOD = 10_000


def modulate(x: Tensor, shift: Tensor, scale: Tensor, groups: TokenGroups | None = None) -> Tensor:
    """x (B, N, D) scaled by 1 + scale and shifted, each (B, D), the same for all tokens of a sample; with groups each (B, G, D), by the token's."""
    if groups is not None:
        return groups.modulated(_modulated, x, by=(shift, scale))
    return _modulated(x, shift.unsqueeze(1), scale.unsqueeze(1))


def gated(x: Tensor, gate: Tensor, change: Tensor, groups: TokenGroups | None = None) -> Tensor:
    """x plus a change, (B, N, D) each, times a gate as in `modulate`."""
    if groups is not None:
        return groups.modulated(_gated, x, change, by=(gate,))
    return _gated(x, change, gate.unsqueeze(1))


def _modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return torch.addcmul(shift, x, 1 + scale)


def _gated(x: Tensor, change: Tensor, gate: Tensor) -> Tensor:
    return torch.addcmul(x, gate, change)


def sincos_positions(width: int, side: int) -> Tensor:
    """Fixed positions of a side x side grid, row by row: (side^2, width) float32; width is a multiple of 4.

    The first half of the channels encodes the column, the second the row; each half is sines, then cosines, of periods from 2 pi to
    2 pi 10000 (MAE, util/pos_embed.py, which DiT copies). Computed in float64.
    """
    rates = LONGEST_PERIOD ** -(torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    angles = torch.arange(side, dtype=torch.float64)[:, None] * rates
    along = torch.cat([angles.sin(), angles.cos()], dim=1)
    columns, rows = along.repeat(side, 1), along.repeat_interleave(side, dim=0)
    return torch.cat([columns, rows], dim=1).float()


class PatchEmbedding(nn.Module):
    """Latents (B, C, H, W) -> tokens (B, N, D), one for each p x p patch, row by row.

    A convolution of stride p is one linear map of each flattened patch; written so it trains about four times faster on CPU. `proj`
    only holds the weights (D, C, p, p), in the layout of released checkpoints.
    """

    def __init__(self, channels: int, patch: int, width: int):
        super().__init__()
        self.patch = patch
        self.proj = nn.Conv2d(channels, width, kernel_size=patch, stride=patch)

    def forward(self, latents: Tensor) -> Tensor:
        b, c, h, w = latents.shape
        p = self.patch
        patches = latents.reshape(b, c, h // p, p, w // p, p).permute(0, 2, 4, 1, 3, 5).reshape(b, (h // p) * (w // p), c * p * p)
        return F.linear(patches, self.proj.weight.flatten(1), self.proj.bias)


class TimestepEmbedding(nn.Module):
    """Times (B,) -> (B, D): 128 cosines and 128 sines, then a two-layer MLP. Time comes in its own unit, 0..1 (SiT) or 0..999 (DiT).

    Always float32: neighbouring times of a 250-step grid are closer than bfloat16 can tell apart.
    """

    def __init__(self, width: int):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(TIME_FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, timestep: Tensor) -> Tensor:
        with torch.autocast(timestep.device.type, enabled=False):
            return self.mlp(self.waves(timestep))

    @staticmethod
    def waves(timestep: Tensor) -> Tensor:
        """(B, 256) float32: cosines, then sines, of time at rates falling from 1 to almost 1 / 10000."""
        half = TIME_FREQUENCIES // 2
        rates = torch.exp(-math.log(LONGEST_PERIOD) / half * torch.arange(half, dtype=torch.float32, device=timestep.device))
        angles = timestep.float()[:, None] * rates
        return torch.cat([angles.cos(), angles.sin()], dim=1)


class LabelEmbedding(nn.Module):
    """Classes (B,) -> (B, D). The last row of the table is the null class of classifier-free guidance."""

    def __init__(self, classes: int, width: int):
        super().__init__()
        self.embedding_table = nn.Embedding(classes + 1, width)

    def forward(self, labels: Tensor) -> Tensor:
        return self.embedding_table(labels)


class Attention(nn.Module):
    """Multi-head self-attention over tokens (B, N, D), no mask; biases on, no normalisation of queries and keys.

    output: without it the tokens are only attended to, as the text in the last block of an MMDiT.
    """

    def __init__(self, width: int, heads: int, output: bool = True):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width) if output else None

    def forward(self, x: Tensor, groups: TokenGroups | None = None, logits_of: int = 0) -> tuple[Tensor, Tensor | None]:
        """What the tokens found, (B, N, D), and what the softmax of the first `logits_of` heads is taken of, (B, logits_of, N, N); None of no head.

        groups: of the tokens, which are sorted by them; without them each token attends to all.
        """
        query, key, value = self.split(x)
        attended = groups.attended(query, key, value) if groups else F.scaled_dot_product_attention(query, key, value)
        logits = None
        if logits_of:
            # Fused attention keeps its scores to itself, so those of the few heads that are asked for are computed beside it.
            logits = (query[:, :logits_of] @ key[:, :logits_of].transpose(2, 3)).float() / math.sqrt(query.shape[3])
        return self.merge(attended), logits

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of the heads, (B, H, N, D / H) each. Parted in place: their gradients meet again without one more copy."""
        return tuple(part.transpose(1, 2) for part in self.qkv(x).unflatten(2, (3, self.heads, -1)).unbind(2))

    def merge(self, attended: Tensor) -> Tensor:
        """What each head found (B, H, N, D / H) -> (B, N, D)."""
        return self.proj(attended.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """Two linear layers with the tanh form of GELU between."""

    def __init__(self, width: int):
        super().__init__()
        self.fc1 = nn.Linear(width, MLP_RATIO * width)
        self.fc2 = nn.Linear(MLP_RATIO * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(linear_gelu(self.fc1, x))


class Block(nn.Module):
    """adaLN-Zero: attention and MLP, each shifted, scaled and gated by the condition (B, D). At zero gates it is the identity."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=NORM_EPSILON, elementwise_affine=False)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=NORM_EPSILON, elementwise_affine=False)
        self.mlp = Mlp(width)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def forward(self, x: Tensor, condition: Tensor, groups: TokenGroups | None = None, logits_of: int = 0) -> Tensor | tuple[Tensor, Tensor]:
        """The tokens (B, N, D) after the block, and attention's logits of the first `logits_of` heads if there are some.

        groups: of the tokens, which are sorted by them; the condition is then one a group, (B, G, D).
        """
        attn_shift, attn_scale, attn_gate, mlp_shift, mlp_scale, mlp_gate = self.adaLN_modulation(condition).chunk(6, dim=-1)
        found, logits = self.attn(modulate(self.norm1(x), attn_shift, attn_scale, groups), groups, logits_of)
        x = gated(x, attn_gate, found, groups)
        x = gated(x, mlp_gate, self.mlp(modulate(self.norm2(x), mlp_shift, mlp_scale, groups)), groups)
        return x if logits is None else (x, logits)


class FinalLayer(nn.Module):
    """Tokens (B, N, D) -> pixels of each patch (B, N, p p O), channels last."""

    def __init__(self, width: int, patch: int, channels: int):
        super().__init__()
        self.norm_final = nn.LayerNorm(width, eps=NORM_EPSILON, elementwise_affine=False)
        self.linear = nn.Linear(width, patch * patch * channels)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))

    def forward(self, x: Tensor, condition: Tensor, groups: TokenGroups | None = None) -> Tensor:
        return self.linear(self.modulated(x, condition, groups))

    def modulated(self, x: Tensor, condition: Tensor, groups: TokenGroups | None = None) -> Tensor:
        """What the last linear layer sees, (B, N, D)."""
        shift, scale = self.adaLN_modulation(condition).chunk(2, dim=-1)
        return modulate(self.norm_final(x), shift, scale, groups)


def unpatchify(patches: Tensor, patch: int) -> Tensor:
    """What the final layer gives for a square of patches, (B, N, p p O), as an image (B, O, H, W)."""
    side = math.isqrt(patches.shape[1])
    grid = patches.unflatten(2, (patch, patch, -1)).unflatten(1, (side, side))
    return torch.einsum("bhwpqo->bohpwq", grid).flatten(4, 5).flatten(2, 3)
