"""Decay rules, the optimiser against torch's class, draws as functions of (seed, step), and what survives an interruption."""

import os
import signal
import threading

import pytest
import torch

from sra.core.errors import Interrupted, StageError
from sra.spec.recipe import ConstantEma, RampEma
from sra.training.adamw import AdamW
from sra.training.draws import MethodDraws, draw_step
from sra.training.ema import ema_decay, update_average
from sra.training.loop import Trainer
from sra.training.precision import gradient_norm
from sra.training.rolling import RollingStates
from sra.training.setup import set_up
from sra.training.state import Snapshot

CPU = torch.device("cpu")


def test_constant_decay_and_its_ramp():
    assert ema_decay(ConstantEma(decay=0.9999), 123, None, 1) == 0.9999
    ramp = RampEma(start=0.996, end=1.0)
    values = [ema_decay(ramp, step, 400, 1) for step in (0, 100, 200, 400, 500)]
    assert values == pytest.approx([0.996, 0.996 + 0.004 * (1 - 0.5**0.5) / 2, 0.998, 1.0, 1.0])


def test_a_ramp_takes_the_same_way_in_fewer_steps():
    ramp = RampEma()
    assert ema_decay(ramp, 100, 400, 1000) == pytest.approx(ema_decay(ramp, 100_000, 400_000, 1) ** 1000)


def test_the_average_of_constant_weights_is_geometric():
    average, weights = [torch.zeros(3)], [torch.ones(3)]
    for _ in range(5):
        update_average(average, weights, 0.9)
    assert torch.allclose(average[0], torch.full((3,), 1 - 0.9**5))


def test_adamw_and_clipping_equal_torchs(tiny_run):
    spec = tiny_run("sit_b2", training={"weight_decay": 0.01}).training
    ours, theirs = ({name: torch.linspace(-1, 1, 6).view(2, 3).requires_grad_() for name in ("a", "b")} for _ in range(2))
    optimizer = AdamW(ours, spec)
    reference = torch.optim.AdamW(theirs.values(), lr=spec.learning_rate, betas=spec.betas, eps=spec.epsilon, weight_decay=0.01)
    for step in range(4):
        for name in ours:
            gradient = torch.sin(torch.arange(6.0) + step).view(2, 3)
            ours[name].grad, theirs[name].grad = gradient.clone(), gradient.clone()
        limit = (0.5, 100.0)[step % 2]  # of a norm of about 2.5: clipped in half the steps
        norm, divisor = gradient_norm([tensor.grad for tensor in ours.values()], limit, None)
        optimizer.update(divisor)
        assert torch.nn.utils.clip_grad_norm_(theirs.values(), limit) == norm
        reference.step()
    assert optimizer.updates == 4
    assert torch.allclose(ours["a"], theirs["a"], rtol=1e-6, atol=1e-7)
    assert not torch.equal(ours["a"], torch.linspace(-1, 1, 6).view(2, 3))


def test_draws_are_functions_of_seed_and_step():
    methods = MethodDraws({"interval": (), "places": (16,)}, {"summary_noise": (6,)})
    draws = [draw_step(seed, step, (512, 4, 2, 2), methods) for seed, step in [(0, 3), (0, 3), (0, 4), (1, 3)]]
    first, again, other_step, other_seed = [{**vars(draw), **draw.methods} for draw in draws]
    for name in ("posterior", "noise", "time", "dropout", "flip", "interval", "places"):
        assert torch.equal(first[name], again[name])
        assert not torch.equal(first[name], other_step[name])
        assert not torch.equal(first[name], other_seed[name])
    first = draws[0]
    assert first.methods["places"].shape == (512, 16)
    assert not torch.equal(first.methods["places"][:, 0], first.methods["interval"])
    assert not torch.equal(first.time, first.dropout)
    assert not torch.equal(first.posterior, first.noise)
    assert abs(first.noise.mean()) < 0.06
    assert abs(first.time.mean() - 0.5) < 0.06


def interrupted(trainer: Trainer, folder, at: int) -> Interrupted:
    """Train until a signal at step `at` stops it."""
    step = trainer.step

    def step_and_signal():
        entry = step()
        if trainer.state.step == at:
            os.kill(os.getpid(), signal.SIGTERM)
        return entry

    trainer.step = step_and_signal
    with pytest.raises(Interrupted) as stop, RollingStates(folder, minutes=60) as rolling:
        trainer.train(20, rolling)
    return stop.value


def test_an_interrupted_run_equals_an_uninterrupted_one(tiny_run, tiny_stores, tmp_path):
    spec = tiny_run("sit_b2_sra")
    stop = interrupted(set_up(spec, tiny_stores[0], None, CPU), tmp_path / "scratch", at=7)
    assert stop.exit_code == 128 + signal.SIGTERM
    assert "stopped at step 7" in str(stop)
    resumed, whole = (set_up(spec, tiny_stores[0], None, CPU) for _ in range(2))
    with RollingStates(tmp_path / "scratch", minutes=60) as rolling:
        assert rolling.restore_newest(resumed.state, 20)
        assert resumed.state.step == 7
        resumed.train(20, rolling)
    whole.train(20)
    assert all(torch.equal(a, b) for a, b in zip(resumed.state.tensors().values(), whole.state.tensors().values(), strict=True))
    assert resumed.state.curve == whole.state.curve


def slow_to_write(monkeypatch, release):
    """States reach the disk only when the event is set; returns the steps of those that were to be written."""
    write, waiting = Snapshot.write, []

    def held_up(snapshot, path, machine):
        waiting.append(snapshot.facts["step"])
        assert release.wait(30)
        write(snapshot, path, machine)

    monkeypatch.setattr(Snapshot, "write", held_up)
    return waiting


def test_training_goes_on_while_a_state_is_written(tiny_run, tiny_stores, tmp_path, monkeypatch):
    """What reaches the disk is the state of the step at which it was due, and nothing is left when training leaves."""
    release, spec = threading.Event(), tiny_run("sit_b2_sra")
    waiting = slow_to_write(monkeypatch, release)
    trainer, other = (set_up(spec, tiny_stores[0], None, CPU) for _ in range(2))
    with RollingStates(tmp_path, minutes=60) as rolling:
        rolling.saved_at -= 3600
        trainer.train(4, rolling)
        assert (trainer.state.step, list(tmp_path.glob("*.safetensors"))) == (4, [])
        release.set()
    assert waiting == [1]
    assert RollingStates(tmp_path, minutes=60).restore_newest(other.state, 4)
    assert other.state.step == 1
    other.train(4)
    assert all(torch.equal(a, b) for a, b in zip(other.state.tensors().values(), trainer.state.tensors().values(), strict=True))


def test_the_time_that_a_state_takes_is_no_time_to_be_lost(tmp_path):
    rolling = RollingStates(tmp_path, minutes=1)
    rolling.saved_at -= 50
    assert not rolling.due()
    rolling.took = 20.0
    assert rolling.due()


def test_a_state_that_could_not_be_written_is_said_at_the_next(tiny_run, tiny_stores, tmp_path, monkeypatch):
    def full(snapshot, path, machine):
        raise StageError(f"{path}: no room")

    monkeypatch.setattr(Snapshot, "write", full)
    trainer = set_up(tiny_run("sit_b2"), tiny_stores[0], None, CPU)
    with pytest.raises(StageError, match=r"0000000\.safetensors: no room"), RollingStates(tmp_path, minutes=60) as rolling:
        rolling.save(trainer.state)
        rolling.save(trainer.state)


def test_two_states_are_kept_and_a_damaged_newest_falls_back(tiny_run, tiny_stores, tmp_path, capsys):
    spec = tiny_run("sit_b2")
    trainer = set_up(spec, tiny_stores[0], None, CPU)
    with RollingStates(tmp_path, minutes=0) as rolling:
        trainer.train(4, rolling)
    kept = sorted(path.name for path in tmp_path.glob("*.safetensors"))
    assert kept == ["0000003.safetensors", "0000004.safetensors"]
    (tmp_path / kept[-1]).write_bytes(b"torn")
    resumed = set_up(spec, tiny_stores[0], None, CPU)
    assert RollingStates(tmp_path, minutes=0).restore_newest(resumed.state, 10)
    assert resumed.state.step == 3
    assert "left out a rolling state" in capsys.readouterr().err


def test_states_past_the_segment_are_not_used(tiny_run, tiny_stores, tmp_path):
    trainer = set_up(tiny_run("sit_b2"), tiny_stores[0], None, CPU)
    with RollingStates(tmp_path, minutes=0) as rolling:
        trainer.train(4, rolling)
    fresh = set_up(tiny_run("sit_b2"), tiny_stores[0], None, CPU)
    assert not RollingStates(tmp_path, minutes=0).restore_newest(fresh.state, 2)
    assert fresh.state.step == 0


def test_signals_work_as_before_afterwards(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with RollingStates(tmp_path, minutes=1):
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
