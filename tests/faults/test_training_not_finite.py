"""A loss that is not a number: the training stops with the step and the last good state, and nothing is saved from then on."""

import os
import signal

import pytest
import torch

from sra.core.errors import StageError
from sra.data.order import batch_indices
from sra.data.store import ArrayStore
from sra.spec.diverged import NAME, diverged_at
from sra.training.rolling import RollingStates
from sra.training.setup import set_up

BAD = 14  # the step whose batch holds an infinity
BATCH, ROWS = 8, 480


@pytest.fixture(scope="module")
def poisoned(new_run, new_stores, new_spec):
    """`poisoned(place)`: a run whose batch of step BAD has an infinity at that place."""

    def make(place: int):
        row = batch_indices(ROWS, BATCH, new_spec().training.seed, BAD - 1)[place]
        return new_run(stores=new_stores(ROWS, poisoned=int(row)), batch=BATCH)

    return make


def test_the_last_good_state_is_named_and_kept(poisoned):
    run = poisoned(place=3)
    for began in (0, BAD - 1):
        done = run.train(40, minutes=0)
        assert (done.code, done.began) == (1, began)
        assert len(done.complaint.splitlines()) == 1
        assert done.complaint.startswith(f"error: run sit_b2_sra: the loss or its gradient was not finite at step {BAD}; ")
        assert f"the last good state is {run.rolling(BAD - 1)}." in done.complaint
        assert run.saved() == [BAD - 2, BAD - 1]
        assert not run.state().exists()


def test_the_previous_state_is_the_last_good_one(poisoned):
    run = poisoned(place=0)
    assert run.train(BAD - 1, point="good").code == 0
    done = run.train(40, previous="good")
    assert done.code == 1
    assert f"not finite at step {BAD}; the last good state is {run.state('good')}." in done.complaint
    assert run.saved() == []
    assert not run.state().exists()


def test_a_bad_last_step_is_no_result(poisoned):
    run = poisoned(place=0)
    done = run.train(BAD)
    assert done.code == 1
    assert f"not finite at step {BAD}; no state was saved before it" in done.complaint
    assert not run.state().exists()


def test_a_signal_after_the_bad_step_saves_nothing(poisoned, tmp_path, monkeypatch):
    """Losses are looked at every tenth step, so a signal can come when the state is bad already and nobody has seen it."""
    run = poisoned(place=0)
    trainer = set_up(run.spec, ArrayStore.open(run.stores / "latents" / "store.json", "latents"), None, torch.device("cpu"))
    step = trainer.step

    def step_and_signal():
        step()
        if trainer.state.step == BAD + 1:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(trainer, "step", step_and_signal)
    with pytest.raises(StageError, match=f"not finite at step {BAD}; no state was saved"), RollingStates(tmp_path, minutes=60) as rolling:
        trainer.train(40, rolling)
    assert trainer.state.step == BAD + 1
    assert not list(tmp_path.glob("*.safetensors"))


def test_a_note_says_at_which_step_until_the_training_comes_further(poisoned):
    run = poisoned(place=2)
    note = run.folder / NAME
    assert run.train(40, minutes=60).code == 1
    assert diverged_at(note, run.spec) == BAD
    assert diverged_at(note, run.spec.model_copy(update={"run": "other"})) is None
    before = note.read_bytes()
    assert run.train(40, minutes=60).code == 1
    assert note.read_bytes() == before
    assert run.train(BAD - 1, point="good").code == 0
    assert not note.exists()
    assert run.train(40, previous="good").code == 1
    assert diverged_at(note, run.spec) == BAD


def test_one_process_of_two_is_enough(poisoned, free_port):
    run = poisoned(place=BATCH - 1)
    for done in [started.finish() for started in run.together(2, 40, minutes=0, port=free_port)]:
        assert done.code == 1
        assert f"not finite at step {BAD}; the last good state is {run.rolling(BAD - 1)}." in done.complaint
        assert len(done.complaint.splitlines()) == 1
    assert run.saved() == [BAD - 2, BAD - 1]
