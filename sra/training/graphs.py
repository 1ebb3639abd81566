"""The device's share of a step as one CUDA graph: recorded once, then started by a single call.

A small model's kernels are shorter than the time that Python takes to launch each of them. Follows "Whole-network capture" of torch's notes on
CUDA graphs (docs.pytorch.org/docs/stable/notes/cuda.html).

A graph repeats its kernels on the same addresses with the same numbers. So what differs between steps comes in tensors that keep their place and
are filled before each replay, and what decides about kernels (which alignments act, whether there are targets) chooses the graph. The weights'
average stays outside: its decay may differ at each step too, and one call updates all of it.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from sra.core.errors import InputError, StageError
from sra.training.batches import TrainingBatch
from sra.training.distributed import World
from sra.training.objective import Weights

Updated = tuple[dict[str, Tensor], Tensor]  # losses by name and the gradient's norm, each ()
Update = Callable[[TrainingBatch, Weights], Updated]
Replay = Callable[[], Updated]

WARM_UP_STEPS = 3  # steps of training all the same; libraries choose kernels and take their memory in them
MOST_GRAPHS = 4  # each keeps its inputs; what would take more of them is trained without


class Recorder(Protocol):
    """What records work to be repeated: `CudaRecorder` on a GPU."""

    def aside(self) -> AbstractContextManager[None]:
        """A context within which work goes to a stream of its own, after what was begun before and before what is begun later."""

    def record(self, work: Callable[[], Updated]) -> Replay:
        """Call `work` without executing what it launches. Returns what executes that, and gives the same tensors each time."""


class CudaRecorder:
    """Records and warms up on one stream, into one pool of memory.

    Graphs may share it because nothing but results outlives a replay, and those are read before the next.
    """

    def __init__(self):
        self.stream, self.pool = torch.cuda.Stream(), torch.cuda.graph_pool_handle()

    @contextmanager
    def aside(self) -> Iterator[None]:
        here = torch.cuda.current_stream()
        self.stream.wait_stream(here)
        with torch.cuda.stream(self.stream):
            yield
        here.wait_stream(self.stream)

    def record(self, work: Callable[[], Updated]) -> Replay:
        """Raises StageError when `work` does what no graph can hold, or needs more memory than there is."""
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
                updated = work()
        except RuntimeError as error:
            # Ending a recording that failed fails again, and says less.
            first = error.__context__ if isinstance(error.__context__, RuntimeError) else error
            said = str(first).partition("\n")[0]
            raise StageError(f"cuda_graphs: a training step cannot be recorded here ({said}); set cuda_graphs: false") from first

        def replay() -> Updated:
            graph.replay()
            return updated

        return replay


@dataclass
class Slot:
    """Where one graph reads: a batch, and the weights of the alignments that act."""

    batch: TrainingBatch
    weights: dict[str, Tensor]
    steps: int = 0  # taken without the graph
    replay: Replay | None = None

    @classmethod
    def like(cls, batch: TrainingBatch, weights: dict[str, float], device: torch.device) -> "Slot":
        empty = batch.moved(lambda tensor: torch.empty_like(tensor, device=device))
        return cls(empty, {name: torch.empty((), device=device) for name in weights})

    def fill(self, batch: TrainingBatch, weights: dict[str, float]) -> None:
        """Copy a step's batch, which lies on the CPU, and its weights to their places; from pinned memory nothing waits."""
        for place, tensor in zip(self.batch.tensors, batch.tensors, strict=True):
            place.copy_(tensor, non_blocking=True)
        for name, place in self.weights.items():
            place.fill_(weights[name])


class GraphedUpdate:
    """Does what `update` does, by a graph from the fourth step of a kind on. Results are overwritten by the next step.

    update: changes tensors in place, and asks the device for nothing.  before_recording: leaves no gradients, so that they are made anew in the
    graph's memory, and no other thread that calls CUDA.
    """

    def __init__(self, update: Update, device: torch.device, recorder: Recorder, before_recording: Callable[[], None]):
        self.update, self.device, self.recorder, self.before_recording = update, device, recorder, before_recording
        self.slots: dict[tuple[tuple[str, ...], bool], Slot] = {}
        self.graphs = 0

    def __call__(self, batch: TrainingBatch, weights: dict[str, float]) -> Updated:
        kind = (tuple(weights), batch.targets is None)
        if kind not in self.slots:
            self.slots[kind] = Slot.like(batch, weights, self.device)
        slot = self.slots[kind]
        slot.fill(batch, weights)
        if slot.replay:
            return slot.replay()

        # Not yet, or no more: the same work, launched one by one.
        with self.recorder.aside():
            updated = self.update(slot.batch, slot.weights)
        slot.steps += 1
        if slot.steps == WARM_UP_STEPS and self.graphs < MOST_GRAPHS:
            self.before_recording()
            slot.replay = self.recorder.record(partial(self.update, slot.batch, slot.weights))
            self.graphs += 1
        return updated


def check_can_graph(run: str, device: torch.device, world: World, online: bool) -> None:
    """Raises InputError where no graph can hold a step. online: whether an encoder makes targets or captions in each step."""
    if device.type != "cuda":
        why = "there is no GPU to train on here; set cuda_graphs: false"
    elif world.size > 1:
        why = f"a graph holds the work of one process and {world.size} train together; train with one, or set cuda_graphs: false"
    elif online:
        why = "the encoder in each step cannot be recorded; give stored features (--features, --text), or set cuda_graphs: false"
    else:
        return
    raise InputError(f"run {run}: cuda_graphs: {why}")
