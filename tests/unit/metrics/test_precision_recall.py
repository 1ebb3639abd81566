"""Oracles: sets on a line worked out by hand, brute force in float64, and the two directions that are easily swapped."""

import numpy as np
import pytest
import torch

from sra.metrics.precision_recall import half_squared_distances, neighbour_radii, precision_recall, squared_distances

MODES = ["fp32", "adm_fp16"]


def cloud(seed, count, d=16, spread=1.0):
    return torch.randn(count, d, generator=torch.Generator().manual_seed(seed)) * spread


def line(*points):
    return torch.tensor(points, dtype=torch.float32)[:, None]


def shares(*arguments, **options):
    found = precision_recall(*arguments, **options)
    return found.precision, found.recall


def brute_force(reference, samples):
    """From the definition, in float64 and without any expansion of squares."""
    reference, samples = reference.double().numpy(), samples.double().numpy()

    def distances(u, v):
        return ((u[:, None] - v[None]) ** 2).sum(2)

    def radii(u):
        return np.sort(distances(u, u), axis=1)[:, 3]

    between = distances(reference, samples)
    return (between <= radii(reference)[:, None]).any(0).mean(), (between <= radii(samples)[None]).any(1).mean()


@pytest.mark.parametrize("mode", MODES)
def test_the_third_neighbour_on_a_line(mode):
    distances = squared_distances if mode == "fp32" else half_squared_distances
    assert neighbour_radii(line(0, 1, 2, 3, 10), distances, block=10).tolist() == [9, 4, 4, 9, 81]


@pytest.mark.parametrize("mode", MODES)
def test_a_line_worked_out_by_hand(mode):
    reference, samples = line(0, 1, 2, 3, 10), line(-4, -3, 6, 20, 21)
    # Reference balls: [-3, 3] [-1, 3] [0, 4] [0, 6] [1, 19]: of the samples, -3 and 6 are inside (both on a border), -4, 20, 21 are not.
    # Sample radii: -4 to 20 is 24, -3 to 20 is 23, 6 to 20 is 14, 20 to -3 is 23, 21 to -3 is 24: every reference image is inside one.
    assert shares(reference, samples, mode) == (2 / 5, 1.0)


def test_a_point_on_the_border_is_inside():
    together = line(0, 1, 2, 3)
    # The ball that reaches farthest is [0, 6], around 3. Those of the other sets leave 0 ... 3 inside or out, which is not asked here.
    on_the_border, just_outside = line(6, 60, 61, 62), line(6.001, 60, 61, 62)
    assert precision_recall(reference=together, samples=on_the_border).precision == 1 / 4
    assert precision_recall(reference=together, samples=just_outside).precision == 0
    assert precision_recall(reference=on_the_border, samples=together).recall == 1 / 4
    assert precision_recall(reference=just_outside, samples=together).recall == 0


@pytest.mark.parametrize("mode", MODES)
def test_equal_sets_and_distant_sets(mode):
    reference = cloud(0, 300)
    assert shares(reference, reference.clone(), mode) == (1, 1)
    assert shares(reference, reference + 50, mode) == (0, 0)


@pytest.mark.parametrize("mode", MODES)
def test_a_collapsed_generator_is_precise_and_recalls_little(mode):
    wide, collapsed = cloud(0, 400), cloud(1, 400, spread=0.1)
    precision, recall = shares(wide, collapsed, mode)
    assert precision > 0.95
    assert recall < 0.05


@pytest.mark.parametrize("mode", MODES)
def test_a_generator_that_scatters_recalls_and_is_not_precise(mode):
    narrow, scattered = cloud(0, 400, spread=0.1), cloud(1, 400)
    precision, recall = shares(narrow, scattered, mode)
    assert precision < 0.05
    assert recall > 0.95


def test_agrees_with_brute_force_in_float64():
    reference, samples = cloud(2, 250), cloud(3, 400) + 0.4
    expected = brute_force(reference, samples)
    assert 0.1 < min(expected) < max(expected) < 0.95  # neither share is a trivial one
    assert shares(reference, samples) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("block", [1, 7, 64, 1000])
def test_the_block_size_changes_nothing(mode, block):
    # Whole numbers: every distance is exact in both precisions, however the products are summed.
    generator = torch.Generator().manual_seed(0)
    reference = torch.randint(-3, 4, (61, 6), generator=generator).float()
    samples = torch.randint(-3, 5, (83, 6), generator=generator).float()
    assert shares(reference, samples, mode, block) == shares(reference, samples, "fp32")


def test_half_precision_lifts_both_where_it_makes_ties():
    # Squared norms of several hundred, as Inception's: there neighbouring float16 numbers are 0.25 to 0.5 apart.
    reference, samples = (cloud(4, 500, d=64, spread=0.3) + 2.3).relu(), (cloud(5, 900, d=64, spread=0.3) + 2.32).relu()
    assert 300 < reference.square().sum(1).mean() < 500
    exact, rounded = shares(reference, samples), shares(reference, samples, "adm_fp16")
    assert rounded[0] >= exact[0]
    assert rounded[1] >= exact[1]
    assert rounded != exact


def test_half_distances_are_half_precision_numbers():
    u, v = cloud(6, 20), cloud(7, 30)
    rounded = half_squared_distances(u, v)
    assert torch.equal(rounded, rounded.half().float())
    assert torch.allclose(rounded, squared_distances(u, v), rtol=1e-2)
    assert not torch.equal(rounded, squared_distances(u, v))


def test_a_block_that_overflows_half_precision_is_computed_in_float32():
    u, v = cloud(8, 20) + 100, cloud(9, 30)
    assert u.square().sum(1).min() > 65_504
    assert torch.equal(half_squared_distances(u, v), squared_distances(u, v))


def test_refuses_sets_without_a_third_neighbour():
    with pytest.raises(ValueError, match="more than 3 sample features, got 3"):
        precision_recall(cloud(0, 10), cloud(1, 3))
