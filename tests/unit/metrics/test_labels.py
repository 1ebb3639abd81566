"""Labels against the number of classes and against their policy: what chance does is let pass, what it never does is refused."""

import numpy as np
import pytest

from sra.core.errors import InputError
from sra.metrics.labels import MOST_CLASSES, chance_of_unevenness, check_labels, check_policy, per_class


def drawn(seed, count, classes):
    return np.random.default_rng(seed).integers(0, classes, count)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint64, np.int64])
def test_labels_of_the_classes_pass_and_are_counted(dtype):
    labels = drawn(0, 300, 7).astype(dtype)
    check_labels(labels, 300, 7)
    check_labels(labels, 300, None)
    check_policy(labels, "random", 7)
    assert per_class(labels, 9).tolist() == [*np.bincount(labels.astype(int), minlength=7), 0, 0]


@pytest.mark.parametrize("classes", [10, None])
def test_a_label_beyond_all_classes_is_refused_by_its_place(classes):
    labels = np.zeros(50, np.int64)
    labels[3] = 2**40
    known = "there are 10 classes, 0 to 9" if classes else "no data set has more than 100,000"
    with pytest.raises(InputError, match=f"label 1099511627776 at index 3; {known}") as caught:
        check_labels(labels, 50, classes)
    assert "\n" not in str(caught.value)
    labels[3] = (classes or MOST_CLASSES) - 1
    check_labels(labels, 50, classes)
    labels[3] += 1
    with pytest.raises(InputError, match="at index 3"):
        check_labels(labels, 50, classes)


UNEVEN = {
    "one class": np.zeros(500, np.int64),
    "half of the classes": drawn(1, 500, 5),
    "half of the classes, evenly": np.arange(500) % 5,
    "one class twice as often": np.concatenate([drawn(2, 5000, 10), np.full(500, 3)]),
}


@pytest.mark.parametrize("labels", UNEVEN.values(), ids=UNEVEN.keys())
def test_what_chance_never_does_is_neither_random_nor_balanced(labels):
    for policy in ("random", "balanced"):
        with pytest.raises(InputError, match=f"declared {policy}, yet class"):
            check_policy(labels, policy, 10)


def test_half_of_a_thousand_classes_is_told_by_two_images_a_class():
    with pytest.raises(InputError, match="chance does not do that"):
        check_policy(drawn(3, 2000, 500), "random", 1000)


@pytest.mark.parametrize(("count", "classes"), [(4, 1000), (12, 4), (100, 30), (500, 10), (1000, 1000), (50_000, 1000)])
def test_random_labels_pass_as_random(count, classes):
    for seed in range(200):
        check_policy(drawn(seed, count, classes), "random", classes)


@pytest.mark.parametrize(("count", "classes"), [(30, 1000), (300, 1000), (1000, 1000), (500, 10), (100, 30)])
def test_the_chance_is_about_as_large_as_it_says(count, classes):
    chances = np.array([chance_of_unevenness(np.bincount(drawn(seed, count, classes), minlength=classes)) for seed in range(4000)])
    for said in (1e-1, 1e-2):
        assert (chances < said).mean() < 1.6 * said  # estimates, but good ones; the threshold has orders of magnitude to spare


def test_balanced_means_all_classes():
    check_policy(np.arange(25) % 10, "balanced", 10)
    check_policy(np.arange(5), "balanced", 10)  # fewer samples than classes
    with pytest.raises(InputError, match="class 0 has 5 images and class 5 0"):
        check_policy(np.arange(25) % 5, "balanced", 10)
    check_policy(np.arange(25) % 5, "balanced", None)  # nobody says that there are more


def test_classes_that_were_chosen_are_those_that_count():
    check_policy(np.array([2, 7] * 50), "balanced", 10, drawn=(7, 2))
    check_policy(np.where(drawn(0, 400, 2) == 0, 2, 7), "random", 10, drawn=(7, 2))
    check_policy(np.array([2, 7, 7] * 50), "balanced", 10, drawn=(7, 2, 7))
    with pytest.raises(InputError, match="class 3 was not to be drawn, 1 images have it"):
        check_policy(np.array([2, 7, 3]), "balanced", 10, drawn=(7, 2))
    with pytest.raises(InputError, match="class 2 has 20 images and class 9 0"):
        check_policy(np.array([2] * 20), "balanced", None, drawn=(2, 9))
