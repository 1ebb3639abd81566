"""Training on a GPU against the same training on the CPU. Skipped where there is none."""

import pytest
import torch

from sra.spec.machine import Machine
from sra.spec.recipe import RampEma
from sra.training.loop import Trainer
from sra.training.setup import set_up

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

CPU, GPU = torch.device("cpu"), torch.device("cuda")
GRAPHS = Machine(cuda_graphs=True)
MACHINES = [
    Machine(micro_batch=3),
    Machine(activation_checkpointing=True),
    Machine(compile=True),
    GRAPHS,
    Machine(cuda_graphs=True, compile=True),
    Machine(cuda_graphs=True, micro_batch=3),
    Machine(cuda_graphs=True, activation_checkpointing=True),
]


def trained(spec, stores, device, machine=Machine(), steps=10) -> Trainer:
    run = set_up(spec, stores[0], stores[1] if spec.encoder else None, device, machine)
    run.train(steps)
    return run


@pytest.mark.parametrize("run", ["sit_b2_sra", "dit_b2_sra", "sit_xl2_repa_sra"])
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("tf32", 5e-3), ("bf16", 5e-2), ("fp16", 5e-3)])
def test_the_losses_are_those_of_the_cpu(run, precision, tolerance, tiny_run, tiny_stores):
    exact = trained(tiny_run(run, training={"learning_rate": 1e-4}), tiny_stores, CPU).state.curve[0]
    here = trained(tiny_run(run, training={"learning_rate": 1e-4, "precision": precision}), tiny_stores, GPU).state.curve[0]
    for name in ("loss", "generation", "gradient_norm"):
        assert here[name] == pytest.approx(exact[name], rel=tolerance)


@pytest.mark.parametrize("machine", MACHINES, ids=str)
def test_the_machine_changes_rounding_alone(machine, tiny_run, tiny_stores):
    spec = tiny_run("sit_b2_sra", training={"learning_rate": 1e-4})
    plain, other = (trained(spec, tiny_stores, GPU, chosen).state.curve[0] for chosen in (Machine(), machine))
    assert other == pytest.approx(plain, rel=1e-3)


def test_a_state_moves_between_gpu_and_cpu(tiny_run, tiny_stores, tmp_path):
    spec = tiny_run("sit_b2_sra", training={"precision": "fp16"})
    there = trained(spec, tiny_stores, GPU)
    there.state.save(tmp_path / "state.safetensors")
    here = set_up(spec, tiny_stores[0], None, CPU)
    here.state.restore(tmp_path / "state.safetensors")
    pairs = zip(there.state.tensors().values(), here.state.tensors().values(), strict=True)
    assert all(torch.equal(a.cpu(), b) for a, b in pairs)
    assert here.state.step == 10


def weights_of(run: Trainer) -> torch.Tensor:
    """Trained and averaged, (n,) float64 on the CPU."""
    return torch.cat([tensor.double().flatten().cpu() for name, tensor in run.state.tensors().items() if name.startswith(("student", "ema"))])


def assert_same_training(one: Trainer, other: Trainer) -> None:
    assert (weights_of(one) - weights_of(other)).norm() < 1e-3 * weights_of(other).norm()
    for here, there in zip(one.state.curve, other.state.curve, strict=True):
        assert here == pytest.approx(there, rel=1e-2)


@pytest.mark.parametrize("run", ["sit_b2_sra", "dit_b2_sra", "sit_xl2_repa_sra"])
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16", "fp16"])
def test_a_graph_trains_as_the_loop_does(run, precision, tiny_run, tiny_stores):
    spec = tiny_run(run, training={"learning_rate": 1e-4, "precision": precision})
    plain, graphed = (trained(spec, tiny_stores, GPU, machine, steps=30) for machine in (Machine(), GRAPHS))
    assert_same_training(graphed, plain)
    assert graphed.update.graphs == 1


def test_what_differs_between_steps_reaches_the_graph(tiny_run, tiny_stores):
    spec = tiny_run("sit_xl2_repa_sra", training={"ema": RampEma(start=0.5, end=1.0), "ema_steps": 25, "learning_rate": 1e-4})
    plain, graphed = (set_up(spec, *tiny_stores, GPU, machine) for machine in (Machine(), GRAPHS))
    for run in (plain, graphed):
        run.state.alignments["sra"].weight = lambda step: 0.2 * 0.9**step
        run.state.alignments["repa"].weight = lambda step: 0.5 if step < 8 or step >= 20 else 0.0
        run.train(30)
    assert_same_training(graphed, plain)
    assert graphed.update.graphs == 2


def test_a_graph_continues_from_a_restored_state(tiny_run, tiny_stores, tmp_path):
    spec = tiny_run("sit_b2_sra", training={"learning_rate": 1e-4})
    graphed = trained(spec, tiny_stores, GPU, GRAPHS)
    graphed.state.save(tmp_path / "state.safetensors")
    graphed.train(20)
    graphed.state.restore(tmp_path / "state.safetensors")
    graphed.train(20)
    assert_same_training(graphed, trained(spec, tiny_stores, GPU, steps=20))
    assert graphed.update.graphs == 1
