"""Processes that share each batch: the same numbers as one, stopped and continued together, and as many as divide the batch."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from faults.methods_in_turn import train_in_turn
from safetensors.torch import load_file
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from sra.spec.run import write_run
from sra.training.launching import run_in_processes

ROOT = Path(__file__).parents[2]
# A process's share of the batch of 32: in one process two such parts add up to the very gradients that two processes exchange.
HALVES = ("--micro-batch", "16")
SPEC = {"batch": 32, "learning_rate": 1e-4}


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.slow
def test_processes_stop_and_continue_together(new_run, undisturbed):
    """`sra train --processes 2`: the parent that the user started is stopped, then killed; a single process finishes the run."""
    until, run = 100, new_run(**SPEC)
    training = run.start(until, "--processes", "2")
    training.wait_for(lambda: run.logged() >= 10)  # both are past their beginning, where a signal has nothing to keep
    stopped = training.send(signal.SIGTERM)
    assert stopped.code == 143
    assert "Traceback" not in stopped.text
    assert run.saved() == [stopped.stopped]

    training = run.start(until, "--processes", "2")
    training.wait_for_training()
    workers = children(training.pid)
    killed = training.send(signal.SIGKILL)
    assert (killed.code, killed.began, len(workers)) == (-signal.SIGKILL, stopped.stopped, 2)
    try:
        end = time.monotonic() + 20
        while any(Path(f"/proc/{worker}").exists() for worker in workers):
            assert time.monotonic() < end, "processes train on without the one that the user started, and the same command would start more"
            time.sleep(0.01)
    finally:
        for worker in workers:
            if Path(f"/proc/{worker}").exists():
                os.kill(worker, signal.SIGKILL)
    done = run.train(until, *HALVES)
    assert done.code == 0
    assert done.began >= stopped.stopped
    assert run.result() == undisturbed(until, *HALVES, **SPEC)


@pytest.mark.slow
def test_torchrun_and_a_changing_number_of_processes(new_run, undisturbed):
    run = new_run(**SPEC)
    assert run.train(6, *HALVES, point="one").code == 0
    script = Path(__file__).with_name("threads_left.py")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*launcher, *run.command(14, point="two", previous="one")], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # One that is alive when Python ends may abort the process, whose work is done.
    assert done.stdout.splitlines() == ["threads left: []"] * 2
    assert run.train(20, *HALVES, previous="two").code == 0
    assert run.result() == undisturbed(20, *HALVES, **SPEC)


@pytest.mark.parametrize("name", ["sit_b2_sra", "sit_xl2_repa_sra", "dit_b2_sra"])
def test_two_processes_train_as_one(name, new_run, undisturbed, free_port):
    """Bit for bit where one process adds up the same halves. Else to rounding: after 20 steps weights, their average and each moment, as
    one vector, are within 1e-6 of its length."""
    two, halves, one = (new_run(name, **SPEC) for _ in range(3))
    for done in [started.finish() for started in two.together(2, 20, port=free_port)]:
        assert done.code == 0, done.text
    assert halves.train(20, *HALVES).code == 0
    assert two.state().read_bytes() == halves.state().read_bytes()
    assert two.curve().read_bytes() == halves.curve().read_bytes()
    assert one.train(20).code == 0
    ours, reference = load_file(two.state()), load_file(one.state())
    for part in ("student", "ema", "first_moment", "second_moment"):
        names = [name for name in reference if name.startswith(part)]
        distance = torch.cat([(ours[name] - reference[name]).flatten() for name in names]).norm()
        assert distance <= 1e-6 * torch.cat([reference[name].flatten() for name in names]).norm()


@pytest.mark.slow
def test_two_processes_train_every_relative_as_one(tmp_path, new_stores, new_spec):
    """Bit for bit, over a stop: of 4 steps, each 40,000 of the paper's, those that stop at 100,000 act in the first three."""
    stores, relatives = new_stores(rows=96), yaml.safe_load((ROOT / "config" / "experiments" / "relatives.yaml").read_text())
    for run in relatives["runs"]:
        write_run(tmp_path / run / "config.json", new_spec(run, batch=64, paper_steps_per_step=40_000.0))
    script = Path(__file__).with_name("methods_in_turn.py")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script), str(tmp_path), str(stores)]
    done = subprocess.run(launcher, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    train_in_turn(tmp_path, stores, "one", in_halves=True)
    torch.set_num_threads(threads)
    differing = [run for run in relatives["runs"] if not same(tmp_path / run / "one.safetensors", tmp_path / run / "two.safetensors")]
    assert not differing


def same(*states: Path) -> bool:
    """Whether two states hold the same numbers."""
    first, second = (load_file(state) for state in states)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_batch_that_cannot_be_shared_is_refused(new_run):
    done = new_run(**SPEC).train(10, "--processes", "3")
    assert done.code == 2
    assert done.text == "error: run sit_b2_sra: batch 32 cannot be shared evenly by 3 processes; choose a divisor\n"


def test_torchruns_processes_must_divide_the_batch_too(new_run, free_port):
    """Else each step would quietly train on 30 images."""
    run = new_run(**SPEC)
    for done in [started.finish() for started in run.together(3, 10, port=free_port)]:
        assert done.code == 2
        assert "batch 32 cannot be shared evenly by 3 processes" in done.text
    assert run.files() == {"config.json"}


@pytest.mark.parametrize("asked", [0, 1], ids=["the leading process", "the other process"])
def test_a_signal_to_one_process_stops_both_at_the_same_step(asked, new_run, free_port):
    run = new_run(**SPEC)
    both = run.together(2, 100_000, port=free_port)
    both[0].wait_for(lambda: run.logged() >= 10)
    both[asked].notify(signal.SIGTERM)
    first, second = (started.finish() for started in both)
    assert (first.code, second.code) == (143, 143)
    assert run.saved() == [first.stopped]


def test_a_process_that_dies_ends_the_others(new_run, free_port):
    """None waits for it for ever, each says so in a line, and what was saved is good."""
    run = new_run(**SPEC)
    leading, other = run.together(2, 100_000, minutes=0, port=free_port)
    leading.wait_for(lambda: run.newest() > 3)
    assert other.send(signal.SIGKILL).code == -signal.SIGKILL
    done = leading.finish()
    assert done.code == 1
    assert len(done.complaint.splitlines()) == 1
    assert done.complaint.startswith("error: ")
    assert len(run.saved()) >= 2


@pytest.mark.parametrize(("ended", "code"), [(2, 2), (1, 1), (-signal.SIGKILL, 137)])
def test_the_exit_code_is_that_of_the_process_that_failed(ended, code, monkeypatch):
    """A signal's number is added to 128 as a shell does it; as it is, -9 would come out as 247."""

    def fail(*_):
        raise ChildFailedError("sra", {0: ProcessFailure(local_rank=0, pid=1, exitcode=ended, error_file="<N/A>")})

    monkeypatch.setattr("torch.distributed.launcher.api.elastic_launch", lambda *_: fail)
    with pytest.raises(SystemExit) as left:
        run_in_processes(2)
    assert left.value.code == code
