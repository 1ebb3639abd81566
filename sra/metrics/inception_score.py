"""Inception score: how sure the classifier is of each image and how evenly its answers spread.

Source: Salimans et al. 2016; the ADM suite (evaluations/evaluator.py), which drops the classifier's bias and averages chunks in file order.
So the value depends on the order of the samples and on what is left for the last chunk; `InceptionScore.warnings` tells when it does.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

CHUNK = 5000
SHORT = 1 / 2  # of a full chunk: a shorter last one has a visibly lower score
FALSE_ALARM = 1e-9  # largest probability that samples in random order are said to be sorted


@dataclass(frozen=True)
class Chunk:
    """images: their number n.  score: between 1 and K.  mean: (K,) float64, the average answer p(y)."""

    images: int
    score: float
    mean: np.ndarray


@dataclass(frozen=True)
class Spread:
    """Of each class's probability over all images, (K,) float64: its mean, variance (divided by N), least and largest value."""

    mean: np.ndarray
    variance: np.ndarray
    least: np.ndarray
    largest: np.ndarray


@dataclass(frozen=True)
class InceptionScore:
    """chunks: in file order.  one_split: the score of all images as one chunk, in which their order counts for nothing.  spread: over all images."""

    chunks: tuple[Chunk, ...]
    one_split: float
    spread: Spread

    @property
    def value(self) -> float:
        """The ADM suite's: the mean over chunks, a short last one counting as much as a full one."""
        return sum(chunk.score for chunk in self.chunks) / len(self.chunks)

    @cached_property
    def chance_of_order(self) -> float:
        """No less than the probability that samples in random order have chunks which differ as much as these in some class; at most 1.

        A random order makes each chunk a draw without replacement from all answers, whatever they are, hard or soft. Its mean then obeys
        Bennett's inequality with their variance and range (Hoeffding 1963, theorems 3 and 4), in each chunk and class, on either side.
        """
        if len(self.chunks) == 1:
            return 1.0
        exponents = [_bennett(chunk, self.spread) for chunk in self.chunks]
        return min(1.0, 2 * len(self.chunks) * len(self.spread.mean) * math.exp(-max(exponents)))

    @property
    def warnings(self) -> list[str]:
        """What makes the value another one than that of these images in any order."""
        found, last = [], self.chunks[-1]
        full = self.chunks[0].images
        if len(self.chunks) > 1 and last.images < SHORT * full:
            others = sum(chunk.score for chunk in self.chunks[:-1]) / (len(self.chunks) - 1)
            found.append(
                f"IS: the last of {len(self.chunks)} chunks holds {last.images} images, the others {full}, and counts as much as they do; "
                f"without it {others:.2f}, over one split {self.one_split:.2f}; compare with scores of the same count only"
            )
        if self.chance_of_order < FALSE_ALARM:
            found.append(
                f"IS: the chunks of {full} images in file order show different classes, far beyond chance: the samples are sorted; "
                f"over one split {self.one_split:.2f}; shuffle images and labels alike, or draw labels at random"
            )
        return found


def inception_score(logits: Tensor, chunk: int = CHUNK) -> float:
    """`InceptionScore.value`, between 1 and K, of logits (N, K) without bias, in file order."""
    return inception_scores(logits, chunk).value


def inception_scores(logits: Tensor, chunk: int = CHUNK) -> InceptionScore:
    """The score of logits (N, K) without bias, in file order, by chunks of exp(mean_n KL(p(y|x_n) || p(y)))."""
    if not len(logits):
        raise ValueError("an inception score needs at least one image")
    chunks, sureness = [], 0.0
    squares = torch.zeros(logits.shape[1], dtype=torch.float64, device=logits.device)
    least, largest = torch.full_like(squares, torch.inf), torch.full_like(squares, -torch.inf)
    for part in logits.split(chunk):
        # Logarithms throughout, in float64: a probability that underflows contributes 0 and not NaN.
        log_probability = torch.log_softmax(part.double(), dim=1)
        log_average = log_probability.logsumexp(0) - math.log(len(part))
        probability = log_probability.exp()
        divergence = (probability * (log_probability - log_average)).sum(1)
        average = log_average.exp()
        chunks.append(Chunk(len(part), math.exp(divergence.mean()), average.cpu().numpy()))
        # The mean of p log p, of which the score over one split is made: the divergences without what was taken from them.
        sureness += float(divergence.sum()) - len(part) * _entropy(average)
        squares += probability.square().sum(0)
        least, largest = torch.minimum(least, probability.amin(0)), torch.maximum(largest, probability.amax(0))
    shares = np.array([part.images for part in chunks]) / len(logits)
    mean = shares @ np.stack([part.mean for part in chunks])
    variance = np.maximum(squares.cpu().numpy() / len(logits) - mean**2, 0)
    one_split = chunks[0].score if len(chunks) == 1 else math.exp(sureness / len(logits) + _entropy(torch.from_numpy(mean)))
    return InceptionScore(tuple(chunks), one_split, Spread(mean, variance, least.cpu().numpy(), largest.cpu().numpy()))


def _entropy(probability: Tensor) -> float:
    return float(torch.special.entr(probability).sum())


def _bennett(chunk: Chunk, spread: Spread) -> float:
    """The largest exponent over the classes: e to its negative bounds the chance of a mean as far from that of all, on its side."""
    away = chunk.mean - spread.mean
    room = np.where(away > 0, spread.largest - spread.mean, spread.mean - spread.least)
    # A class whose probability varies by rounding only tells nothing.
    varies = (spread.variance > 1e-24) & (room > 1e-12)
    distance, room, variance = np.abs(away[varies]), room[varies], spread.variance[varies]
    ratio = distance * room / variance
    return float((chunk.images * variance / room**2 * ((1 + ratio) * np.log1p(ratio) - ratio)).max(initial=0.0))
