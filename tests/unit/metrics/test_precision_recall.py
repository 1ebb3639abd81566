"""Oracles: sets on a line worked out by hand, brute force in float64, and the two directions that are easily swapped."""

import numpy as np
import pytest
import torch

from sra.metrics.precision_recall import ARITHMETIC, STRIP, Cloud, half_squared_distances, neighbour_radii, precision_recall, squared_distances

MODES = ["fp32", "adm_fp16"]


def cloud(seed, count, d=16, spread=1.0):
    return torch.randn(count, d, generator=torch.Generator().manual_seed(seed)) * spread


def line(*points):
    return torch.tensor(points, dtype=torch.float32)[:, None]


def distances(function, u, v):
    return function(Cloud.of(u), Cloud.of(v))


def shares(*arguments, **options):
    found = precision_recall(*arguments, **options)
    return found.precision, found.recall


def brute_force(reference, samples):
    """From the definition, in float64 and without any expansion of squares."""
    reference, samples = reference.double().numpy(), samples.double().numpy()

    def apart(u, v):
        return ((u[:, None] - v[None]) ** 2).sum(2)

    def radii(u):
        return np.sort(apart(u, u), axis=1)[:, 3]

    between = apart(reference, samples)
    return (between <= radii(reference)[:, None]).any(0).mean(), (between <= radii(samples)[None]).any(1).mean()


@pytest.mark.parametrize("mode", MODES)
def test_the_third_neighbour_on_a_line(mode):
    for block in (1, 2, 3, 10):
        assert neighbour_radii(Cloud.of(line(0, 1, 2, 3, 10)), ARITHMETIC[mode], block).tolist() == [9, 4, 4, 9, 81]


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


@pytest.mark.parametrize("block", [3, 50, 97, None])
def test_off_ties_the_block_size_changes_nothing_in_float32_either(block):
    """Blocks of another shape may round the products otherwise; no share moves while no distance lies at a radius within that rounding."""
    reference, samples = cloud(2, 250), cloud(3, 400) + 0.4
    assert shares(reference, samples, "fp32", block) == pytest.approx(brute_force(reference, samples), abs=1e-12)


def test_radii_agree_with_float64_to_rounding_whatever_the_block():
    points = (cloud(0, 300, d=512, spread=0.3) + 0.4).relu()
    expected = torch.cdist(points.double(), points.double()).square().sort(1).values[:, 3]
    for block in (7, 128, 299, 300):
        radii = neighbour_radii(Cloud.of(points), ARITHMETIC["fp32"], block)
        # Rounding is that of the norms, from which the distance is a difference.
        assert (radii - expected).abs().max() < 1e-6 * points.square().sum(1).max()


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
    rounded = distances(half_squared_distances, u, v)
    assert torch.equal(rounded, rounded.half().float())
    assert torch.allclose(rounded, distances(squared_distances, u, v), rtol=1e-2)
    assert not torch.equal(rounded, distances(squared_distances, u, v))


@pytest.mark.parametrize("row", [0, 5, STRIP + 3], ids=["first row", "another row", "a later strip"])
def test_a_block_that_overflows_half_precision_is_computed_in_float32_as_a_whole(row):
    u, v = cloud(8, STRIP + 10), cloud(9, 30)
    u[row] += 100
    assert u[row].square().sum() > 65_504
    assert torch.equal(distances(half_squared_distances, u, v), distances(squared_distances, u, v))


def test_only_the_overflowing_block_falls_back(monkeypatch):
    u, v = cloud(8, 40), cloud(9, 30)
    u[35] += 100
    fallen = []
    monkeypatch.setattr("sra.metrics.precision_recall.squared_distances", lambda a, b: fallen.append(len(a)) or squared_distances(a, b))
    precision_recall(u, v, "adm_fp16", block=30)
    # Row 35 is in the second block: with the first, with the first as its column, with itself, and with the samples.
    assert sorted(fallen) == [10, 10, 10, 30]


def test_half_precision_keeps_the_suites_order_of_the_norms():
    """(|u|^2 - 2 u v) + |v|^2 rounds otherwise than (|v|^2 - 2 u v) + |u|^2: no block may stand for its transpose."""
    u = cloud(4, 200, d=64) * torch.linspace(1, 4, 200)[:, None]  # lengths whose float16 neighbours lie differently far apart
    halves = u.numpy().astype(np.float16).astype(np.float32)
    norms, products = np.square(halves).sum(1).astype(np.float16), (halves @ halves.T).astype(np.float16)
    expected = np.maximum((norms[:, None] - np.float16(2) * products) + norms, np.float16(0)).astype(np.float32)
    assert not np.array_equal(expected, expected.T)
    found = distances(half_squared_distances, u, u).numpy()
    # Sums in another order move a few products to the neighbouring float16; the other order of the norms would move far more.
    assert (found != expected).mean() < 0.1 * (expected != expected.T).mean()
    assert np.array_equal(neighbour_radii(Cloud.of(u), ARITHMETIC["adm_fp16"], 60), np.sort(found, axis=1)[:, 3])


def test_distances_that_cancel_are_never_below_zero():
    far = cloud(5, 100) + 1000
    assert distances(squared_distances, far, far.clone()).min() == 0


def test_refuses_sets_without_a_third_neighbour():
    with pytest.raises(ValueError, match="more than 3 sample features, got 3"):
        precision_recall(cloud(0, 10), cloud(1, 3))
