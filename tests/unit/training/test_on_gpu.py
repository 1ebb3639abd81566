"""Training on a GPU against the same training on the CPU. Skipped where there is none."""

import pytest
import torch

from sra.spec.machine import Machine
from sra.training.loop import Trainer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def trained(spec, stores, device, machine=Machine(), steps=10) -> Trainer:
    run = Trainer(spec, stores[0], stores[1] if spec.encoder else None, device, machine)
    run.train(steps)
    return run


@pytest.mark.parametrize("run", ["sit_b2_sra", "dit_b2_sra", "sit_xl2_repa_sra"])
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("tf32", 5e-3), ("bf16", 5e-2), ("fp16", 5e-3)])
def test_the_losses_are_those_of_the_cpu(run, precision, tolerance, tiny_run, tiny_stores):
    exact = trained(tiny_run(run, training={"learning_rate": 1e-4}), tiny_stores, CPU).state.curve[0]
    here = trained(tiny_run(run, training={"learning_rate": 1e-4, "precision": precision}), tiny_stores, GPU).state.curve[0]
    for name in ("loss", "generation", "gradient_norm"):
        assert here[name] == pytest.approx(exact[name], rel=tolerance)


@pytest.mark.parametrize("machine", [Machine(micro_batch=3), Machine(activation_checkpointing=True), Machine(compile=True)], ids=str)
def test_the_machine_changes_rounding_alone(machine, tiny_run, tiny_stores):
    spec = tiny_run("sit_b2_sra", training={"learning_rate": 1e-4})
    plain, other = (trained(spec, tiny_stores, GPU, chosen).state.curve[0] for chosen in (Machine(), machine))
    assert other == pytest.approx(plain, rel=1e-3)


def test_a_state_moves_between_gpu_and_cpu(tiny_run, tiny_stores, tmp_path):
    spec = tiny_run("sit_b2_sra", training={"precision": "fp16"})
    there = trained(spec, tiny_stores, GPU)
    there.state.save(tmp_path / "state.safetensors")
    here = Trainer(spec, tiny_stores[0], None, CPU)
    here.state.restore(tmp_path / "state.safetensors")
    pairs = zip(there.state.tensors().values(), here.state.tensors().values(), strict=True)
    assert all(torch.equal(a.cpu(), b) for a, b in pairs)
    assert here.state.step == 10
