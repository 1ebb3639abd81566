"""The order is a shuffle of every epoch, and a function of (seed, step) alone."""

import numpy as np
import pytest

from sra.core.errors import InputError
from sra.data.order import batch_indices


def epoch(number, seed=0, count=100, batch=10):
    steps = count // batch
    return np.concatenate([batch_indices(count, batch, seed, number * steps + step) for step in range(steps)])


def test_an_epoch_shows_every_image_once():
    assert sorted(epoch(0)) == list(range(100))
    assert sorted(epoch(3)) == list(range(100))


def test_the_images_left_over_are_dropped_until_the_next_epoch():
    shown = epoch(0, count=103)
    assert len(shown) == len(set(shown.tolist())) == 100
    assert set(range(103)) == set(shown.tolist()) | set(epoch(1, count=103).tolist()) | set(epoch(2, count=103).tolist())


def test_epochs_and_seeds_differ():
    assert not np.array_equal(epoch(0), epoch(1))
    assert not np.array_equal(epoch(0), epoch(0, seed=1))
    assert not np.array_equal(epoch(0), np.arange(100))


def test_a_step_does_not_depend_on_the_steps_before_it():
    forward = [batch_indices(100, 16, 5, step) for step in range(20)]
    for step in (19, 3, 11, 0):
        assert np.array_equal(batch_indices(100, 16, 5, step), forward[step])


def test_the_batch_size_only_cuts_the_same_order():
    assert np.array_equal(epoch(2, batch=10), epoch(2, batch=25))


def test_indices_are_int64_and_cannot_be_changed_for_the_next_caller():
    indices = batch_indices(100, 10, 0, 0)
    assert indices.dtype == np.int64
    with pytest.raises(ValueError, match="read-only"):
        indices[0] = 7


def test_a_batch_larger_than_the_data_set_is_refused():
    assert sorted(batch_indices(64, 64, 0, 7)) == list(range(64))
    with pytest.raises(InputError, match="batch 65 is larger than the data set of 64 images"):
        batch_indices(64, 65, 0, 0)
