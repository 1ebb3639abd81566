"""Linear probes: against one written plainly, on features whose answer is known, and without any image in both halves."""

import math

import numpy as np
import pytest
import torch

from sra.analysis.probe import EPSILON, Probes, held_out_rows, probe_accuracies
from sra.core.errors import InputError
from sra.data.order import batch_indices
from sra.spec.scale import ProbeTraining

CPU = torch.device("cpu")
SMALL = ProbeTraining(epochs=6, batch=50, learning_rate=1e-2, held_out=100, seed=3)


def clusters(spread, blocks=1, count=400, width=8, classes=4, seed=0):
    """Features (N, K, D) around a centre of their class, less clear from block to block."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, count)
    centres = random.standard_normal((classes, width))
    noise = random.standard_normal((count, blocks, width))
    spreads = spread * 4.0 ** np.arange(blocks)
    return (centres[labels][:, None] + spreads[:, None] * noise).astype(np.float32), labels


def test_clear_classes_are_told_apart_and_noise_is_not():
    features, labels = clusters(0.05, blocks=3)
    clear, less, noisy = probe_accuracies(features, labels, 4, SMALL, CPU, "probe")
    assert clear == 1.0
    assert clear >= less > noisy
    shuffled = np.random.default_rng(1).permutation(labels)
    assert probe_accuracies(features, shuffled, 4, SMALL, CPU, "probe")[0] == pytest.approx(0.25, abs=0.15)


def test_equals_a_probe_written_plainly():
    """One block, torch's own modules, gradients of the mean."""
    features, labels = clusters(1.0)
    train, held_out = held_out_rows(len(features), SMALL)
    norm, linear = torch.nn.BatchNorm1d(8, eps=EPSILON, affine=False), torch.nn.Linear(8, 4)
    with torch.no_grad():
        linear.weight.copy_(Probes(1, 8, 4, SMALL.seed).weight[0].T)
        linear.bias.zero_()
    optimizer = torch.optim.AdamW(linear.parameters(), weight_decay=0.0)
    steps = SMALL.epochs * (len(train) // SMALL.batch)
    inputs, wanted = torch.from_numpy(features[:, 0]), torch.from_numpy(labels)
    for step in range(steps):
        rows = train[batch_indices(len(train), SMALL.batch, SMALL.seed, step)]
        for group in optimizer.param_groups:
            group["lr"] = SMALL.learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(linear(norm(inputs[rows])), wanted[rows]).backward()
        optimizer.step()
    norm.eval()
    expected = (linear(norm(inputs[held_out])).argmax(1) == wanted[held_out]).double().mean().item()
    assert 0.3 < expected < 1.0
    assert probe_accuracies(features, labels, 4, SMALL, CPU, "probe") == [pytest.approx(expected, abs=0.011)]


def test_blocks_do_not_touch_each_other():
    features, labels = clusters(1.0, blocks=3)
    together = probe_accuracies(features, labels, 4, SMALL, CPU, "probe")
    alone = [probe_accuracies(features[:, [block]], labels, 4, SMALL, CPU, "probe")[0] for block in range(3)]
    assert together == pytest.approx(alone, abs=0.011)  # one image in a hundred may lie on the border


def test_the_same_again():
    features, labels = clusters(1.0, blocks=2)
    assert probe_accuracies(features, labels, 4, SMALL, CPU, "a") == probe_accuracies(features, labels, 4, SMALL, CPU, "b")


def test_no_image_trains_and_scores():
    train, held_out = held_out_rows(400, SMALL)
    assert sorted([*train, *held_out]) == list(range(400))
    assert len(held_out) == SMALL.held_out
    other = held_out_rows(400, SMALL.model_copy(update={"seed": 4}))[1]
    assert set(other) != set(held_out)
    with pytest.raises(InputError, match="100 images held out of 100 leave none to train on"):
        held_out_rows(100, SMALL)


def test_a_small_set_is_one_batch():
    features, labels = clusters(0.05, count=130)
    assert probe_accuracies(features, labels, 4, SMALL.model_copy(update={"batch": 4096, "epochs": 200}), CPU, "probe")[0] > 0.95


def test_scores_are_of_the_held_out_images_alone():
    """Wrong labels there, and only there: what was learnt is right and every answer wrong."""
    features, labels = clusters(0.05)
    held_out = held_out_rows(len(labels), SMALL)[1]
    wrong = labels.copy()
    wrong[held_out] = (wrong[held_out] + 1) % 4
    assert probe_accuracies(features, wrong, 4, SMALL, CPU, "probe") == [0.0]
