"""Oracles: sets on a line worked out by hand, brute force in float64, and the two directions that are easily swapped."""

import numpy as np
import pytest
import torch

from sra.metrics import neighbours
from sra.metrics.neighbours import Balls, Distinct, Points, lower_bounds
from sra.metrics.precision_recall import STRIP, Cloud, half_radii, half_squared_distances, precision_recall, squared_distances

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
        return np.stack([((row - v) ** 2).sum(1) for row in u])

    def radii(u):
        return np.sort(apart(u, u), axis=1)[:, 3]

    between = apart(reference, samples)
    return (between <= radii(reference)[:, None]).any(0).mean(), (between <= radii(samples)[None]).any(1).mean()


def radii(points, block, dtype=torch.float32):
    """Of all of N points, of which none are equal."""
    balls = Balls(Distinct.of(points), points.mean(0), dtype, block)
    return balls.radii(torch.arange(len(points)))


def test_the_third_neighbour_on_a_line():
    for block in (1, 2, 3, 10):
        assert radii(line(0, 1, 2, 3, 10), block).tolist() == [9, 4, 4, 9, 81]
        assert half_radii(Cloud.of(line(0, 1, 2, 3, 10)), block).tolist() == [9, 4, 4, 9, 81]


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
@pytest.mark.parametrize("block", [4, 7, 64, 1000])
def test_the_block_size_changes_nothing(mode, block):
    # Whole numbers: every distance is exact in both precisions, however the products are summed.
    generator = torch.Generator().manual_seed(0)
    reference = torch.randint(-3, 4, (61, 6), generator=generator).float()
    samples = torch.randint(-3, 5, (83, 6), generator=generator).float()
    assert shares(reference, samples, mode, block) == shares(reference, samples, "fp32")


def near_duplicates(count, d=2048, seed=0):
    """c + 1e-4 N(0, 1): squared distances of 2e-8 d beside squared lengths of d / 3, whose float32 neighbours lie 6e-8 of them apart."""
    centre = torch.rand(d, generator=torch.Generator().manual_seed(seed))
    return centre + 1e-4 * cloud(seed + 1, count, d), centre + 1e-4 * cloud(seed + 2, count, d)


def wide_and_narrow(count):
    """Two tight heaps far from each other, which no one centre brings near to zero."""
    narrow, other = near_duplicates(count, d=64)
    return torch.cat([narrow[::2], narrow[1::2] + 1]), torch.cat([other[::2], other[1::2] + 1])


CLOSE = {
    "near duplicates": lambda: near_duplicates(150, d=512),
    "two heaps": lambda: wide_and_narrow(120),
    "a heap in a cloud": lambda: tuple(torch.cat([near_duplicates(90, 64)[side], cloud(8 + side, 60, 64)]) for side in (0, 1)),
    "one ulp apart": lambda: tuple((1 + torch.finfo(torch.float32).eps * cloud(seed, 120, 8).round()) for seed in (1, 2)),
    "copies within and between": lambda: (cloud(1, 40).repeat(3, 1), torch.cat([cloud(1, 40)[:9].repeat(7, 1), cloud(2, 50)])),
    "far from zero": lambda: (cloud(1, 120) + 3000, cloud(2, 120) + 3000.5),
    "tiny": lambda: (cloud(1, 100) * 1e-30, cloud(2, 100) * 1.1e-30),
    "huge": lambda: (cloud(1, 100) * 1e30, cloud(2, 100) * 1.1e30),
}


@pytest.mark.parametrize("block", [11, 50, 97, None])
@pytest.mark.parametrize("sets", CLOSE.values(), ids=CLOSE.keys())
def test_close_points_have_their_own_distances_whatever_the_block(sets, block):
    """Rounding of |u|^2 - 2 u.v + |v|^2 is larger than the distances here, and larger in some blocks than in others."""
    reference, samples = sets()
    assert shares(reference, samples, "fp32", block) == pytest.approx(brute_force(reference, samples), abs=1e-12)


def test_near_duplicates_at_the_extractors_size():
    reference, samples = near_duplicates(300)
    expected = brute_force(reference, samples)
    assert 0.3 < min(expected) < max(expected) < 0.7
    assert shares(reference, samples) == pytest.approx(expected, abs=1e-12)
    assert shares(reference, samples, "adm_fp16") == (1, 1)  # as the suite that it repeats


def test_a_crowd_is_settled_by_products_in_float64_and_agrees(monkeypatch):
    """Two ways to the same answer: with and without the shortcut for blocks of which much is undecided."""
    reference, samples = wide_and_narrow(160)
    expected = shares(reference, samples)
    monkeypatch.setattr(neighbours, "CROWDED", 2.0)
    monkeypatch.setattr(neighbours, "PENDING", 100)
    assert shares(reference, samples) == expected == pytest.approx(brute_force(reference, samples), abs=1e-12)


@pytest.mark.parametrize("block", [7, 128, 299, 300])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_radii_are_those_of_float64_whatever_the_block(block, dtype):
    points = (cloud(0, 300, d=512, spread=0.3) + 0.4).relu()
    expected = torch.cdist(points.double(), points.double(), compute_mode="donot_use_mm_for_euclid_dist").square().sort(1).values[:, 3]
    found = radii(points, block, dtype)
    assert found.tolist() == pytest.approx(expected.tolist(), rel=1e-12)
    assert torch.equal(found, radii(points, 300))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e-19, 1e-4, 1.0, 1e15])
def test_no_distance_is_outside_of_its_bounds(scale, dtype):
    u, v = cloud(0, 200, d=100) * scale, cloud(1, 150, d=100) * scale
    v[:100] = u[:100] * (1 + 1e-6)
    exact = torch.cdist(u.double(), v.double(), compute_mode="donot_use_mm_for_euclid_dist").square()
    first, second = (Points.of(x, torch.full((100,), scale / 3), dtype, 64) for x in (u, v))
    lower = lower_bounds(first, second).double()
    assert (lower <= exact).all()
    assert (exact <= lower + (first.slack[:, None] + second.slack).double()).all()
    assert (first.slack.max() if scale > 1e-10 else 0) < 1e-4 * (exact.max() + scale**2)  # and they are of use


def test_usual_features_leave_next_to_nothing_to_decide(monkeypatch):
    """Or the exact answer would cost what it costs to subtract every pair."""
    decided = []
    original = neighbours.squared_distances
    monkeypatch.setattr(neighbours, "squared_distances", lambda u, v: decided.append(len(u)) or original(u, v))
    precision_recall((cloud(4, 500, d=64, spread=0.3) + 2.3).relu(), (cloud(5, 900, d=64, spread=0.3) + 2.32).relu())
    assert sum(decided) < 0.002 * 500 * 900


def test_copies_of_the_reference_lie_inside_of_it():
    """A distance that is a radius too has the same bits, so the border is hit."""
    reference = (cloud(3, 200, d=300) + 0.4).relu()
    for block in (None, 61):
        assert shares(reference, reference.flip(0).clone(), "fp32", block) == (1, 1)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_features_that_are_not_finite_are_refused(value):
    broken = cloud(0, 20)
    broken[3, 4] = value
    for sets, name in (((broken, cloud(1, 20)), "reference"), ((cloud(1, 20), broken), "sample")):
        with pytest.raises(ValueError, match=f"the {name} features are not all finite"):
            precision_recall(*sets)


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
    assert np.array_equal(half_radii(Cloud.of(u), 60), np.sort(found, axis=1)[:, 3])


def test_distances_that_cancel_are_never_below_zero():
    far = cloud(5, 100) + 1000
    assert distances(squared_distances, far, far.clone()).min() == 0


def test_refuses_sets_without_a_third_neighbour():
    with pytest.raises(ValueError, match="more than 3 sample features, got 3"):
        precision_recall(cloud(0, 10), cloud(1, 3))
