"""A training step as a graph trains as the plain loop does. A tape stands in for the graph of a GPU; test_on_gpu.py has the real one."""

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sra.core.errors import InputError, StageError
from sra.spec.config import UserConfig
from sra.spec.load import checked
from sra.spec.machine import Machine
from sra.spec.recipe import RampEma
from sra.training import graphs
from sra.training.batches import Prefetched
from sra.training.distributed import World
from sra.training.graphs import WARM_UP_STEPS, CudaRecorder, GraphedUpdate, check_can_graph
from sra.training.loop import Trainer
from sra.training.setup import set_up

CPU = torch.device("cpu")
READS = {torch.ops.aten._local_scalar_dense, torch.ops.aten.nonzero, torch.ops.aten.equal}  # the values themselves, which a graph cannot know


class Calls(TorchDispatchMode):
    """Every operation below autograd and autocast, with the numbers and tensors that it was called with."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        assert operation.overloadpacket not in READS
        found = operation(*args, **(kwargs or {}))
        self.calls.append((operation, args, kwargs or {}, found))
        return found


class Tape:
    """Like a GPU's graph: a recording changes no tensor of `kept`, and a replay repeats its operations with the same numbers in the same places."""

    def __init__(self, kept=()):
        self.kept, self.recorded, self.replayed, self.aside_of = list(kept), 0, 0, 0

    @contextmanager
    def aside(self):
        self.aside_of += 1
        yield

    def record(self, work):
        before = [tensor.clone() for tensor in self.kept]
        with Calls() as mode:
            results = work()
        with torch.no_grad():
            for tensor, value in zip(self.kept, before, strict=True):
                tensor.copy_(value)
            for result in tree_leaves(results):
                result.fill_(torch.nan)
        self.recorded += 1

        @torch.no_grad()
        def replay():
            self.replayed += 1
            for operation, args, kwargs, found in mode.calls:
                for place, value in zip(tree_leaves(found), tree_leaves(operation(*args, **kwargs)), strict=True):
                    if isinstance(place, torch.Tensor) and place.data_ptr() != value.data_ptr():  # neither a view nor changed in place
                        place.copy_(value)
            return results

        return replay


def trainer_of(spec, stores) -> Trainer:
    return set_up(spec, stores[0], stores[1] if spec.encoder else None, CPU)


def graphed(spec, stores) -> tuple[Trainer, Tape]:
    run = trainer_of(spec, stores)
    tape = Tape(run.state.tensors().values())
    run.update = GraphedUpdate(run._update, CPU, tape, run._drop_gradients)
    return run, tape


def same(a: Trainer, b: Trainer) -> bool:
    pairs = zip(a.state.tensors().values(), b.state.tensors().values(), strict=True)
    return all(torch.equal(one, other) for one, other in pairs) and a.state.curve == b.state.curve != []


def test_the_tape_keeps_numbers_and_executes_nothing_while_it_records():
    total, factor = torch.ones(3), 2.0
    tape = Tape([total])
    replay = tape.record(lambda: total.mul_(factor).sum())
    factor = 100.0
    assert total.tolist() == [1, 1, 1]
    assert replay() is replay()
    assert total.tolist() == [4, 4, 4]


@pytest.mark.parametrize("run", ["sit_b2", "sit_b2_sra", "dit_b2_sra", "sit_xl2_repa_dinov2b"])
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_it_trains_as_the_plain_loop_bit_for_bit(run, precision, tiny_run, tiny_stores):
    spec = tiny_run(run, training={"precision": precision})
    plain, (other, tape) = trainer_of(spec, tiny_stores), graphed(spec, tiny_stores)
    plain.train(20)
    other.train(20)
    assert same(plain, other)
    assert (tape.aside_of, tape.recorded, tape.replayed) == (WARM_UP_STEPS, 1, 20 - WARM_UP_STEPS)


def test_what_differs_between_steps_is_not_recorded(tiny_run, tiny_stores):
    """An average that ramps, a weight that decays, and one that ends and begins again: two kinds of step, each recorded once."""
    spec = tiny_run("sit_xl2_repa_sra", training={"ema": RampEma(start=0.5, end=1.0), "ema_steps": 15, "learning_rate": 1e-3})
    plain, (other, tape) = trainer_of(spec, tiny_stores), graphed(spec, tiny_stores)
    for trainer in (plain, other):
        trainer.state.alignments["sra"].weight = lambda step: 0.2 * 0.9**step
        trainer.state.alignments["repa"].weight = lambda step: 0.5 if step < 6 or step >= 12 else 0.0
        trainer.train(20)
    assert same(plain, other)
    assert len({entry["sra_weight"] for entry in other.state.curve}) == 2
    assert (tape.recorded, list(other.update.slots)) == (2, [(("repa", "sra"), False), (("sra",), True)])
    assert tape.replayed == 20 - 2 * WARM_UP_STEPS


def test_kinds_of_steps_beyond_the_last_graph_are_trained_without(tiny_run, tiny_stores, monkeypatch):
    monkeypatch.setattr(graphs, "MOST_GRAPHS", 1)
    spec = tiny_run("sit_xl2_repa_dinov2b", stop_step=1)
    plain, (other, tape) = trainer_of(spec, tiny_stores), graphed(spec, tiny_stores)
    for trainer in (plain, other):
        trainer.state.alignments["repa"].weight = lambda step: 0.5 if step < 8 else 0.0
        trainer.train(20)
    assert same(plain, other)
    assert (tape.recorded, tape.replayed) == (1, 8 - WARM_UP_STEPS)


def test_an_overflow_in_a_replay_changes_no_weight(tiny_run, tiny_stores):
    spec = tiny_run("sit_b2_sra", training={"precision": "fp16"})
    plain, (other, _) = trainer_of(spec, tiny_stores), graphed(spec, tiny_stores)
    for trainer in (plain, other):
        trainer.train(8)
        trainer.state.loss_scale.scale.fill_(2.0**126)
        trainer.train(10)
    assert same(plain, other)
    assert other.state.optimizer.updates.item() == 8


def test_a_restored_state_continues_on_the_same_graph(tiny_run, tiny_stores, tmp_path):
    spec = tiny_run("sit_b2_sra")
    run, tape = graphed(spec, tiny_stores)
    run.train(10)
    run.state.save(tmp_path / "state.safetensors")
    run.train(20)
    again, _ = graphed(spec, tiny_stores)
    again.train(20)
    run.state.restore(tmp_path / "state.safetensors")
    run.train(20)
    assert same(run, again)
    assert tape.recorded == 1


def test_a_bad_step_is_found_in_a_replay(tiny_run, tiny_stores):
    run, tape = graphed(tiny_run("sit_b2_sra"), tiny_stores)
    run.train(6)
    run.state.model.blocks[0].mlp.fc1.weight.data[0, 0] = torch.inf
    run.step()
    assert int(run._first_bad) == 7
    assert tape.replayed == 4


class OnTheDevice(Calls):
    """Refuses tensors of the CPU, as a recording does."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        found = super().__torch_dispatch__(operation, types, args, kwargs)
        for tensor in tree_leaves((args, kwargs or {}, found)):
            holds_numbers = isinstance(tensor, torch.Tensor) and tensor.numel()  # checkpointing makes one without any
            assert not holds_numbers or tensor.device.type == "meta", f"{operation} reads or makes a tensor on the CPU"
        return found


@pytest.mark.parametrize("run", ["sit_b2", "sit_b2_sra", "dit_b2_sra", "sit_xl2_repa_sra"])
@pytest.mark.parametrize("options", [{}, {"micro_batch": 3}, {"activation_checkpointing": True}], ids=str)
def test_an_update_stays_on_the_device(run, options, tiny_run, tiny_stores, monkeypatch):
    """Shown on `meta`, where a tensor has no values: what reads one fails, and what comes from the CPU is seen."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # there is none for meta
    spec, meta, machine = tiny_run(run), torch.device("meta"), Machine(**options)
    trainer = set_up(spec, tiny_stores[0], tiny_stores[1] if spec.encoder else None, meta, machine)
    batch, weights = trainer.batch(0), {name: torch.empty((), device=meta) for name in trainer.state.alignments}
    trainer._update(batch, weights)  # what is made once
    with OnTheDevice() as mode:
        losses, norm = trainer._update(batch, weights)
    assert {tensor.device for tensor in (*losses.values(), norm)} == {meta}
    assert len(mode.calls) > 100


def test_nothing_pins_memory_while_it_is_recorded(tiny_run, tiny_stores):
    ahead = Prefetched(trainer_of(tiny_run("sit_b2"), tiny_stores).batches, pin=False)
    ahead.wait_until_idle()
    ahead.at(0)
    ahead.wait_until_idle()
    assert ahead.ahead[1].done()


class Cuda:
    """The names of torch.cuda that a recorder uses, told in order."""

    def __init__(self, monkeypatch, ends_badly=False):
        self.told, self.ends_badly = [], ends_badly
        for name in ("current_stream", "stream", "graph", "graph_pool_handle", "Stream", "CUDAGraph"):
            monkeypatch.setattr(torch.cuda, name, getattr(self, name))

    def Stream(self):
        return SimpleNamespace(wait_stream=lambda other: self.told.append("side waits"))

    def current_stream(self):
        return SimpleNamespace(wait_stream=lambda other: self.told.append("here waits"))

    def CUDAGraph(self):
        return SimpleNamespace(replay=lambda: self.told.append("replay"))

    def graph_pool_handle(self):
        return "pool"

    def stream(self, stream):
        return nullcontext()

    @contextmanager
    def graph(self, graph, pool, stream):
        self.told.append(pool)
        try:
            yield
        finally:
            if self.ends_badly:
                raise RuntimeError("operation failed due to a previous error during capture")


def test_the_side_stream_waits_and_is_waited_for(monkeypatch):
    cuda = Cuda(monkeypatch)
    recorder = CudaRecorder()
    with recorder.aside():
        cuda.told.append("work")
    replay = recorder.record(lambda: ({}, cuda.told.append("recorded")))
    assert replay() is replay()
    assert cuda.told == ["side waits", "work", "here waits", "pool", "recorded", "replay", "replay"]


@pytest.mark.parametrize("ends_badly", [True, False])
def test_what_cannot_be_recorded_says_what_it_was(ends_badly, monkeypatch):
    Cuda(monkeypatch, ends_badly)

    def work():
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nand more")

    said = r"cuda_graphs: a training step cannot be recorded here \(CUDA error: operation not permitted when stream is capturing\); set"
    with pytest.raises(StageError, match=said):
        CudaRecorder().record(work)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"device": "cpu"}, "sra train: cuda_graphs: there are none on a CPU; set device to cuda or auto, or cuda_graphs to false, got True"),
        ({"processes": 2}, "sra train: cuda_graphs: a graph holds the work of one process; set processes and nodes to 1, or cuda_graphs to false"),
        ({"nodes": 2}, "set processes and nodes to 1"),
    ],
)
def test_machines_without_graphs_are_refused_before_anything_starts(given, says):
    for model in (Machine, UserConfig):
        with pytest.raises(InputError, match=says):
            checked({**given, "cuda_graphs": True}, model, "sra train")
    assert checked({"cuda_graphs": "True"}, Machine, "sra train").cuda_graphs


def test_trainings_that_no_graph_can_hold_are_refused(tiny_run, tiny_stores):
    with pytest.raises(InputError, match="run sit_b2: cuda_graphs: there is no GPU to train on here; set cuda_graphs: false"):
        set_up(tiny_run("sit_b2"), tiny_stores[0], None, CPU, Machine(cuda_graphs=True))
    gpu = torch.device("cuda")
    with pytest.raises(InputError, match="a graph holds the work of one process and 2 train together; train with one, or set cuda_graphs: false"):
        check_can_graph("sit_b2", gpu, World(0, 2), online=False)
    with pytest.raises(InputError, match=r"the encoder in each step cannot be recorded; give stored features \(--features, --text\)"):
        check_can_graph("sit_b2", gpu, World(), online=True)
    check_can_graph("sit_b2", gpu, World(), online=False)
