"""The machine changes where and in what pieces a run trains, never what it trains."""

import shutil

import pytest
import torch

from sra.core.errors import StageError
from sra.spec.machine import Machine
from sra.training.batches import Prefetched
from sra.training.distributed import World
from sra.training.rolling import RollingStates
from sra.training.setup import set_up

CPU = torch.device("cpu")


def trained(spec, stores, machine=Machine(), steps=5):
    run = set_up(spec, stores[0], stores[1] if spec.encoder else None, CPU, machine)
    run.train(steps)
    return run


def largest_difference(a, b) -> float:
    pairs = zip(a.state.tensors().values(), b.state.tensors().values(), strict=True)
    return max(((one - other).norm() / other.norm().clamp(min=1e-30)).item() for one, other in pairs)


@pytest.mark.parametrize("run", ["sit_b2_sra", "dit_b2_sra", "sit_xl2_repa_dinov2b"])
@pytest.mark.parametrize("micro_batch", [4, 3, 1, 64])
def test_parts_of_a_batch_add_up_to_it(run, micro_batch, tiny_run, tiny_stores):
    spec = tiny_run(run, training={"learning_rate": 1e-4})
    whole, parts = (trained(spec, tiny_stores, Machine(micro_batch=size)) for size in (None, micro_batch))
    assert largest_difference(parts, whole) < 2e-5
    entries = (trainer.step() or trainer.state.curve for trainer in (whole, parts))
    assert all(entry is not None for entry in entries)


def test_the_curve_is_that_of_the_whole_batch(tiny_run, tiny_stores):
    spec = tiny_run("sit_b2_sra", training={"learning_rate": 1e-4})
    whole, parts = (trained(spec, tiny_stores, Machine(micro_batch=size), steps=10).state.curve[0] for size in (None, 3))
    assert whole == pytest.approx(parts, rel=1e-5)


@pytest.mark.parametrize("run", ["sit_b2_sra", "dit_b2"])
def test_recomputed_activations_change_nothing(run, tiny_run, tiny_stores):
    spec = tiny_run(run)
    kept, recomputed = (trained(spec, tiny_stores, Machine(activation_checkpointing=on)) for on in (False, True))
    assert largest_difference(recomputed, kept) == 0
    assert kept.state.step == 5


def test_recomputed_blocks_keep_no_activations_inside(tiny_run, tiny_stores):
    def kept_bytes(machine):
        run, count = set_up(tiny_run("sit_b2"), tiny_stores[0], None, CPU, machine), 0

        def pack(tensor):
            nonlocal count
            count += tensor.nbytes
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            run.objective(run.batch(0), {}, run.state.teacher)
        return count

    assert kept_bytes(Machine(activation_checkpointing=True)) < 0.3 * kept_bytes(Machine())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_blocks_train_the_same(tiny_run, tiny_stores):
    spec = tiny_run("sit_b2_sra", training={"learning_rate": 1e-4})
    graphs = torch._dynamo.utils.counters["stats"]
    before = graphs["unique_graphs"]
    eager, compiled = (trained(spec, tiny_stores, Machine(compile=on), steps=3) for on in (False, True))
    assert largest_difference(compiled, eager) < 1e-4
    assert list(eager.state.tensors()) == list(compiled.state.tensors())
    # One graph with gradients for the student and one without for the teacher, whatever the number of blocks.
    assert graphs["unique_graphs"] - before == 2


def test_a_prefetched_batch_is_the_batch(tiny_run, tiny_stores):
    run = set_up(tiny_run("sit_b2_sra"), tiny_stores[0], None, CPU)
    ahead = Prefetched(run.batches, pin=False)
    for step in (0, 1, 2, 7, 3):  # in order, then a jump as after a restored state
        expected, batch = run.batches.at(step), ahead.at(step)
        assert torch.equal(expected.noisy.noise, batch.noisy.noise)
        assert torch.equal(expected.noisy.condition, batch.noisy.condition)
        assert torch.equal(expected.draws["interval"], batch.draws["interval"])


def test_each_process_makes_its_share_of_one_batch(tiny_run, tiny_stores):
    spec = tiny_run("sit_xl2_repa_dinov2b")
    whole = set_up(spec, *tiny_stores, CPU).batches.at(3)
    batches = set_up(spec, *tiny_stores, CPU).batches
    shares = [type(batches)(spec, tiny_stores[0], batches.conditions, tiny_stores[1], batches.process, World(rank, 4)).at(3) for rank in range(4)]
    for name in ("latents", "noise", "timestep", "condition"):
        assert torch.equal(getattr(whole.noisy, name), torch.cat([getattr(share.noisy, name) for share in shares]))
    assert torch.equal(whole.targets.tokens, torch.cat([share.targets.tokens for share in shares]))


def test_repa_and_sra_together_train_both_heads(tiny_run, tiny_stores):
    run = trained(tiny_run("sit_xl2_repa_sra"), tiny_stores, steps=10)
    entry = run.state.curve[0]
    weighted = entry["repa_weight"] * entry["repa"] + entry["sra_weight"] * entry["sra"]
    assert entry["loss"] == pytest.approx(entry["generation"] + weighted)
    assert entry["alignment_share"] == pytest.approx(weighted / entry["loss"])
    untrained = set_up(run.spec, *tiny_stores, CPU).state.trained
    moved = {name.split(".")[1] for name, tensor in run.state.trained.items() if not torch.equal(tensor, untrained[name])}
    assert {"repa", "sra"} <= moved


def test_a_head_without_weight_stays_as_it_is(tiny_run, tiny_stores):
    run = set_up(tiny_run("sit_xl2_repa_dinov2b", stop_step=1), *tiny_stores, CPU)
    before = {name: tensor.clone() for name, tensor in run.state.alignments.named_parameters()}
    run.train(1)
    moved = {name: tensor.clone() for name, tensor in run.state.alignments.named_parameters()}
    assert any(not torch.equal(before[name], tensor) for name, tensor in moved.items())
    run.train(3)
    assert run.state.alignments["repa"].weight(1) == 0
    gradients = [parameter.grad for parameter in run.state.alignments.parameters()]
    assert all(gradient is not None and not gradient.any() for gradient in gradients)


def test_what_followed_a_bad_step_is_never_saved(tiny_run, tiny_stores, tmp_path):
    run = set_up(tiny_run("sit_b2_sra"), tiny_stores[0], None, CPU)
    step = run.step

    def poisoned():
        if run.state.step == 3:
            run.state.model.blocks[0].mlp.fc1.weight.data[0, 0] = torch.inf
        return step()

    run.step = poisoned
    with (
        pytest.raises(StageError, match=r"not finite at step 4; the last good state is .*0000003\.safetensors"),
        RollingStates(tmp_path, 0) as rolling,
    ):
        run.train(20, rolling)
    assert sorted(path.name for path in tmp_path.glob("*.safetensors")) == ["0000002.safetensors", "0000003.safetensors"]


def test_the_curve_can_be_watched_and_restarts_with_the_state(tiny_run, tiny_stores, tmp_path):
    spec = tiny_run("sit_b2_sra")
    run = set_up(spec, tiny_stores[0], None, CPU)
    with RollingStates(tmp_path, minutes=0) as rolling:
        run.train(20, rolling)
        assert len(rolling.curve.read_text().splitlines()) == 2
    again = set_up(spec, tiny_stores[0], None, CPU)
    again.state.restore(tmp_path / "0000019.safetensors")
    with RollingStates(tmp_path, minutes=60) as rolling:
        rolling.begin(again.state)
        assert len(rolling.curve.read_text().splitlines()) == 1
