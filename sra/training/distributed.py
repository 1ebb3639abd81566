"""Data parallel training: several processes share each batch, and every decision is taken by all of them at the same step.

torchrun starts the processes and tells each its place in environment variables. Random numbers depend on the place in the whole batch,
so the number of processes changes rounding alone and may change between two segments of a run.
"""

import os
import signal
from dataclasses import dataclass, field

import torch
import torch.distributed as dist

# Imported before there is a group: its functions have the group as a default argument, and would keep it for good.
import torch.distributed.nn
from torch import Tensor

LAUNCHED = "TORCHELASTIC_RUN_ID"  # torchrun sets it for the processes that it starts
RENDEZVOUS_FILE = "SRA_MEETING_FILE"  # set for processes of one machine that meet in a file instead of at an address


@dataclass(frozen=True)
class World:
    """This process's place among those that train together: `rank` of `size`."""

    rank: int = 0
    size: int = 1
    parent: int = field(default_factory=os.getppid)

    @classmethod
    def join(cls) -> "World":
        """Join the processes that torchrun started; alone when it did not. Collectives run on CPU and GPU tensors alike."""
        if not (size := launched()):
            return cls()
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        # Waiting for the others never asks Python whether there was a Ctrl-C, and there is nothing to keep yet: it ends the process.
        before = signal.signal(signal.SIGINT, signal.SIG_DFL)
        if file := os.environ.get(RENDEZVOUS_FILE):
            dist.init_process_group(backend, store=dist.FileStore(file, size), rank=int(os.environ["RANK"]), world_size=size)
        else:
            dist.init_process_group(backend)
        signal.signal(signal.SIGINT, before)
        return cls(dist.get_rank(), dist.get_world_size())

    def leave(self) -> None:
        """End the exchange between processes, and its threads, where nothing holds the group any more (`Trainer.end_exchange`).

        A thread that outlives Python's own end and then lets go of a tensor aborts the process.
        """
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

    def minimum(self, value: int) -> int:
        """The smallest value of any process."""
        if self.size == 1:
            return value
        shared = torch.tensor(value)
        dist.all_reduce(shared, dist.ReduceOp.MIN)
        return int(shared)

    def mean(self, values: Tensor) -> Tensor:
        """The mean of `values` over the processes, element by element."""
        if self.size == 1:
            return values
        values = values.clone()
        dist.all_reduce(values)
        return values / self.size

    def wait(self) -> None:
        """Return when every process has called this."""
        if self.size > 1:
            dist.barrier()


def lost_another(error: RuntimeError) -> bool:
    """Whether a collective failed because another process is gone. gloo says so in its text alone."""
    return isinstance(error, dist.DistError) or "gloo/transport" in str(error)


def launched() -> int:
    """How many processes torchrun started, this one among them; 0 when it started none."""
    return int(os.environ["WORLD_SIZE"]) if LAUNCHED in os.environ else 0
