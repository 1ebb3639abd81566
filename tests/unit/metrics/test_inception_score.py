"""Oracles: the extremes of the score, a loop written from the definition, the chunk rule."""

import math

import numpy as np
import pytest
import torch

from sra.metrics.inception_score import FALSE_ALARM, inception_score, inception_scores


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


def soft_answers(seed, count, classes=10, sure=4.0):
    """Logits (count, classes) of a classifier that is more or less sure, and the classes (count,) that were asked for."""
    generator = torch.Generator().manual_seed(seed)
    asked = torch.randint(0, classes, (count,), generator=generator)
    logits = torch.randn(count, classes, generator=generator)
    logits[torch.arange(count), asked] += sure
    return logits, asked


@pytest.mark.parametrize(("count", "classes", "sure"), [(10_000, 10, 1.0), (10_000, 10, 4.0), (10_000, 10, 50.0), (20_000, 200, 10.0)])
def test_samples_sorted_by_class_are_said_to_be(count, classes, sure):
    logits, asked = soft_answers(0, count, classes, sure)
    found = inception_scores(logits[asked.argsort(stable=True)])
    assert found.chance_of_order < FALSE_ALARM
    (warning,) = found.warnings
    assert "the samples are sorted" in warning
    assert f"over one split {found.one_split:.2f}" in warning
    assert found.one_split == pytest.approx(inception_scores(logits).one_split)
    assert found.one_split > found.value


@pytest.mark.parametrize("sure", [0.0, 1.0, 4.0, 50.0])
@pytest.mark.parametrize("chunk", [50, 500, 1000])
def test_samples_in_random_order_are_not(sure, chunk):
    """No false alarm, whatever the answers are like: the bound is no less than the true probability."""
    for seed in range(20):
        assert inception_scores(soft_answers(seed, 2000, 10, sure)[0], chunk).chance_of_order > 1e-3


def test_the_bound_holds_where_the_probability_is_known():
    """Of 2 k images k are surely of class 0 and the rest of class 1; one order in C(2 k, k) / 2 is sorted, and none is more so."""
    for k in (4, 8, 20, 100):
        found = inception_scores(one_hot(2 * k, 2, gap=60)[torch.arange(2 * k).view(k, 2).T.flatten()], chunk=k)
        assert min(1.0, 2 / math.comb(2 * k, k)) <= found.chance_of_order
    assert found.chance_of_order < FALSE_ALARM


def test_answers_that_are_all_the_same_are_in_no_order():
    assert inception_scores(random_logits(0, 1).expand(300, -1), chunk=100).chance_of_order == 1


def test_one_split_is_the_score_of_all_images_as_one_chunk():
    logits = random_logits(5, 730)
    found = inception_scores(logits, chunk=100)
    assert found.one_split == pytest.approx(by_definition(logits), rel=1e-10)
    assert found.one_split == pytest.approx(inception_score(logits, chunk=730), rel=1e-12)
    assert [chunk.images for chunk in found.chunks] == [100] * 7 + [30]
    assert [chunk.score for chunk in found.chunks] == pytest.approx([by_definition(part) for part in logits.split(100)], rel=1e-10)
    assert inception_scores(logits).one_split == inception_score(logits)


@pytest.mark.parametrize(("count", "last"), [(501, 1), (4_192, 192), (749, 249)])
def test_a_last_chunk_much_shorter_than_the_others_is_warned_of(count, last):
    logits = soft_answers(1, count)[0]
    found = inception_scores(logits, chunk=500)
    (warning,) = found.warnings
    assert f"the last of {count // 500 + 1} chunks holds {last} images, the others 500" in warning
    assert f"without it {inception_score(logits[:-last], chunk=500):.2f}, over one split {found.one_split:.2f}" in warning


@pytest.mark.parametrize("count", [1, 30, 499, 500, 750, 1000])
def test_other_counts_are_not_warned_of(count):
    assert inception_scores(soft_answers(2, count)[0], chunk=500).warnings == []


def test_a_bias_would_change_the_score():
    logits = random_logits(3, 100)
    assert inception_score(logits + torch.linspace(0, 3, 10)) != pytest.approx(inception_score(logits), rel=1e-3)


def test_duller_answers_score_less():
    logits = random_logits(4, 500)
    assert inception_score(logits) > inception_score(logits / 2) > inception_score(logits / 10)


def test_refuses_nothing():
    with pytest.raises(ValueError, match="at least one image"):
        inception_score(torch.empty(0, 10))
