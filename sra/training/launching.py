"""Starting the processes that train together: on one machine by themselves, on several by Slurm's `srun`, or by the user's own launcher.

Every machine runs the same command line. On each of them one torchrun agent starts the processes and watches over them; on several the
agents find each other at one address. On one machine they meet in a file, and nothing listens beyond the loopback interface.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from sra.core.errors import InputError
from sra.training.distributed import RENDEZVOUS_FILE

# torchrun kills its processes half a minute after a stop signal; a state of several gigabytes takes longer to write.
STOP_SECONDS = 600
LOOPBACK = "lo" if sys.platform == "linux" else "lo0"
FIRST_PORT, PORTS = 20_000, 10_000  # below the ports that Linux hands out by itself
TASK_OF = "SRA_TASK_OF"  # the Slurm job that this process is a task of
# Slurm sets at least one of them with the GPUs of a job; CUDA_VISIBLE_DEVICES may be anybody's.
SLURM_GPU_VARIABLES = {"SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "SLURM_GPUS_ON_NODE"}
CGROUPS = Path("/proc/self/cgroup")  # of this process, one a line


@dataclass(frozen=True)
class Rendezvous:
    """Where the agents of one training meet. hosts: whether that is on this machine; None where only the address can tell."""

    endpoint: str
    run_id: str
    hosts: bool | None = None


def go_to_nodes(nodes: int) -> None:
    """Return on each of so many machines; in a Slurm job first become the srun that starts this same command there, as tasks of its own.

    On one machine too: where Slurm tracks processes by cgroup it tells of a time limit, a cancellation or a preemption none but its tasks, and a
    shell or Snakemake between a task and this process passes nothing on. Raises InputError where several machines are asked for and nothing
    says which.
    """
    elsewhere = rendezvous_of(nodes) is None if nodes > 1 else _inside_another_task()
    if elsewhere:
        os.environ[TASK_OF] = os.environ["SLURM_JOB_ID"]
        command = srun_command(nodes)
        os.execvp(command[0], command)  # in this process's place: every signal reaches srun, and its exit code is this command's


def _inside_another_task() -> bool:
    """Whether to start again as a task of the Slurm job: it tracks processes by cgroup, and this is none of its tasks yet.

    Without cgroups signals reach all processes, and a container may lack Slurm's commands.
    """
    if os.environ.get("SLURM_JOB_ID") == os.environ.get(TASK_OF) or not shutil.which("srun"):
        return False
    return "/step_" in CGROUPS.read_text(encoding="utf-8")


def run_in_processes(processes: int, nodes: int = 1) -> NoReturn:
    """Run this same command line in so many processes of this machine, on each of `nodes`, and end with their exit code."""
    if nodes > 1:
        rendezvous = rendezvous_of(nodes)
        _run_agent(processes, nodes, rendezvous, {} if rendezvous.hosts is None else {"is_host": rendezvous.hosts})
    with tempfile.TemporaryDirectory(prefix="sra-meeting-") as folder:
        os.environ[RENDEZVOUS_FILE] = str(Path(folder, "processes"))
        os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"  # it listens on every interface
        for library in ("GLOO", "NCCL"):
            os.environ.setdefault(f"{library}_SOCKET_IFNAME", LOOPBACK)
        _run_agent(processes, 1, Rendezvous(str(Path(folder, "agents")), "sra"), {"store_type": "file"})


def rendezvous_of(nodes: int) -> Rendezvous | None:
    """The rendezvous of so many machines; None in a Slurm job whose other machines have not been started yet."""
    step = os.environ.get("SLURM_STEP_NUM_NODES")
    if step not in (None, str(nodes)):
        raise InputError(
            f"nodes {nodes}: this Slurm step has {step}; submit with --workflow-profile workflow/profiles/slurm-multinode, edited for {nodes} nodes"
        )
    if step:
        address = os.environ.get("MASTER_ADDR") or _first_host(os.environ["SLURM_STEP_NODELIST"])
        job = os.environ["SLURM_JOB_ID"]
        port = os.environ.get("MASTER_PORT") or FIRST_PORT + int(job) % PORTS
        return Rendezvous(f"{address}:{port}", f"sra-{job}", hosts=os.environ["SLURM_NODEID"] == "0")
    if "MASTER_ADDR" in os.environ:
        return Rendezvous(f"{os.environ['MASTER_ADDR']}:{os.environ.get('MASTER_PORT', FIRST_PORT)}", "sra")
    if "SLURM_JOB_ID" in os.environ:
        return None
    raise InputError(
        f"nodes {nodes}: which machines? run it as a Slurm job of {nodes} nodes, or the same command on each with MASTER_ADDR (and MASTER_PORT) set"
    )


def _first_host(nodelist: str) -> str:
    """The first name of a list as Slurm shortens it, such as gpu[03-04,07]."""
    listed = subprocess.run(["scontrol", "show", "hostnames", nodelist], check=True, capture_output=True, text=True)
    return listed.stdout.split()[0]


def srun_command(nodes: int) -> list[str]:
    """One task on each node of this job, with all that the job has there, shared with the step that asks; the first that fails ends the others."""
    shape = [f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", "--overlap", "--cpu-bind=none", "--kill-on-bad-exit=1"]
    # Those that Slurm gave the job here: a step of several nodes that names no number gets fewer.
    visible = os.environ.get("CUDA_VISIBLE_DEVICES") if SLURM_GPU_VARIABLES & os.environ.keys() else None
    gpus = [f"--gpus-per-node={len(visible.split(','))}"] if visible else []
    return ["srun", *shape, *gpus, sys.executable, "-m", "sra", *sys.argv[1:]]


def _run_agent(processes: int, nodes: int, rendezvous: Rendezvous, options: dict[str, str | bool]) -> NoReturn:
    from torch.distributed.elastic.multiprocessing.api import SignalException  # only here, since it imports half a second of launchers
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, len(_cores()) // processes)))
    config = LaunchConfig(
        min_nodes=nodes,
        max_nodes=nodes,
        nproc_per_node=processes,
        rdzv_backend="c10d",
        rdzv_endpoint=rendezvous.endpoint,
        rdzv_configs=options,
        run_id=rendezvous.run_id,
        max_restarts=0,
        shutdown_timeout=STOP_SECONDS,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "sra", *sys.argv[1:])
    except ChildFailedError as failed:
        # The process has said why; its traceback of launchers would only hide that.
        code = failed.get_first_failure()[1].exitcode
        sys.exit(code if code >= 0 else 128 - code)
    except SignalException as stopped:
        sys.exit(128 + stopped.sigval)
    sys.exit(0)


def _cores() -> set[int]:
    """The cores that this process may use: a job's share of its machine."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
