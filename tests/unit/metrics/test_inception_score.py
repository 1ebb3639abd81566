"""Oracles: the extremes of the score, a loop written from the definition, the chunk rule."""

import math

import numpy as np
import pytest
import torch

from sra.metrics.inception_score import inception_score


def one_hot(count, classes, gap):
    return gap * torch.eye(classes)[torch.arange(count) % classes]


def random_logits(seed, count, classes=10):
    return torch.randn(count, classes, generator=torch.Generator().manual_seed(seed)) * 3


def by_definition(logits):
    logits = np.asarray(logits, dtype=np.float64)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    average = p.mean(0)
    return math.exp(np.mean([sum(p[n, k] * math.log(p[n, k] / average[k]) for k in range(p.shape[1])) for n in range(len(p))]))


def test_sure_and_even_answers_score_the_number_of_classes():
    assert inception_score(one_hot(2000, 1000, gap=50)) == pytest.approx(1000, rel=1e-9)


def test_equal_answers_score_one():
    assert inception_score(random_logits(0, 1).expand(300, -1)) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("gap", [120, 5000])
def test_underflowing_probabilities_are_not_nan(gap):
    assert inception_score(one_hot(100, 10, gap)) == pytest.approx(10)


def test_agrees_with_the_definition():
    logits = random_logits(1, 50)
    assert inception_score(logits) == pytest.approx(by_definition(logits), rel=1e-10)


def test_a_short_last_chunk_counts_like_a_full_one():
    """The ADM suite's rule: 40,192 images are eight chunks of 5000 and one of 192, all of equal weight, in file order."""
    logits = random_logits(2, 40_192, classes=5)
    parts = [inception_score(logits[start : start + 5000]) for start in range(0, 40_192, 5000)]
    assert len(parts) == 9
    assert inception_score(logits) == pytest.approx(sum(parts) / 9, rel=1e-12)


def test_file_order_decides_the_chunks():
    logits = one_hot(10_000, 10, gap=50)
    assert inception_score(logits) == pytest.approx(10)
    by_class = logits[logits.argmax(1).argsort(stable=True)]
    assert inception_score(by_class) == pytest.approx(5)  # each half holds five classes


def test_a_bias_would_change_the_score():
    logits = random_logits(3, 100)
    assert inception_score(logits + torch.linspace(0, 3, 10)) != pytest.approx(inception_score(logits), rel=1e-3)


def test_duller_answers_score_less():
    logits = random_logits(4, 500)
    assert inception_score(logits) > inception_score(logits / 2) > inception_score(logits / 10)


def test_refuses_nothing():
    with pytest.raises(ValueError, match="at least one image"):
        inception_score(torch.empty(0, 10))
