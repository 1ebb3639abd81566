"""A training that came to its end unseen: Snakemake deletes its state, and the same command does only the last moments again."""

import shutil
import signal
import time
from types import SimpleNamespace

import pytest

from sra.spec.scratch import clear_scratch, last_entry
from sra.training.rolling import RollingStates


def forget(run) -> None:
    """What Snakemake does to the outputs of a job that failed, or that ended after Snakemake itself was killed."""
    for path in (run.state(), run.curve()):
        path.unlink()


def test_only_the_last_steps_are_done_again(new_run, undisturbed):
    run, until = new_run(), 40
    assert run.train(until, minutes=0).code == 0
    forget(run)
    done = run.train(until, minutes=0)
    assert (done.code, done.continued) == (0, until)
    assert run.result() == undisturbed(until)


def test_an_end_just_before_a_save_costs_one_interval(new_run, undisturbed):
    run, until = new_run(), 40
    stopped = run.start(until)
    stopped.wait_for_training()
    stopped.wait_for(lambda: run.logged() >= 10)
    saved = stopped.send(signal.SIGTERM).stopped
    assert run.train(until).code == 0
    forget(run)
    assert run.train(until).continued == saved
    assert run.result() == undisturbed(until)


def test_the_export_takes_the_rolling_states_away(new_run):
    run = new_run()
    assert run.train(20, minutes=0).code == 0
    assert run.saved() == [19, 20]
    older = run.scratch.with_name("0" * 12)
    shutil.copytree(run.scratch, older)
    run.result()
    assert not run.scratch.parent.exists()


def test_the_export_of_a_milestone_leaves_the_next_segment_alone(new_run):
    """Both begin when the milestone's state is there."""
    run = new_run()
    assert run.train(20, point="one", minutes=0).code == 0
    later = run.start(100_000, previous="one", minutes=0)
    later.wait_for_training()
    later.wait_for(lambda: run.newest() > 30)
    run.result("one")
    assert not later.ended()
    stopped = later.send(signal.SIGTERM).stopped
    assert run.saved()[-1] == stopped > 30
    assert all(step > 20 for step in run.saved())


def test_a_segment_that_has_just_begun_logs_on(tmp_path):
    with RollingStates(tmp_path / "scratch" / "run", minutes=60) as rolling:
        rolling.begin(SimpleNamespace(curve=[{"step": 20}]))
        clear_scratch(rolling.folder, 20)
        rolling.log({"step": 30})
        assert last_entry(rolling.curve) == {"step": 30}


def test_a_segment_that_has_logged_keeps_its_folder(new_run):
    run = new_run()
    run.scratch.mkdir(parents=True)
    (run.scratch / "curve.jsonl").write_text('{"step": 20}\n{"step": 30}\n{"ste')
    clear_scratch(run.scratch, 20)
    assert (run.scratch / "curve.jsonl").exists()
    clear_scratch(run.scratch, 30)
    assert not run.scratch.parent.exists()


@pytest.mark.parametrize("meeting", ["address", "file"])
def test_ctrl_c_while_one_waits_for_the_others(meeting, new_run, free_port, tmp_path):
    """Its own launcher would wait ten minutes for it."""
    place = {"TORCHELASTIC_RUN_ID": "test", "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2"}
    here = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port)} if meeting == "address" else {"SRA_MEETING_FILE": str(tmp_path / "meeting")}
    waiting = new_run(batch=32).start(10, environment=place | here)
    time.sleep(1)  # what it waits for is known to torch alone
    assert not waiting.ended()
    assert waiting.send(signal.SIGINT).code == -signal.SIGINT
