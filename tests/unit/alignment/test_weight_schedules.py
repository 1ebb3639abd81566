"""Oracle: weights worked out by hand from the released formula."""

import pytest

from sra.alignment.weight_schedule import WeightSchedule

EPOCH = 5004


@pytest.mark.parametrize(
    ("resolution", "epoch", "weight"),
    [(256, 0, 0.2), (256, 149, 0.2), (256, 200, 0.178), (256, 400, 0.112), (256, 800, 0.045), (512, 99, 0.2), (512, 200, 0.150), (512, 400, 0.084)],
)
def test_released_decay(resolution, epoch, weight):
    assert WeightSchedule(0.2, "official_decay", resolution, 1.0).at(epoch * EPOCH) == pytest.approx(weight, abs=5e-4)


def test_weight_changes_at_epochs_alone():
    schedule = WeightSchedule(0.2, "official_decay", 256, 1.0)
    assert schedule.at(150 * EPOCH - 1) == 0.2
    assert schedule.at(150 * EPOCH) == schedule.at(151 * EPOCH - 1) == pytest.approx(0.2 * 10**-0.001)
    assert schedule.at(151 * EPOCH) < schedule.at(151 * EPOCH - 1)


def test_a_small_run_decays_at_the_papers_pace():
    for resolution in (256, 512):
        small, paper = (WeightSchedule(0.04, "official_decay", resolution, scale) for scale in (1000.0, 1.0))
        for step in (0, 700, 1000, 4000):
            assert small.at(step) == paper.at(1000 * step)


def test_constant_stays():
    schedule = WeightSchedule(0.2, "constant", 256, 1.0)
    assert schedule.at(0) == schedule.at(4_000_000) == 0.2
