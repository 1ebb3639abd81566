"""Several machines: what srun is asked for, and where the processes meet."""

import os
import sys

import pytest

from sra.core.errors import InputError
from sra.training import launching
from sra.training.launching import Rendezvous, go_to_nodes, rendezvous_of

STEP = {"SLURM_JOB_ID": "123456", "SLURM_STEP_NUM_NODES": "2", "SLURM_STEP_NODELIST": "gpu[03-04]", "SLURM_NODEID": "1"}


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    for name in [name for name in os.environ if name.startswith(("SLURM_", "MASTER_", "SRA_TASK_OF"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Programs of Slurm's names: scontrol, which answers, and srun, which says how it was called."""
    for name, does in {"scontrol": "echo gpu03\necho gpu04", "srun": 'echo "$SRA_TASK_OF $@" > "$SRUN_CALLED"; exit 7'}.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{does}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SRUN_CALLED", str(tmp_path / "called"))
    return tmp_path


def test_the_tasks_of_a_step_meet_at_its_first_node(slurm, monkeypatch):
    for name, value in STEP.items():
        monkeypatch.setenv(name, value)
    assert rendezvous_of(2) == Rendezvous("gpu03:23456", "sra-123456", hosts=False)
    monkeypatch.setenv("SLURM_NODEID", "0")
    assert rendezvous_of(2).hosts
    monkeypatch.setenv("MASTER_ADDR", "10.0.0.7")
    monkeypatch.setenv("MASTER_PORT", "29500")
    assert rendezvous_of(2).endpoint == "10.0.0.7:29500"


def test_another_launcher_names_the_meeting(monkeypatch):
    monkeypatch.setenv("MASTER_ADDR", "10.0.0.7")
    assert rendezvous_of(3) == Rendezvous("10.0.0.7:20000", "sra")


def test_a_step_of_another_size_is_refused(monkeypatch):
    monkeypatch.setenv("SLURM_STEP_NUM_NODES", "1")
    with pytest.raises(InputError, match=r"^nodes 2: this Slurm step has 1; submit with --workflow-profile workflow/profiles/slurm-multinode"):
        rendezvous_of(2)


def test_machines_that_nobody_names_are_refused():
    with pytest.raises(InputError, match=r"^nodes 2: which machines?"):
        go_to_nodes(2)
    go_to_nodes(1)


@pytest.mark.parametrize(
    ("nodes", "devices", "by_slurm", "gpus"),
    [(1, "", False, ""), (2, "", False, ""), (1, "0", False, ""), (2, "0,1,2,3", True, " --gpus-per-node=4")],
)
def test_a_job_without_steps_becomes_srun(slurm, monkeypatch, nodes, devices, by_slurm, gpus):
    """In a child, since the process is replaced. Devices that only the user's shell named are none of the job's."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", devices)
    if by_slurm:
        monkeypatch.setenv("SLURM_STEP_GPUS", devices)
    monkeypatch.setenv("SLURM_JOB_ID", "9")
    monkeypatch.setattr(launching, "CGROUPS", slurm / "cgroup")
    (slurm / "cgroup").write_text("7:freezer:/slurm_gpu03/uid_0/job_9/step_0\n")
    monkeypatch.setattr("sys.argv", ["sra", "train", "a b.json", "--until", "3"])
    child = os.fork()
    if child == 0:
        try:
            go_to_nodes(nodes)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    called = (slurm / "called").read_text()
    shape = f"--nodes={nodes} --ntasks={nodes} --ntasks-per-node=1 --overlap --cpu-bind=none --kill-on-bad-exit=1{gpus}"
    assert called == f"9 {shape} {sys.executable} -m sra train a b.json --until 3\n"


@pytest.mark.parametrize(
    ("task_of", "cgroup"),
    [("9", "/slurm_gpu03/uid_0/job_9/step_1"), ("", "/user.slice/session-2.scope")],
    ids=["is a task", "no cgroup of Slurm"],
)
def test_a_process_that_hears_of_signals_trains_where_it_is(slurm, monkeypatch, task_of, cgroup):
    monkeypatch.setenv("SLURM_JOB_ID", "9")
    monkeypatch.setenv("SRA_TASK_OF", task_of)
    monkeypatch.setattr(launching, "CGROUPS", slurm / "cgroup")
    (slurm / "cgroup").write_text(f"7:freezer:{cgroup}\n")
    go_to_nodes(1)
    assert not (slurm / "called").exists()


def test_a_job_in_a_container_without_slurm_trains_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("SLURM_JOB_ID", "9")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(launching, "CGROUPS", tmp_path / "cgroup")
    (tmp_path / "cgroup").write_text("7:freezer:/slurm_gpu03/uid_0/job_9/step_0\n")
    go_to_nodes(1)
