"""The classes that samples were asked to show: held against how many there are, and against how they are said to have been chosen."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy import stats

from sra.core.errors import InputError

LabelPolicy = Literal["random", "balanced"]

MOST_CLASSES = 100_000  # of any data set; no table is made for labels beyond it
NEVER_BY_CHANCE = 1e-6  # counts more even than this are not random
BEYOND_DOUBT = 1e-9  # counts less even than this are not random


def check_labels(labels: np.ndarray, count: int, classes: int | None) -> None:
    """Raise InputError unless there are `count` integers from 0, each of them one of `classes` where that is known."""
    if labels.shape != (count,) or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"samples: labels are {labels.dtype} {labels.shape}; expected one integer for each of the {count} images")
    if labels.min() < 0:
        raise InputError(f"samples: label {labels.min()} at index {labels.argmin()}; classes count from 0")
    if labels.max() >= (classes or MOST_CLASSES):
        there_are = f"there are {classes} classes, 0 to {classes - 1}" if classes else f"no data set has more than {MOST_CLASSES:,} classes"
        raise InputError(f"samples: label {labels.max()} at index {labels.argmax()}; {there_are}; correct the labels, or score without them")


def check_policy(labels: np.ndarray | None, policy: LabelPolicy, classes: int | None, drawn: Sequence[int] | None = None) -> None:
    """Raise InputError unless checked labels can have been chosen as claimed: every class equally often give or take one, or by chance.

    classes: how many there are; None: as many as the labels show.  drawn: the classes that were drawn from, each as often as it is named.
    """
    if labels is None:
        raise InputError(f"samples: labels were declared {policy}, yet there are none; leave out --labels, or add them to the npz as labels")
    counts = per_class(labels, classes)
    names = np.arange(len(counts))
    if drawn is not None:
        others = np.flatnonzero((counts > 0) & ~np.isin(names, drawn))
        if len(others):
            raise InputError(f"samples: class {others[0]} was not to be drawn, {counts[others[0]]} images have it; draw the samples again")
        names = np.unique(drawn)
        if len(names) < len(drawn):
            return  # a class that is named twice is drawn twice as often
        counts = np.pad(counts, (0, max(0, int(names.max()) + 1 - len(counts))))[names]
    most, least = counts.argmax(), counts.argmin()
    spread = f"class {names[most]} has {counts[most]} images and class {names[least]} {counts[least]}"
    if policy == "balanced" and np.ptp(counts) > 1:
        raise InputError(f"samples: labels were declared balanced, yet {spread}; leave out --labels, or draw them again")
    if policy == "random" and np.ptp(counts) <= 1 and _chance_of_balance(counts) < NEVER_BY_CHANCE:
        raise InputError(
            f"samples: labels were declared random, yet all {len(counts)} classes have {counts.min()} images, give or take one; "
            "chance does not do that: declare them balanced"
        )
    if policy == "random" and chance_of_unevenness(counts) < BEYOND_DOUBT:
        raise InputError(
            f"samples: labels were declared random, yet {spread}, of {len(counts)} classes; chance does not do that: "
            "leave out --labels, or draw the labels again"
        )


def per_class(labels: np.ndarray, classes: int | None) -> np.ndarray:
    """(K,) samples of each class from 0, K = `classes` or as many as the labels (N,) show. For labels that `check_labels` let pass."""
    return np.bincount(labels.astype(np.int64), minlength=classes or 0)


def chance_of_unevenness(counts: np.ndarray) -> float:
    """Probability that labels drawn uniformly give counts (K,) at least as unequal, by Pearson's statistic; of two estimates the larger.

    The statistic grows with the number of pairs of equal labels. Its chi-square law is too narrow while few are expected; pairs then follow
    Poisson's, which is too narrow once each class has many.
    """
    total, classes = int(counts.sum()), len(counts)
    if classes < 2:
        return 1.0
    statistic = classes / total * float(np.square(counts.astype(float)).sum()) - total
    pairs, expected = float((counts * (counts - 1.0)).sum()) / 2, total * (total - 1) / (2 * classes)
    return float(max(stats.chi2.sf(statistic, classes - 1), stats.poisson.sf(pairs - 1, expected)))


def _chance_of_balance(counts: np.ndarray) -> float:
    """Probability that labels drawn uniformly at random give every class these almost equal counts, in any order of the classes."""
    total, classes, larger = int(counts.sum()), len(counts), int((counts > counts.min()).sum())
    orders = math.lgamma(classes + 1) - math.lgamma(larger + 1) - math.lgamma(classes - larger + 1)
    draws = math.lgamma(total + 1) - sum(math.lgamma(int(count) + 1) for count in counts)
    return math.exp(orders + draws - total * math.log(classes))
