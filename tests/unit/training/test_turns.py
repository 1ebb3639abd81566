"""Steps in turns: which blocks are timed in which order, at which step numbers, and what becomes of a run that stops."""

from types import SimpleNamespace

import pytest

from sra.alignment.weight_schedule import WeightSchedule
from sra.core.errors import InputError
from sra.training import timing, turns
from sra.training.turns import LEAD, WARM_UP_STEPS, check_phases, joined, phases_of, take_turns


class Clock:
    """Trainers whose steps take as long as they are told, on a clock of their own; `taken` are run and step number of each."""

    def __init__(self, monkeypatch, seconds):
        self.now, self.seconds, self.taken, self.checked = 0.0, seconds, [], []
        monkeypatch.setattr(turns.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(turns, "wait_for", lambda trainer: None)

    def opened(self, spec):
        state = SimpleNamespace(step=0)

        def step():
            self.taken.append((spec.run, state.step))
            self.now += self.seconds(spec.run, state.step, len(self.taken))
            state.step += 1

        return SimpleNamespace(state=state, step=step, check_finite=lambda: self.checked.append(spec.run))


def stopping(tiny_run, step: int):
    """A run of the digits preset, of 1,600 of the paper's steps each, whose method stops at a step of it."""
    return tiny_run("sit_b2_sra", stop_step=1600 * step)


def test_a_run_that_stops_has_a_phase_before_and_one_after(tiny_run):
    assert [(phase.first, phase.end) for phase in phases_of(tiny_run("sit_b2"))] == [(0, None)]
    assert [(phase.first, phase.end) for phase in phases_of(tiny_run("sit_b2_sra"))] == [(0, None)]
    spec = tiny_run("sit_b2_sra", stop_step=100_000)
    assert [(phase.first, phase.end) for phase in phases_of(spec)] == [(0, 63), (63, None)]
    schedule = WeightSchedule.of_run(spec.alignment, spec)
    assert schedule.at(62) > 0 == schedule.at(63)
    assert len(phases_of(tiny_run("sit_b2_sra", stop_step=100_000, weight=0.0))) == 1  # nothing to stop
    haste = phases_of(tiny_run("sit_b2_haste"))
    assert [(phase.first, phase.end) for phase in haste] == [(0, 63), (63, None)]  # both parts stop at the paper's 100K


def test_every_turn_has_a_block_of_each_forwards_then_backwards(tiny_run, monkeypatch):
    clock = Clock(monkeypatch, lambda run, step, taken: 1.0)
    take_turns(tiny_run("sit_b2"), [stopping(tiny_run, 50)], clock.opened, turns=5, steps=3)
    warm = 3 * WARM_UP_STEPS
    order = [clock.taken[warm + block * (LEAD + 3)] for block in range(3 * 5)]
    before, after = range(WARM_UP_STEPS, 50, 4), range(50 + WARM_UP_STEPS, 99, 4)
    expected = []
    for turn in range(5):
        blocks = [("sit_b2", before[turn]), ("sit_b2_sra", before[turn]), ("sit_b2_sra", after[turn])]
        expected += blocks if turn % 2 == 0 else blocks[::-1]
    assert order == expected
    assert clock.checked == ["sit_b2", "sit_b2_sra"]


def test_ratios_are_of_the_same_turn_so_that_a_slow_phase_cancels(tiny_run, monkeypatch):
    """The machine is ten times slower for a while, a step of SRA takes 1.5 of the baseline's until it stops, and as long afterwards."""

    def seconds(run, step, taken):
        return (10.0 if 40 < taken < 80 else 1.0) * (1.5 if run == "sit_b2_sra" and step < 30 else 1.0)

    clock = Clock(monkeypatch, seconds)
    found = take_turns(tiny_run("sit_b2"), [stopping(tiny_run, 30)], clock.opened, turns=9, steps=4)
    before, after = found["sit_b2_sra"]
    assert (before.first_step, before.end_step, after.first_step, after.end_step) == (0, 30, 30, None)
    assert max(before.seconds) > 3 * before.median
    assert (before.ratio, after.ratio) == (1.5, 1.0)
    assert before.lowest_ratio <= before.ratio <= before.highest_ratio
    assert before.baseline_seconds == found["sit_b2"][0].seconds
    assert found["sit_b2"][0].ratios == [1.0] * 9


def test_no_block_runs_past_the_stop(tiny_run, monkeypatch):
    clock = Clock(monkeypatch, lambda run, step, taken: 1.0)
    take_turns(tiny_run("sit_b2"), [stopping(tiny_run, 7)], clock.opened, turns=6, steps=5)
    blocks = [block for block in zip(*(clock.taken[3 * WARM_UP_STEPS + shift :: LEAD + 5] for shift in range(LEAD + 5)), strict=True)]
    for block in blocks:
        steps = [step for _, step in block]
        assert steps == list(range(steps[0], steps[0] + LEAD + 5))
        assert block[0][0] == "sit_b2" or steps[-1] < 7 or steps[0] >= 7


def test_the_baseline_has_the_turns_of_all_rounds(tiny_run, monkeypatch):
    clock = Clock(monkeypatch, lambda run, step, taken: 2.0)
    parts = [take_turns(tiny_run("sit_b2"), [tiny_run(run)], clock.opened, 5, 2)["sit_b2"] for run in ("sit_b2_sra", "sit_b2_layersync")]
    [phase] = joined(parts)
    assert len(phase.seconds) == len(phase.ratios) == 10
    assert (phase.median, phase.ratio) == (2.0, 1.0)


def test_phases_that_are_too_short_and_baselines_that_stop_are_refused(tiny_run):
    check_phases(tiny_run("sit_b2"), [stopping(tiny_run, 11)], 10)
    with pytest.raises(InputError, match="run sit_b2_sra: computes the same from step 0 to 10 alone, a turn takes 11; lower --steps to 9"):
        check_phases(tiny_run("sit_b2"), [stopping(tiny_run, 10)], 10)
    with pytest.raises(InputError, match="a baseline takes the same at every step; name another as --baseline"):
        check_phases(stopping(tiny_run, 100), [tiny_run("sit_b2")], 10)


def test_waiting_is_that_of_the_single_measurement():
    assert turns.wait_for is timing.wait_for
