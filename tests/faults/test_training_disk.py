"""A disk that fills up: one line, exit code 1, and with room again the same command goes on from the last state."""

import signal

import pytest
from faults.disks import mounted, remount

UNTIL = 40


@pytest.fixture
def run(new_run):
    """A run stopped early, so that it has a state to fall back to."""
    run = new_run()
    training = run.start(UNTIL, minutes=0)
    training.wait_for(lambda: run.newest() > 5)
    assert training.send(signal.SIGTERM).code == 143
    return run


def one_error(done) -> str:
    """The only line besides those of progress."""
    assert done.code == 1, done.text
    assert len(done.complaint.splitlines()) == 1, done.text
    return done.complaint


@pytest.mark.fault("disk full while a run trains")
@pytest.mark.parametrize("minutes", [0, 60], ids=["rolling state", "final state"])
def test_no_room_for_a_state(minutes, run, undisturbed):
    saved = run.saved()
    done = run.train(UNTIL, minutes=minutes, most_bytes=300_000)
    file = run.rolling(saved[-1] + 1) if minutes == 0 else run.state()
    assert one_error(done).startswith(f"error: {file}: no room to write it")
    assert run.saved() == saved
    assert not run.left_half_written()
    done = run.train(UNTIL)
    assert (done.code, done.continued) == (0, saved[-1])
    assert run.result() == undisturbed(UNTIL)


@pytest.mark.fault("disk full while a run trains")
def test_no_room_for_the_curve(run, undisturbed):
    """A few hundred bytes: even the lines of the curve no longer fit."""
    saved = run.saved()
    done = run.train(UNTIL, most_bytes=300)
    assert "no room to write it" in one_error(done)
    assert "curve" in done.complaint
    assert run.saved() == saved
    assert run.train(UNTIL).code == 0
    assert run.result() == undisturbed(UNTIL)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of two states and a half. Two states stay and a third is written beside them, so it is full at the third."""
    with mounted(tmp_path / "disk", "size=1900k") as folder:
        yield folder


@pytest.mark.fault("disk full while a run trains")
def test_a_full_disk(small_disk, new_run, undisturbed):
    run = new_run(folder=small_disk)
    done = run.train(UNTIL, minutes=0)
    assert one_error(done).startswith(f"error: {run.rolling(3)}: no room to write it (0.")
    assert run.saved() == [1, 2]
    assert not run.left_half_written()
    remount(small_disk, "size=20m")
    done = run.train(UNTIL)
    assert (done.code, done.continued) == (0, 2)
    assert run.result() == undisturbed(UNTIL)


@pytest.mark.fault("disk full while a run trains")
def test_no_room_with_two_processes(run, free_port, undisturbed):
    """The leading process says why; the other one ends too."""
    saved = run.saved()
    first, second = (started.finish() for started in run.together(2, UNTIL, minutes=0, port=free_port, most_bytes=300_000))
    assert "no room to write it" in one_error(first)
    assert second.code == 1
    assert "Traceback" not in second.text
    assert run.saved() == saved
