"""Inception score: how sure the classifier is of each image and how evenly its answers spread.

Source: Salimans et al. 2016; the ADM suite (evaluations/evaluator.py), which drops the classifier's bias and averages chunks.
"""

import math

import torch
from torch import Tensor

CHUNK = 5000


def inception_score(logits: Tensor, chunk: int = CHUNK) -> float:
    """Mean over chunks of exp(mean_n KL(p(y|x_n) || p(y))), between 1 and K.

    logits: (N, K) without bias, in file order. As in the ADM suite a short last chunk counts as much as a full one.
    """
    if not len(logits):
        raise ValueError("an inception score needs at least one image")
    return sum(_chunk_score(part) for part in logits.split(chunk)) / math.ceil(len(logits) / chunk)


def _chunk_score(logits: Tensor) -> float:
    """exp of the mean divergence of the (n, K) answers from their average."""
    # Logarithms throughout, in float64: a probability that underflows contributes 0 and not NaN.
    log_probability = torch.log_softmax(logits.double(), dim=1)
    log_average = log_probability.logsumexp(0) - math.log(len(log_probability))
    divergence = (log_probability.exp() * (log_probability - log_average)).sum(1)
    return math.exp(divergence.mean())
