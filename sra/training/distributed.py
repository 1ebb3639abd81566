"""Data parallel training: several processes share each batch, and every decision is taken by all of them at the same step.

torchrun starts the processes and tells each its place in environment variables. Random numbers depend on the place in the whole batch,
so the number of processes changes rounding alone and may change between two segments of a run.
"""

import os
import sys
from dataclasses import dataclass, field
from typing import NoReturn

import torch
import torch.distributed as dist
from torch import Tensor

LAUNCHED = "TORCHELASTIC_RUN_ID"  # torchrun sets it for the processes that it starts
# torchrun kills its processes half a minute after a stop signal; a state of several gigabytes takes longer to write.
STOP_SECONDS = 600


@dataclass(frozen=True)
class World:
    """This process's place among those that train together."""

    rank: int = 0
    size: int = 1
    parent: int = field(default_factory=os.getppid)

    @classmethod
    def join(cls) -> "World":
        """Join the processes that torchrun started; alone when it did not. Collectives run on CPU and GPU tensors alike."""
        if LAUNCHED not in os.environ:
            return cls()
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
        return cls(dist.get_rank(), dist.get_world_size())

    def leave(self) -> None:
        if dist.is_initialized():
            dist.destroy_process_group()

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes files and speaks."""
        return self.rank == 0

    @property
    def orphaned(self) -> bool:
        """Whether the launcher is gone: nobody waits for the result, and the same command would start a second set of processes."""
        return self.size > 1 and os.getppid() != self.parent

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag, whether it is set in any process."""
        if self.size == 1:
            return flags
        shared = torch.tensor(flags, dtype=torch.int32)
        dist.all_reduce(shared, dist.ReduceOp.MAX)
        return tuple(bool(flag) for flag in shared)

    def least(self, value: int) -> int:
        """The smallest value of any process."""
        if self.size == 1:
            return value
        shared = torch.tensor(value)
        dist.all_reduce(shared, dist.ReduceOp.MIN)
        return int(shared)

    def mean(self, values: Tensor) -> Tensor:
        """Element by element over the processes."""
        if self.size == 1:
            return values
        values = values.clone()
        dist.all_reduce(values)
        return values / self.size

    def wait(self) -> None:
        """Until every process is here."""
        if self.size > 1:
            dist.barrier()


def lost_another(error: RuntimeError) -> bool:
    """Whether a collective failed because another process is gone. gloo says so in its text alone."""
    return isinstance(error, dist.DistError) or "gloo/transport" in str(error)


def launched() -> bool:
    """Whether torchrun started this process."""
    return LAUNCHED in os.environ


def run_in_processes(processes: int) -> NoReturn:
    """Run this same command line in `processes` processes of this machine, as torchrun would, and end with their exit code."""
    from torch.distributed.elastic.multiprocessing.api import SignalException  # only here, since it imports half a second of launchers
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    here = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        run_id="sra",
        max_restarts=0,
        shutdown_timeout=STOP_SECONDS,
    )
    try:
        elastic_launch(here, sys.executable)("-m", "sra", *sys.argv[1:])
    except ChildFailedError as failed:
        # The process has said why; its traceback of launchers would only hide that.
        code = failed.get_first_failure()[1].exitcode
        sys.exit(code if code >= 0 else 128 - code)
    except SignalException as stopped:
        sys.exit(128 + stopped.sigval)
    sys.exit(0)
