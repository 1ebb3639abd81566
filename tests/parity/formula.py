"""Weights, inputs and draws as formulas, so that the official code and ours can start from equal numbers without a file of weights.

Everything is cut from one table, sin(2 pi k^3 / P) for k = 0..P-1 with P prime: the cube modulo P is an integer, so every machine gets the
same numbers to the last bit or nearly so, and cuts from different places are hardly correlated (a cubic phase sequence, Alltop 1980).
"""

import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

PERIOD = 1_000_003
CLASSES = 1000
ENCODER_WIDTH = 24  # of the features that REPA's projector is compared with
PROJECTOR_WIDTH = 48
MAX_INTERVAL = 0.2  # of the teacher's time, as a share of the range
LABEL_DROPOUT = 0.1
POSTERIOR_SCALE = 0.18215
SAMPLER_STEPS = 250
SAMPLED_IMAGES = 3
TEXT_TOKENS, TEXT_WIDTH = 77, 768  # of a caption in CLIP ViT-L/14; the width is fixed in REPA's text-to-image network
CROPPED_TO = (256, 512)
# Width and height of what is cropped: wide, tall, smaller than both sizes, long, untouched at 256, one short of 512, halved evenly and
# with odd sides, more than four times 512.
IMAGES = ((500, 375), (375, 500), (131, 97), (301, 1499), (256, 256), (640, 511), (1024, 1024), (1031, 1027), (2303, 2065))


@dataclass(frozen=True)
class Size:
    """A network and the place of its alignment. Latents are 4 x side x side, patches 2 x 2, classes 1000."""

    name: str
    depth: int
    width: int
    heads: int
    side: int
    student_block: int
    teacher_block: int
    batch: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return self.batch, 4, self.side, self.side

    @property
    def tokens(self) -> int:
        return (self.side // 2) ** 2


TINY = Size("tiny", depth=4, width=32, heads=4, side=8, student_block=2, teacher_block=3, batch=5)
# MMDiT's heads are 32 wide; the large one has the published width and heads.
TINY_T2I = Size("tiny", depth=4, width=128, heads=4, side=8, student_block=2, teacher_block=3, batch=5)
WIDE_T2I = Size("wide", depth=3, width=768, heads=24, side=32, student_block=1, teacher_block=2, batch=2)
BASE = Size("b2", depth=12, width=768, heads=12, side=32, student_block=3, teacher_block=8, batch=2)


@lru_cache(maxsize=1)
def table() -> Tensor:
    """(2 P,) float64, of root mean square 0.999; twice over, so that every cut of P is one piece."""
    k = torch.arange(PERIOD, dtype=torch.int64)
    return math.sqrt(2) * torch.sin(2 * math.pi * (k**3 % PERIOD).double() / PERIOD).repeat(2)


def wave(shape: tuple[int, ...], name: str, scale: float = 1.0) -> Tensor:
    """Float32 numbers of root mean square about `scale`: the table from a place that the name chooses, repeated as often as needed."""
    count, start = math.prod(shape), zlib.crc32(name.encode()) % PERIOD
    cut = (scale * table()[start : start + min(count, PERIOD)]).float()
    return cut.repeat(math.ceil(count / PERIOD))[:count].reshape(shape)


def uniform(shape: tuple[int, ...], name: str) -> Tensor:
    """Float32 numbers spread evenly over [0, 1): the cubes modulo P over P, from a place that the name chooses."""
    start = zlib.crc32(name.encode()) % PERIOD
    k = (start + torch.arange(math.prod(shape), dtype=torch.int64)) % PERIOD
    return ((k**3 % PERIOD).double() / PERIOD).float().reshape(shape)


def weight(name: str, shape: tuple[int, ...], role: str) -> Tensor:
    """The parameter of that released name. Linear maps keep the size of what they get; queries and keys are larger, so attention is not flat."""
    if name == "wg_norm.weight":  # REG's: the scale of what its token starts from
        return wave(shape, f"{role}/{name}")
    if len(shape) == 1:
        return wave(shape, f"{role}/{name}", 0.1)
    if name.endswith("embedding_table.weight"):
        return wave(shape, f"{role}/{name}", 0.7)
    values = wave(shape, f"{role}/{name}", 1 / math.sqrt(math.prod(shape[1:])))
    if name.endswith("attn.qkv.weight"):
        values[: 2 * shape[1]] *= 1.5
    return values


@torch.no_grad()
def fill(module: nn.Module, role: str, prefix: str = "") -> nn.Module:
    """The module with every weight from the formula. `role` tells student from teacher, `prefix` is what the official name has before ours."""
    for name, tensor in module.state_dict().items():
        if name != "pos_embed":  # fixed by its own formula, which is part of what is compared
            tensor.copy_(weight(prefix + name, tuple(tensor.shape), role))
    return module


@dataclass(frozen=True)
class Inputs:
    """One batch for either family. Latents hold some values of exactly -1 and 1, the edges of DDPM's binned likelihood.

    times are multiples of 1/16 so that 1 - t is exact.  draw is the alignment's uniform draw; interval_steps is the same on DDPM's grid.
    """

    latents: Tensor  # (B, 4, side, side)
    noise: Tensor
    labels: Tensor  # (B,) int64, 0..999
    dropout: Tensor  # (B,) uniform draws that decide which labels are dropped
    times: Tensor  # (B,) in [0, 1), 1 is noise
    steps: Tensor  # (B,) int64 in 0..999
    draw: Tensor  # (B,) uniform
    features: Tensor  # (B, N, E) of an encoder

    @property
    def interval_steps(self) -> Tensor:
        return (self.draw.double() * round(1000 * MAX_INTERVAL)).long()

    @property
    def dropped(self) -> Tensor:
        """Labels after dropout; CLASSES is the null class."""
        return torch.where(self.dropout < LABEL_DROPOUT, CLASSES, self.labels)


def inputs(size: Size, number: int = 0) -> Inputs:
    """Batch `number` of that size; another number gives other latents and noise."""
    latents = wave(size.shape, f"latents {number}", 0.8)
    latents[0, 0, 0], latents[0, 1, 0] = -1.0, 1.0
    return Inputs(
        latents=latents,
        noise=wave(size.shape, f"noise {number}"),
        labels=torch.tensor([7, 999, 0, 33, 500])[: size.batch],
        dropout=torch.tensor([0.5, 0.05, 0.95, 0.0999, 0.1001])[: size.batch],
        times=torch.tensor([0.0625, 0.9375, 0.5, 0.25, 0.125])[: size.batch],
        steps=torch.tensor([0, 999, 500, 150, 1])[: size.batch],
        draw=torch.tensor([0.75, 0.5025, 0.9975, 0.0, 0.2525])[: size.batch],
        features=wave((size.batch, size.tokens, ENCODER_WIDTH), f"features {number}"),
    )


@dataclass(frozen=True)
class TwoTimes:
    """What is drawn beside a batch's `Inputs` where an image has two times.

    groups: (B, N) uniform; the tokens with the smallest numbers go together.  second: (B,) the other time; for one image the same as the first.
    intervals: (B, 2) uniform, how much earlier the teacher sees each group.
    """

    groups: Tensor
    second: Tensor
    intervals: Tensor


def two_times(size: Size) -> TwoTimes:
    return TwoTimes(
        groups=uniform((size.batch, size.tokens), "groups"),
        second=torch.tensor([0.5, 0.125, 0.8125, 0.25, 0.875])[: size.batch],
        intervals=torch.stack([inputs(size).draw, uniform((size.batch,), "second interval")], dim=1),
    )


def negatives(allowed: Tensor) -> tuple[Tensor, Tensor]:
    """For each of a batch, which of its allowed others (B, B) bool is its negative, counted from 0, and its place in the batch, (B,) each."""
    count = allowed.sum(dim=1)
    nth = (inputs(TINY).draw * count).long()
    return nth, torch.stack([others.nonzero().flatten()[number] for others, number in zip(allowed, nth, strict=True)])


def summaries(size: Size) -> tuple[Tensor, Tensor]:
    """An encoder's summary of each image (B, E), and its noise."""
    return wave((size.batch, ENCODER_WIDTH), "summary"), wave((size.batch, ENCODER_WIDTH), "summary noise")


def texts(size: Size) -> tuple[Tensor, Tensor]:
    """Features of a batch's captions (B, 77, 768), and the same with the empty caption's where the formula drops them."""
    captions, empty = wave((size.batch, TEXT_TOKENS, TEXT_WIDTH), "captions"), wave((TEXT_TOKENS, TEXT_WIDTH), "empty caption")
    return captions, torch.where((inputs(size).dropout < LABEL_DROPOUT)[:, None, None], empty, captions)


def moments(size: Size = TINY) -> Tensor:
    """Means, then standard deviations of latents as a VAE gives them, (B, 8, side, side)."""
    means, deviations = wave(size.shape, "means", 4.0), wave(size.shape, "deviations").abs()
    return torch.cat([means, deviations], dim=1)


def starting_noise(size: Size = TINY) -> tuple[Tensor, Tensor]:
    """Noise (3, 4, side, side) and labels (3,) of the sampled images."""
    shape = (SAMPLED_IMAGES, *size.shape[1:])
    return wave(shape, "starting noise"), torch.tensor([0, 7, 999])


def image(width: int, height: int) -> np.ndarray:
    """(height, width, 3) uint8: slopes, so that no two places are alike, under noise that saturates here and there."""
    slope = torch.linspace(0, 120, height)[:, None, None] + torch.linspace(60, 0, width)[None, :, None] + torch.tensor([0, 20, 40])
    return (slope + wave((height, width, 3), f"image {width} x {height}", 60.0) + 20).clamp(0, 255).byte().numpy()


def picked(pixels: np.ndarray) -> Tensor:
    """(61,) uint8: pixels at even distances of an image (S, S, 3), to say by how much two differ where their hashes only say that they do."""
    flat = pixels.reshape(-1)
    return torch.from_numpy(flat[np.linspace(0, len(flat) - 1, 61).astype(np.int64)])


class StepNoise:
    """Noise of the first, second, ... stochastic step of a sampler, (3, 4, side, side) float32."""

    def __init__(self, size: Size = TINY):
        self.shape, self.calls = (SAMPLED_IMAGES, *size.shape[1:]), 0

    def __call__(self) -> Tensor:
        self.calls += 1
        return wave(self.shape, f"step noise {self.calls}")


def steadied(output: Tensor, x: Tensor) -> Tensor:
    """DDPM's prediction (B, 8, side, side) for the state x, pulled towards x: what an untrained network says lets the state grow a thousandfold.

    Both halves are linear in the output, so it makes no difference whether guidance comes before or after.
    """
    predicted, variance = output.chunk(2, dim=1)
    return torch.cat([x + 0.3 * predicted, variance], dim=1)


def without_key_biases(tensors: Iterable[tuple[str, Tensor]]) -> Iterable[tuple[str, Tensor]]:
    """Queries' and values' biases alone: keys' add the same to all logits of a query and change nothing.

    Their gradient is rounding, which AdamW divides by its own size: two exact copies of a training drift apart there and nowhere else.
    """
    for name, tensor in tensors:
        query, _, value = tensor.chunk(3) if name.endswith("attn.qkv.bias") else (tensor, None, tensor[:0])
        yield name, torch.cat([query, value])


def digest(tensor: Tensor, picks: int = 509) -> Tensor:
    """What a fixture keeps of a large tensor, float32: mean, standard deviation, root mean square, then values at even distances."""
    flat = tensor.detach().double().flatten()
    places = torch.linspace(0, len(flat) - 1, min(picks, len(flat)), dtype=torch.float64).long()
    return torch.cat([torch.stack([flat.mean(), flat.std(), flat.square().mean().sqrt()]), flat[places]]).float()


def digests(tensors: Iterable[tuple[str, Tensor]]) -> list[Tensor]:
    """A short digest of each tensor, in order of their official names."""
    return [digest(tensor, picks=29) for _, tensor in sorted(tensors, key=lambda named: named[0])]
